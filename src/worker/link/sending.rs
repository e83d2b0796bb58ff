//! Sending on a link: each command is noted as in flight first, then its bytes are written, or
//! queued where the socket does not take them. Whether the gate allows it is the caller's to know.

use std::rc::Rc;

use bytes::BytesMut;

use crate::resp::Class;
use crate::worker::permit::Permit;
use crate::worker::session::Session;
use crate::worker::slot::Kind;

use super::Link;

impl Link {
    /// Sends the bytes of the commands noted last. The caller has checked that the gate is open to
    /// this generation.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.may_move_offset();
        self.router.borrow_mut().keep(bytes);
        self.write(bytes);
        if self.common.is_none() {
            self.router.borrow_mut().note_sent();
        }
    }

    /// Notes one command as in flight, and sends it, after what we have to ask before it.
    pub(crate) fn command(&self, owner: &Rc<Session>, kind: Kind, frame: &[u8]) {
        let (kind, prelude) = owner.prelude(self, kind, frame);
        if let Kind::Local(reply) = kind {
            return owner.answer(&Permit::Wait, &reply);
        }
        prelude.into_iter().for_each(|own| own.ask(self, owner));
        self.expect(owner, kind, frame.len());
        self.send(frame);
    }

    /// As [`Link::command`], for a question of our own, which is never sent again.
    pub(crate) fn ask(&self, owner: &Rc<Session>, kind: Kind, question: &[u8]) {
        let mut router = self.router.borrow_mut();
        router.expect_unkept(owner, kind, question.len());
        drop(router);
        self.write(question);
    }

    /// Notes a command of which only the beginning is there, too large to be kept.
    pub(crate) fn begin_streamed(&self, owner: &Rc<Session>, kind: Kind, class: Class) {
        if matches!(kind, Kind::Blocking(_)) {
            self.ask_id(owner);
        }
        self.router.borrow_mut().expect_streamed(owner, kind, class);
    }

    /// Sends a part of that command.
    pub(crate) fn send_streamed(&self, bytes: &[u8]) {
        self.router.borrow_mut().extend_unkept(bytes.len());
        self.write(bytes);
    }

    /// Writes `bytes`, or queues what the socket does not take; on a shared link at its next turn.
    pub(in crate::worker) fn write(&self, bytes: &[u8]) {
        self.count_sent(bytes.len());
        if let Some(common) = &self.common {
            if common.add(bytes) {
                self.task.wake();
            }
            return;
        }
        let mut outbox = self.outbox.borrow_mut();
        let mut written = 0;
        if outbox.is_empty() {
            // An error shows again when the link's own task reads or writes.
            written = self.transport.borrow().try_write(bytes).unwrap_or(0);
        }
        if written < bytes.len() {
            outbox.push(&bytes[written..]);
            self.task.wake();
        }
    }

    fn count_sent(&self, bytes: usize) {
        self.worker.counters.upstream_sent.add(bytes as u64);
    }

    /// As [`Link::send_streamed`], for part of a large body in a buffer of its own.
    pub(crate) fn send_buffer(&self, buffer: BytesMut) {
        self.router.borrow_mut().extend_unkept(buffer.len());
        self.count_sent(buffer.len());
        let mut outbox = self.outbox.borrow_mut();
        let sent = outbox.send_buffer(buffer, &self.transport.borrow(), &self.worker.spare);
        if sent.is_err() || !outbox.is_empty() {
            self.task.wake();
        }
    }

    /// Notes a command as in flight; its `len` bytes are sent next, in the same turn.
    pub(crate) fn expect(&self, owner: &Rc<Session>, kind: Kind, len: usize) {
        let mut router = self.router.borrow_mut();
        if router.slots() == 0 {
            self.note_progress();
        }
        router.expect(owner, kind, len);
    }

    /// Takes back what was noted last: that command will never be complete.
    pub(crate) fn unexpect(&self) {
        self.router.borrow_mut().unexpect();
    }
}
