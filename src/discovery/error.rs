//! Why a control exchange failed, told apart so that an operator knows whom to ask.

use std::fmt;
use std::io;
use std::time::Duration;

use super::framing::BadFrame;
use crate::secrets::{Refusal, Whose};

/// Longest part of a server's error text that is kept.
pub(super) const TEXT_LEN_MAX: usize = 200;

/// Why there is no reply.
#[derive(Debug)]
pub enum Error {
    /// No connection could be made.
    Unreachable(io::Error),
    /// Nothing came within this time.
    TimedOut(Duration),
    /// The connection ended.
    Lost(io::Error),
    /// The peer's bytes are no reply.
    Protocol(BadFrame),
    /// The peer answered with an error.
    Rejected(Rejection),
    /// The reply is well-formed but not what the question asks for.
    Unexpected(&'static str),
}

impl Error {
    /// Whether the fault is on this machine (no descriptor, port or memory left) and so says
    /// nothing about the peer.
    pub fn is_local(&self) -> bool {
        use rustix::io::Errno;
        let Self::Unreachable(error) = self else {
            return false;
        };
        [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::ADDRNOTAVAIL,
        ]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }

    /// What it says, and what to do where the login or its rights are at fault.
    pub fn advised(&self, whose: Whose) -> String {
        match self {
            Self::Rejected(rejection) => rejection.advised(whose),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {error}"),
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
            Self::Protocol(bad) => bad.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Unexpected(what) => write!(f, "unexpected reply: {what}"),
        }
    }
}

impl std::error::Error for Error {}

/// The kinds of error reply that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// A login is required.
    NoAuth,
    /// The login was refused.
    WrongPass,
    /// The user may not do this.
    NoPerm,
    /// A script blocks the server.
    Busy,
    /// The server is still reading its data.
    Loading,
    /// A replica without its primary that refuses stale answers.
    MasterDown,
    /// The server takes no more connections.
    MaxClients,
    /// Sentinel does not know the name.
    NoSuchMaster,
    /// Any other.
    Other,
}

/// An error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its kind.
    pub kind: RejectionKind,
    /// Its text, shortened and without control characters.
    pub text: String,
}

impl Rejection {
    /// Sorts an error reply by its text.
    pub fn new(text: &str) -> Self {
        let kind = match text.split(' ').next().unwrap_or_default() {
            "BUSY" => RejectionKind::Busy,
            "LOADING" => RejectionKind::Loading,
            "MASTERDOWN" => RejectionKind::MasterDown,
            _ if text.contains("max number of clients") => RejectionKind::MaxClients,
            _ if text.contains("No such master") || text.contains("No such primary") => {
                RejectionKind::NoSuchMaster
            }
            _ => match Refusal::of(text) {
                Some(Refusal::NoLogin) => RejectionKind::NoAuth,
                Some(Refusal::WrongPassword) => RejectionKind::WrongPass,
                Some(Refusal::NoRight) => RejectionKind::NoPerm,
                None => RejectionKind::Other,
            },
        };
        let text = text
            .chars()
            .filter(|c| !c.is_control())
            .take(TEXT_LEN_MAX)
            .collect();
        Self { kind, text }
    }

    /// Whether it is about who asks, and how.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.kind {
            RejectionKind::NoAuth => Some(Refusal::NoLogin),
            RejectionKind::WrongPass => Some(Refusal::WrongPassword),
            RejectionKind::NoPerm => Some(Refusal::NoRight),
            _ => None,
        }
    }

    /// What it says, and what to do where the login or its rights are at fault.
    pub fn advised(&self, whose: Whose) -> String {
        match self.refusal() {
            Some(refusal) => format!("{self}: {}", refusal.advice(whose)),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.kind {
            RejectionKind::NoAuth => write!(f, "it requires a login and there was none ({text})"),
            RejectionKind::WrongPass => write!(f, "it refuses the user or password ({text})"),
            RejectionKind::NoPerm => write!(f, "the user lacks a permission ({text})"),
            RejectionKind::NoSuchMaster => write!(f, "it does not know the primary name ({text})"),
            _ => write!(f, "it answered: {text}"),
        }
    }
}
