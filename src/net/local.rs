//! Unix sockets as they are written: a file, or a name in Linux's abstract namespace.
//!
//! Makes and removes no file: whoever listens does.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What such an address begins with.
const PREFIX: &str = "unix:";
/// Bytes of a path or name that the kernel has room for: `sun_path` has 108 (unix(7)), of which one is
/// the zero before or behind it.
pub const LOCAL_LEN_MAX: usize = 107;

/// Where a Unix socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalAddress {
    /// A file, by its absolute path; its permissions say who may connect.
    Path(PathBuf),
    /// A name that every process in the same network namespace may connect to.
    Abstract(String),
}

impl LocalAddress {
    /// Whether `text` is meant for an address of this kind, well formed or not.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{PREFIX}{}", path.display()),
            Self::Abstract(name) => write!(f, "{PREFIX}@{name}"),
        }
    }
}

/// Why a text is no address of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadLocalAddress {
    /// Neither an absolute path nor `@` and a name.
    Shape(String),
    /// More bytes than the kernel takes.
    TooLong(String, usize),
}

impl fmt::Display for BadLocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(text) => write!(
                f,
                "'{text}' is not {PREFIX} and an absolute path, as in {PREFIX}/run/steadfast.sock, or {PREFIX}@ and a name"
            ),
            Self::TooLong(text, len) => write!(
                f,
                "'{text}' has {len} bytes behind '{PREFIX}': the kernel takes {LOCAL_LEN_MAX} for a Unix socket, so choose a shorter path"
            ),
        }
    }
}

impl std::error::Error for BadLocalAddress {}

impl FromStr for LocalAddress {
    type Err = BadLocalAddress;

    fn from_str(text: &str) -> Result<Self, BadLocalAddress> {
        let bad = || BadLocalAddress::Shape(text.to_owned());
        let place = text.strip_prefix(PREFIX).ok_or_else(bad)?;
        let name = place.strip_prefix('@');
        let len = name.unwrap_or(place).len();
        if len > LOCAL_LEN_MAX {
            return Err(BadLocalAddress::TooLong(text.to_owned(), len));
        }
        match name {
            _ if place.contains('\0') => Err(bad()),
            Some("") => Err(bad()),
            Some(name) => Ok(Self::Abstract(name.to_owned())),
            None if place.starts_with('/') && !place.ends_with('/') => Ok(Self::Path(place.into())),
            None => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_or_a_name_and_nothing_else() {
        for good in ["unix:/run/a.sock", "unix:/a", "unix:@a", "unix:@a/b c"] {
            let address: LocalAddress = good.parse().expect(good);
            assert_eq!(address.to_string(), good);
        }
        for bad in [
            "/run/a.sock",
            "unix:",
            "unix:a",
            "unix:@",
            "unix:/a/",
            "unix:/a\0b",
            "tcp:/a",
        ] {
            let refusal = bad.parse::<LocalAddress>().expect_err(bad);
            assert_eq!(refusal, BadLocalAddress::Shape(bad.to_owned()));
        }
    }

    #[test]
    fn the_kernels_limit_is_told() {
        let path = |len: usize| format!("unix:/{}", "x".repeat(len - 1));
        assert!(path(LOCAL_LEN_MAX).parse::<LocalAddress>().is_ok());
        let refusal = path(LOCAL_LEN_MAX + 1).parse::<LocalAddress>();
        let text = refusal.expect_err("one too many").to_string();
        assert!(
            text.contains("108 bytes") && text.contains("takes 107"),
            "{text}"
        );
        let name = format!("unix:@{}", "x".repeat(LOCAL_LEN_MAX));
        assert!(name.parse::<LocalAddress>().is_ok());
        assert!(format!("{name}x").parse::<LocalAddress>().is_err());
    }
}
