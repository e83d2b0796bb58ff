//! One password: kept out of logs and errors by a hand-written `Debug`, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A password. Printing it prints nothing of it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// From its bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for sending to a server.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares without telling by its duration how much was right.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        let differing = self
            .0
            .iter()
            .zip(presented.iter().chain(std::iter::repeat(&0)))
            .fold(self.0.len() ^ presented.len(), |acc, (a, b)| {
                acc | usize::from(a ^ b)
            });
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(password: &str, presented: &str, expected: bool) {
        assert_eq!(
            Secret::new(password).matches(presented.as_bytes()),
            expected,
            "{password:?} against {presented:?}"
        );
    }

    #[test]
    fn only_the_whole_password_matches() {
        check("secret", "secret", true);
        check("secret", "Secret", false);
        check("secret", "secre", false);
        check("secret", "secrets", false);
        check("secret", "", false);
        check("s", "", false);
        // The zeros that pad a short attempt must not count as a password made of zeros.
        check("\0", "", false);
        check("a\0", "a", false);
        check("a", "a\0", false);
        check("", "", true);
    }
}
