//! Large replies on a shared link: what its client does not read at once would have to be kept. Where
//! nothing of one was passed on, and it can be asked for again, the client gets it on a link of its
//! own, where the server waits for it; with it, all that the client has asked for after it.

use std::rc::Rc;

use crate::worker::session::Session;
use crate::worker::sharing::UNREAD_MAX;
use crate::worker::slot::Kind;

use super::{Mode, Router, Verdict};

/// A longer reply on a shared link is asked for again elsewhere, if it can be.
const LARGE_MIN: usize = 1024 * 1024;

impl Router {
    /// Leaves out the frame at hand, of which `len` bytes more are there now, if it is too large, or
    /// its client reads too slowly, and it can be asked for elsewhere. Its command waits for no other
    /// reply than that one from now on, so that nothing can overtake it.
    pub(super) fn leave_out_large(&mut self, len: usize) {
        let delivered = Verdict {
            deliver: true,
            reply: true,
        };
        if self.in_delivery || self.mode != Mode::Passing(delivered) {
            return;
        }
        let known = self.gathered.len() + len;
        let Some(reader) = self.reader() else { return };
        let large = known.saturating_add(self.replies.body_left()) > LARGE_MIN;
        if !large && reader.unread() <= UNREAD_MAX {
            return;
        }
        let reader = reader.clone();
        if !self.may_leave_out(&reader) {
            return;
        }
        let frames = self.take_all_of(&reader);
        self.gathered = Vec::new();
        self.mode = Mode::Passing(Verdict {
            deliver: false,
            ..delivered
        });
        reader.ask_apart(frames);
    }

    /// Whether the frame at hand, which has so many bytes at least, is kept until it is whole or known
    /// to be large: how long an array becomes does not show before its end.
    pub(super) fn keeps_array(&self, known: usize) -> bool {
        let array = matches!(self.replies.kind(), b'*' | b'%' | b'~');
        let kept = array && self.owner.is_none() && known <= LARGE_MIN;
        kept && self
            .reader()
            .is_some_and(|reader| self.may_leave_out(reader))
    }

    /// Who is due an ordinary reply.
    fn reader(&self) -> Option<&Rc<Session>> {
        let head = self.head().filter(|head| head.kind == Kind::Plain);
        head.map(|head| &head.owner)
    }

    fn may_leave_out(&self, reader: &Rc<Session>) -> bool {
        let topology = reader.worker.topology();
        let flight = self.flight.as_ref();
        let reads = flight.is_some_and(|it| it.only_reads(&topology.commands, reader));
        reads && self.refused.is_none() && reader.may_ask_apart()
    }
}
