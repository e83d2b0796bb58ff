//! Large replies: a client that gets them has a link of its own for a while, where what it does not
//! read at once is in nobody's way.

use std::time::Duration;

use tokio::time::Instant;

use crate::worker::backlog::Item;
use crate::worker::ending::Phase;
use crate::worker::session::Session;
use crate::worker::slot::Kind;

/// How long after a large reply a client keeps a link of its own.
const BULKY_FOR: Duration = Duration::from_secs(5);
/// Bytes a client on a shared link has not read, beyond which what it asks for next goes elsewhere.
pub(in crate::worker) const UNREAD_MAX: usize = 256 * 1024;

impl Session {
    /// Whether the client was sent something large not long ago, or has not read it.
    pub(in crate::worker) fn is_bulky(&self) -> bool {
        let age = |since: Instant| self.worker.now().saturating_duration_since(since);
        let lasts = |since| age(since) < BULKY_FOR || self.unread() > UNREAD_MAX;
        self.bulky.get().is_some_and(lasts)
    }

    /// Bytes the client was sent and did not take.
    pub(in crate::worker) fn unread(&self) -> usize {
        self.outbox.borrow().len()
    }

    /// The client is being sent something large.
    pub(in crate::worker) fn note_bulk(&self) {
        self.bulky.set(Some(self.worker.now()));
    }

    /// Has a session that was sent nothing large for long give its link back.
    pub(in crate::worker) fn forget_bulk(&self) {
        if self.bulky.get().is_some() && !self.is_bulky() {
            self.bulky.set(None);
            self.task.wake();
        }
    }

    /// Nothing that is in flight on the shared link is waited for any more: `frames`, which only read,
    /// are asked for again on a link of the session's own, before anything else is sent.
    pub(in crate::worker) fn ask_apart(&self, frames: Vec<Box<[u8]>>) {
        self.note_bulk();
        self.ask_anew(frames, true);
    }

    /// As [`Session::ask_apart`], for what the server does not execute at the moment: it is sent again
    /// on any link, some time later.
    pub(in crate::worker) fn ask_later(&self, frames: Vec<Box<[u8]>>) {
        self.note_trouble(|trouble| trouble.lost_at = Some(Instant::now()));
        self.ask_anew(frames, false);
    }

    fn ask_anew(&self, frames: Vec<Box<[u8]>>, apart: bool) {
        self.leave_shared();
        let mut backlog = self.backlog.borrow_mut();
        for frame in frames.into_iter().rev() {
            backlog.push_front(Item::Command {
                kind: Kind::Plain,
                frame,
                // What is asked for apart has been answered; it reads, so that it had no effect.
                maybe_executed: apart,
                apart,
            });
        }
        drop(backlog);
        self.task.wake();
    }

    /// Whether what the client is being sent may be asked for again elsewhere: it still listens.
    pub(in crate::worker) fn may_ask_apart(&self) -> bool {
        self.phase.get() == Phase::Open && !self.client_gone.get()
    }
}
