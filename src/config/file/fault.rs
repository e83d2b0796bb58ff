//! Why a file of settings is refused. No text repeats a value: it may be a password.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// More of an unknown name than this is not repeated.
const NAME_LEN_MAX: usize = 64;

/// A file of settings that cannot be used.
#[derive(Debug)]
pub struct FileFault {
    pub(super) path: PathBuf,
    /// Counted from 1; none where it is the file as a whole.
    pub(super) line: Option<usize>,
    pub(super) why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    Unreadable(io::Error),
    TooLong,
    NoText,
    Syntax(String),
    Unknown { name: String, meant: Option<String> },
    NoTables,
    TooMany(usize),
    ProcessWide(String),
    Name,
    Empty(String),
    NoList(String),
    Kind,
}

impl Why {
    pub(super) fn unknown(name: &str, meant: Option<String>) -> Self {
        let name = name.chars().take(NAME_LEN_MAX).flat_map(char::escape_debug);
        Self::Unknown {
            name: name.collect(),
            meant,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(
                f,
                "cannot read the file given with --config: {error}; check the path and that this user may read it"
            ),
            Self::TooLong => f.write_str("too long for a file of settings: check the path"),
            Self::NoText => f.write_str("not a text in UTF-8: check the path"),
            Self::Syntax(message) => write!(f, "this is no TOML: {message}"),
            Self::Unknown { name, meant: None } => write!(f, "there is no setting '{name}'"),
            Self::Unknown {
                name,
                meant: Some(meant),
            } => write!(f, "there is no setting '{name}': did you mean {meant}?"),
            Self::NoTables => f.write_str(
                "an endpoint is a table of its own: write [[endpoint]] with two brackets on each side, and its settings below",
            ),
            Self::TooMany(most) => write!(
                f,
                "one process serves at most {most} endpoints: spread them over several processes"
            ),
            Self::ProcessWide(name) => write!(
                f,
                "{name} concerns the whole process, not one of its endpoints: write it above the first [[endpoint]]"
            ),
            Self::Name => f.write_str(
                "the name of an endpoint is not empty, not long, and has no white space in it",
            ),
            Self::Empty(name) => write!(
                f,
                "{name} has no value: leave it out, and it has its default"
            ),
            Self::NoList(name) => write!(f, "{name} takes one value, not a list"),
            Self::Kind => f.write_str(
                "a setting has one value or a list of them: write it in quotes, as on the command line, or as a whole number, true or false",
            ),
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for FileFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
