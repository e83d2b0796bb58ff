//! A password over time: the one of now, and the one before it, which servers may still ask for
//! while it is being replaced. No clock, no log: when to look again is `watch`'s business.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{Secret, SecretFile, Unusable};

/// A password that may change while it is in use; clones change with it. Printing it prints nothing.
#[derive(Clone)]
pub struct Password(Arc<Inner>);

struct Inner {
    known: ArcSwap<Known>,
    /// None where it comes from the environment, which does not change.
    file: Option<SecretFile>,
    /// Why the file could not be used when it was last read.
    fault: Mutex<Option<String>>,
    doubts: Notify,
}

/// What a password is and was at one moment.
pub struct Known {
    current: Secret,
    previous: Option<Secret>,
}

impl Known {
    /// What to log in with, and what to try next where the server takes that for wrong.
    pub fn in_turn(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// What a look at the file brought.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing that was not known.
    None,
    /// Another password, now in use.
    Renewed,
    /// What could not be used is in order again, and has the password it had.
    Recovered,
    /// What cannot be used; the password is what it was.
    Refused(Unusable),
}

impl Password {
    /// One that stays as it is.
    #[must_use]
    pub fn fixed(secret: Secret) -> Self {
        Self::new(secret, None)
    }

    /// One that is what `file` says. Blocks.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn from_file(file: SecretFile) -> Result<Self, Unusable> {
        Ok(Self::new(file.read()?, Some(file)))
    }

    fn new(current: Secret, file: Option<SecretFile>) -> Self {
        let previous = None;
        Self(Arc::new(Inner {
            known: ArcSwap::from_pointee(Known { current, previous }),
            file,
            fault: Mutex::default(),
            doubts: Notify::new(),
        }))
    }

    /// What it is and was.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        self.0.known.load_full()
    }

    /// Whether it is `presented`, and not what it was before; the time this takes does not tell how
    /// much was right.
    #[must_use]
    pub fn matches(&self, presented: &[u8]) -> bool {
        self.0.known.load().current.matches(presented)
    }

    /// Where it comes from, if that can change.
    #[must_use]
    pub fn file(&self) -> Option<&SecretFile> {
        self.0.file.as_ref()
    }

    /// A server takes it for wrong: the file, if there is one, is to be looked at soon.
    pub fn doubt(&self) {
        self.0.doubts.notify_one();
    }

    /// Waits for a doubt.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn doubted(&self) {
        self.0.doubts.notified().await;
    }

    /// Reads the file again. Each state of it is news once. Blocks.
    pub(super) fn refresh(&self) -> News {
        let Some(file) = &self.0.file else {
            return News::None;
        };
        // Held while reading, so that two looks do not overtake each other.
        let mut fault = self.0.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match file.read() {
            Ok(secret) => {
                let was_bad = fault.take().is_some();
                match self.matches(secret.expose()) {
                    true if was_bad => News::Recovered,
                    true => News::None,
                    false => {
                        self.replace(secret);
                        News::Renewed
                    }
                }
            }
            Err(unusable) => {
                let text = Some(unusable.to_string());
                match *fault == text {
                    true => News::None,
                    false => {
                        *fault = text;
                        News::Refused(unusable)
                    }
                }
            }
        }
    }

    fn replace(&self, current: Secret) {
        let previous = Some(self.known().current.clone());
        self.0.known.store(Arc::new(Known { current, previous }));
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(passwords)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::secrets::Credentials;

    fn from(path: &Path) -> Password {
        let (flag, path) = ("--password-file", path.to_owned());
        Password::from_file(SecretFile { flag, path }).expect("a password")
    }

    #[track_caller]
    fn check(password: &Password, expected: &[&str]) {
        let known = password.known();
        let in_turn: Vec<_> = known.in_turn().map(Secret::expose).collect();
        let expected: Vec<_> = expected.iter().map(|text| text.as_bytes()).collect();
        assert!(in_turn == expected, "not the {} expected", expected.len());
    }

    #[test]
    fn the_password_before_is_tried_second_and_only_the_new_one_opens_the_door() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("password");
        fs::write(&path, "one\n").expect("writing");
        let password = from(&path);
        let clone = password.clone();
        check(&password, &["one"]);
        assert!(matches!(password.refresh(), News::None));
        fs::write(&path, "two").expect("writing");
        assert!(matches!(password.refresh(), News::Renewed));
        check(&clone, &["two", "one"]);
        assert!(clone.matches(b"two") && !clone.matches(b"one"));
        // A newline more is no other password.
        fs::write(&path, "two\r\n").expect("writing");
        assert!(matches!(password.refresh(), News::None));
        check(&clone, &["two", "one"]);
    }

    #[test]
    fn what_cannot_be_used_changes_nothing_and_is_told_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("password");
        fs::write(&path, "one").expect("writing");
        let password = from(&path);
        fs::write(&path, "\n").expect("writing");
        assert!(matches!(password.refresh(), News::Refused(_)));
        assert!(matches!(password.refresh(), News::None));
        fs::remove_file(&path).expect("removing");
        assert!(matches!(password.refresh(), News::Refused(_)));
        assert!(matches!(password.refresh(), News::None));
        check(&password, &["one"]);
        fs::write(&path, "one").expect("writing");
        assert!(matches!(password.refresh(), News::Recovered));
        assert!(matches!(password.refresh(), News::None));
        fs::remove_file(&path).expect("removing");
        assert!(matches!(password.refresh(), News::Refused(_)), "again");
    }

    #[test]
    fn printing_tells_nothing() {
        let credentials = Credentials {
            username: Some("app".to_owned()),
            password: Password::fixed(Secret::new("hunter2")),
        };
        let known = credentials.password.known();
        assert!(!format!("{credentials:?} {known:?}").contains("hunter2"));
        assert!(matches!(credentials.password.refresh(), News::None));
    }
}
