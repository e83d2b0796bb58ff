//! A client that does not speak the protocol: it is told why, unless it speaks HTTP, and closed. What
//! makes sense is found out in `resp`.

use std::rc::Rc;

use crate::net::may_be_made;
use crate::resp::{ProtocolError, replies};

use super::intake::Intake;
use super::labels::ClientEnd;
use super::permit::Permit;
use super::session::Session;

/// What the log says of HTTP, whoever spoke it.
const HTTP: &str = "a client spoke HTTP to a RESP port and was closed: if no health check does so, a \
browser may have been made to attack";

impl Session {
    /// The client has sent what makes no sense: nothing more of it is taken in.
    pub(super) fn reject(
        self: &Rc<Self>,
        intake: &mut Intake,
        permit: &Permit,
        error: &ProtocolError,
    ) {
        if *error == ProtocolError::Http {
            return self.turn_away(intake, permit);
        }
        tracing::debug!(event = "protocol_error", %error);
        self.note_end(ClientEnd::Protocol);
        self.give_up_streaming(intake);
        self.answer(permit, &replies::protocol_error(error));
        self.end_after_answers(intake, permit);
    }

    /// Ends a connection on which HTTP is spoken, in silence, as the servers do
    /// (`securityWarningCommand`): what follows may be commands that a browser was made to send.
    pub(super) fn turn_away(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        let peer = self.transport.borrow().peer_addr();
        if may_be_made(HTTP) {
            let peer = peer.map(tracing::field::display);
            tracing::warn!(event = "http_on_resp_port", peer, "{HTTP}");
        }
        self.note_end(ClientEnd::Protocol);
        self.give_up_streaming(intake);
        self.end_after_answers(intake, permit);
    }
}
