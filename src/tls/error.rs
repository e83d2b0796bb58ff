//! Why a leg's files are of no use. Each text names the file, the flag, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Leg;

/// One of a leg's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The CAs to believe.
    Ca,
    /// Our certificate.
    Cert,
    /// Its key.
    Key,
}

impl Part {
    fn noun(self) -> &'static str {
        match self {
            Self::Ca => "CA file",
            Self::Cert => "certificate file",
            Self::Key => "key file",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Ca => "-ca-file",
            Self::Cert => "-cert-file",
            Self::Key => "-key-file",
        }
    }
}

/// What is wrong with a file.
#[derive(Debug)]
pub(super) enum Why {
    Unreadable(io::Error),
    TooLong,
    /// It ends within a PEM block, or a block is cut.
    HalfWritten,
    NoCertificate,
    BadCertificate(rustls::Error),
    NoKey,
    EncryptedKey,
    BadKey,
    Mismatch,
}

/// Why TLS cannot be set up with what was given.
#[derive(Debug)]
pub struct Unusable {
    leg: Leg,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File {
        part: Part,
        path: PathBuf,
        why: Why,
    },
    /// One of certificate and key without the other.
    Half {
        given: Part,
        missing: Part,
    },
    /// Clients cannot be served without these.
    Missing(Part, Part),
    ServerName(String),
    Rejected(String),
}

impl Unusable {
    pub(super) fn file(leg: Leg, part: Part, path: PathBuf, why: Why) -> Self {
        let kind = Kind::File { part, path, why };
        Self { leg, kind }
    }

    pub(super) fn half(leg: Leg, given: Part, missing: Part) -> Self {
        let kind = Kind::Half { given, missing };
        Self { leg, kind }
    }

    pub(super) fn missing(leg: Leg, first: Part, second: Part) -> Self {
        let kind = Kind::Missing(first, second);
        Self { leg, kind }
    }

    pub(super) fn server_name(leg: Leg, name: &str) -> Self {
        let kind = Kind::ServerName(name.escape_debug().to_string());
        Self { leg, kind }
    }

    pub(super) fn rejected(leg: Leg, error: impl fmt::Display) -> Self {
        let kind = Kind::Rejected(error.to_string());
        Self { leg, kind }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leg = self.leg.flag();
        match &self.kind {
            Kind::File { part, path, why } => {
                let (noun, suffix) = (part.noun(), part.suffix());
                let path = path.display();
                match why {
                    Why::Unreadable(error) => write!(
                        f,
                        "cannot read the {noun} {path} given with {leg}{suffix}: {error}; check the path and that this user may read it"
                    ),
                    why => write!(f, "the {noun} {path} given with {leg}{suffix} {why}"),
                }
            }
            Kind::Half { given, missing } => write!(
                f,
                "{leg}{} is given without {leg}{}: a certificate and its key belong together",
                given.suffix(),
                missing.suffix()
            ),
            Kind::Missing(first, second) => write!(
                f,
                "TLS for clients needs a certificate: give {leg}{} and {leg}{}",
                first.suffix(),
                second.suffix()
            ),
            Kind::ServerName(name) => write!(
                f,
                "'{name}' given with {leg}-server-name is neither a host name nor an address"
            ),
            Kind::Rejected(error) => write!(f, "TLS cannot be set up for {leg}: {error}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::TooLong => f.write_str("is longer than 4 MiB: check the path"),
            Self::HalfWritten => f.write_str(
                "ends in the middle of a PEM block: it is half written or cut off, write it anew (to another name, then rename it)",
            ),
            Self::NoCertificate => f.write_str(
                "holds no certificate: it must have a block that begins with -----BEGIN CERTIFICATE-----",
            ),
            Self::BadCertificate(error) => write!(
                f,
                "holds a certificate that cannot be used ({error}): make it anew"
            ),
            Self::NoKey => f.write_str(
                "holds no private key: it must have a block such as -----BEGIN PRIVATE KEY-----",
            ),
            Self::EncryptedKey => f.write_str(
                "holds a key that is encrypted with a passphrase: decrypt it (openssl pkey -in ... -out ...)",
            ),
            Self::BadKey => f.write_str(
                "holds a private key that cannot be used: RSA of 2048 bits or more, ECDSA on P-256 or P-384, and Ed25519 can",
            ),
            Self::Mismatch => f.write_str(
                "does not match the certificate: one of the two was replaced without the other",
            ),
        }
    }
}

impl std::error::Error for Unusable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::File {
                why: Why::Unreadable(error),
                ..
            } => Some(error),
            _ => None,
        }
    }
}
