//! A password in a file: what of its content is the password, and why it may not be one.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Secret;

/// A longer file is no password file; `AUTH` with more would only fill buffers.
const PASSWORD_LEN_MAX: usize = 4096;
/// The longest newline there is.
const NEWLINE_LEN_MAX: usize = 2;

/// Where a password is, and which flag says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The flag.
    pub flag: &'static str,
    /// The file.
    pub path: PathBuf,
}

impl SecretFile {
    /// Reads the password. Blocks.
    ///
    /// # Errors
    /// When there is none that could be used.
    pub fn read(&self) -> Result<Secret, Unusable> {
        let unusable = |why| Unusable {
            file: self.clone(),
            why,
        };
        let bytes = self
            .read_bounded()
            .map_err(|error| unusable(Why::Unreadable(error)))?;
        match without_newline(&bytes) {
            [] => Err(unusable(Why::Empty)),
            password if password.len() > PASSWORD_LEN_MAX => Err(unusable(Why::TooLong)),
            password => Ok(Secret::new(password)),
        }
    }

    /// Reads at most one byte more than a password and its newline may have.
    fn read_bounded(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let limit = PASSWORD_LEN_MAX + NEWLINE_LEN_MAX + 1;
        // Large enough from the start, so that growing leaves no copy behind unwiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
        File::open(&self.path)?
            .take(limit as u64)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// One newline is the editor's; a second one would be the password's.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let without = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    match without.len() < bytes.len() {
        true => without.strip_suffix(b"\r").unwrap_or(without),
        false => bytes,
    }
}

/// A file without a password that could be used.
#[derive(Debug)]
pub struct Unusable {
    file: SecretFile,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    Empty,
    TooLong,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flag, path) = (self.file.flag, self.file.path.display());
        match &self.why {
            Why::Unreadable(error) => write!(
                f,
                "cannot read the password file {path} given with {flag}: {error}; check the path and that this user may read it"
            ),
            Why::Empty => write!(
                f,
                "the password file {path} given with {flag} is empty: put the password into it"
            ),
            Why::TooLong => write!(
                f,
                "the password file {path} given with {flag} is longer than {PASSWORD_LEN_MAX} bytes: it cannot be a password, check the path"
            ),
        }
    }
}

impl std::error::Error for Unusable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Unreadable(error) => Some(error),
            Why::Empty | Why::TooLong => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &[u8], expected: &[u8]) {
        assert_eq!(without_newline(content), expected, "{content:?}");
    }

    #[test]
    fn exactly_one_newline_of_either_kind_is_no_part_of_the_password() {
        check(b"pw", b"pw");
        check(b"pw\n", b"pw");
        check(b"pw\r\n", b"pw");
        check(b"pw\n\n", b"pw\n");
        check(b"pw\r\n\r\n", b"pw\r\n");
        check(b"pw\r", b"pw\r");
        check(b"\r\n", b"");
        check(b" pw ", b" pw ");
    }

    #[test]
    fn the_longest_password_is_read_whole_with_its_newline() {
        let dir = tempfile::tempdir().expect("a directory");
        let read = |len: usize, newline: &str| {
            let path = dir.path().join("password");
            std::fs::write(&path, "x".repeat(len) + newline).expect("writing it");
            let flag = "--password-file";
            SecretFile { flag, path }.read().map(|it| it.expose().len())
        };
        for newline in ["", "\n", "\r\n"] {
            let longest = read(PASSWORD_LEN_MAX, newline);
            assert!(matches!(longest, Ok(PASSWORD_LEN_MAX)), "{newline:?}");
            assert!(read(PASSWORD_LEN_MAX + 1, newline).is_err(), "{newline:?}");
        }
    }
}
