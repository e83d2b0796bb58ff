//! Clients that have yet to log in: what they may send, and for how long.
//!
//! Where Steadfast logs in for its clients (`login`) it is the one who asks for a password, and its
//! bounds are a server's own. Otherwise the server asks, and nobody else can know for certain whom it
//! would let in. So nothing is refused here: what is beyond a server's bounds is passed on as it
//! comes, as soon as its name is there, in place of being collected, and the server's word ends the
//! connection. Who counts as a
//! stranger there, and how that is learned, is told in `commons::strangers`.

use std::time::Duration;

use crate::resp::{
    Args, LOGIN_ARGS_MAX, LOGIN_BULK_LEN_MAX, ProtocolError, RequestScanner, Scanned,
};

use super::Worker;
use super::dormant::has_passed;
use super::ending::Phase;
use super::intake::Intake;
use super::labels::ErrorCode;
use super::session::Session;

/// A client that has yet to log in and sends nothing is closed after this.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// A command of such a client that is not complete by then never will be.
const UNFINISHED_MAX: Duration = Duration::from_secs(10);
/// How a server refuses what is beyond its bounds before a login; it closes the connection then.
const REFUSAL: &[u8] = b"-ERR Protocol error: unauthenticated ";

impl Worker {
    /// Whether there may be clients here that have yet to log in, as far as is known.
    pub(super) fn may_have_strangers(&self) -> bool {
        let asks = self.config.login.is_some() && self.config.client_password.is_some();
        asks || self.commons.requires_login(self.generation())
    }
}

impl Session {
    /// Whether its client is known to have yet to log in.
    pub(super) fn is_stranger(&self, intake: &Intake) -> bool {
        match self.worker.config.login {
            Some(_) => !intake.admitted,
            None => self.is_strange_to_server(),
        }
    }

    /// Whether its client has not logged in for so long that it is to be closed at this look.
    pub(super) fn has_outstayed(&self, look: u32) -> bool {
        let intake = self.intake.borrow();
        if self.phase.get() != Phase::Open || !self.is_stranger(&intake) {
            return false;
        }
        // What waits to be looked at may hold the rest.
        let unfinished = !intake.is_waiting() && !intake.scanner.at_boundary();
        (unfinished && has_passed(UNFINISHED_MAX, intake.begun, look))
            || has_passed(SILENT_MAX, self.heard.get(), look)
    }

    /// Whether the command of which only the beginning is there is the server's to judge at once.
    pub(super) fn is_beyond_login(&self, intake: &Intake) -> bool {
        let scanner = &intake.scanner;
        let beyond = scanner.argc() > LOGIN_ARGS_MAX || is_long(scanner);
        beyond && self.is_stranger(intake)
    }

    /// The server has answered with an error, which is for the client.
    pub(super) fn hear_error(&self, frame: &[u8], generation: u64) {
        let errors = &self.worker.counters.errors;
        ErrorCode::of_reply(frame).of(errors).add(1);
        if frame.starts_with(b"-NOAUTH ") {
            self.note_turned_away(generation);
        } else if frame.starts_with(REFUSAL) && self.state.borrow().login().is_none() {
            self.close_after_flush();
        }
    }
}

/// What is found of a client that Steadfast asks for a password, within a server's bounds: `frame` is
/// that command, or begins it.
pub(super) fn bounded(
    scanner: &RequestScanner,
    frame: &[u8],
    found: Scanned,
) -> Result<Scanned, ProtocolError> {
    let long = || is_long(scanner) || Args::new(frame).any(|arg| arg.len() > LOGIN_BULK_LEN_MAX);
    match found {
        Scanned::Inline { .. } | Scanned::Nothing { .. } => Ok(found),
        _ if scanner.argc() > LOGIN_ARGS_MAX => Err(ProtocolError::LoginArguments),
        _ if long() => Err(ProtocolError::LoginBulkLength),
        _ => Ok(found),
    }
}

/// Whether the argument at hand is longer than servers take before a login.
fn is_long(scanner: &RequestScanner) -> bool {
    scanner.body_left() > LOGIN_BULK_LEN_MAX + b"\r\n".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Result<Scanned, ProtocolError> {
        let mut scanner = RequestScanner::new();
        let found = scanner.scan(bytes)?;
        bounded(&scanner, bytes, found)
    }

    fn set(len: usize) -> Vec<u8> {
        let value = vec![b'v'; len];
        super::super::login::command([&b"SET"[..], b"k", &value].into_iter())
    }

    #[test]
    fn ten_arguments_and_sixteen_kib_are_taken_and_no_more() {
        assert_eq!(found(b"*10\r\n"), Ok(Scanned::More));
        assert_eq!(found(b"*11\r\n"), Err(ProtocolError::LoginArguments));
        assert_eq!(found(b"*11"), Ok(Scanned::More), "it may be no number yet");
        assert_eq!(found(b"*1\r\n$16384\r\n"), Ok(Scanned::More));
        let long = Err(ProtocolError::LoginBulkLength);
        assert_eq!(found(b"*1\r\n$16385\r\n"), long);
        let len = set(16384).len();
        assert_eq!(found(&set(16384)), Ok(Scanned::Command { len }));
        assert_eq!(found(&set(16385)), long);
        assert_eq!(found(b"\r\n"), Ok(Scanned::Nothing { len: 2 }));
    }
}
