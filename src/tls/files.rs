//! The files of a leg, as bytes. What they mean is `material`'s.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Leg;
use super::error::{Part, Unusable, Why};

/// A longer file holds no certificates: the bundles of whole operating systems have 250 KiB.
const FILE_LEN_MAX: u64 = 4 << 20;

/// Where a leg's files are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// Whom to believe.
    pub ca: Option<PathBuf>,
    /// Our certificate and those between it and its CA.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// What was in the files at one moment; wiped when dropped.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) ca: Option<Zeroizing<Vec<u8>>>,
    pub(super) cert: Option<Zeroizing<Vec<u8>>>,
    pub(super) key: Option<Zeroizing<Vec<u8>>>,
}

impl Paths {
    /// Whether no file is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(&self, part: Part) -> Option<&Path> {
        let path = match part {
            Part::Ca => &self.ca,
            Part::Cert => &self.cert,
            Part::Key => &self.key,
        };
        path.as_deref()
    }

    /// Why `part` cannot be used.
    pub(super) fn fault(&self, leg: Leg, part: Part, why: Why) -> Unusable {
        let path = self.of(part).unwrap_or(Path::new("")).to_owned();
        Unusable::file(leg, part, path, why)
    }

    /// Reads all of them. Blocks.
    pub(super) fn read(&self, leg: Leg) -> Result<Contents, Unusable> {
        let read = |part| match self.of(part).map(read_bounded) {
            None => Ok(None),
            Some(Ok(bytes)) if bytes.len() as u64 > FILE_LEN_MAX => {
                Err(self.fault(leg, part, Why::TooLong))
            }
            Some(Ok(bytes)) => Ok(Some(bytes)),
            Some(Err(error)) => Err(self.fault(leg, part, Why::Unreadable(error))),
        };
        Ok(Contents {
            ca: read(Part::Ca)?,
            cert: read(Part::Cert)?,
            key: read(Part::Key)?,
        })
    }
}

fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len().min(FILE_LEN_MAX);
    // Large enough from the start, so that growing leaves no copy of a key behind unwiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1));
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
