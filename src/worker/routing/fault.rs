//! Why a link ends.

use std::fmt;
use std::io;

use crate::resp::ReplyError;

/// Why a link is of no more use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// We ended it.
    Ended,
    /// The server closed it.
    Eof,
    /// The socket failed.
    Io(io::Error),
    /// The server sent what is no RESP.
    Protocol(ReplyError),
    /// A reply nobody asked for: pairing is lost.
    Unasked,
    /// A transaction is open on a link that is shared, and takes in what others send.
    Mixed,
    /// A frame we must understand is longer than what may be gathered.
    TooLong,
    /// The node turned out to be no primary, or refused what it would take as one.
    Rejected,
    /// The server does not let the client be what it was before: its password or rights were
    /// taken away.
    Revoked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("ended by us"),
            Self::Eof => f.write_str("closed by the server"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Protocol(error) => write!(f, "not RESP: {error}"),
            Self::Unasked => f.write_str("a reply without a command"),
            Self::Mixed => f.write_str("a transaction is open among commands of others"),
            Self::TooLong => f.write_str("a reply too long to be understood"),
            Self::Rejected => f.write_str("the node does not act as primary"),
            Self::Revoked => f.write_str("the client's login or rights are gone"),
        }
    }
}
