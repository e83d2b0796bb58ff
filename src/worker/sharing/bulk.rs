//! Large replies: a client that gets them has a link of its own for a while, where what it does not
//! read at once is in nobody's way.

use std::time::Duration;

use tokio::time::Instant;

use crate::worker::backlog::Item;
use crate::worker::session::Session;
use crate::worker::slot::Kind;

/// How long after a large reply a client keeps a link of its own.
const BULKY_FOR: Duration = Duration::from_secs(5);

impl Session {
    /// Whether the client was sent something large not long ago.
    pub(in crate::worker) fn is_bulky(&self) -> bool {
        let age = |since: Instant| self.worker.now().saturating_duration_since(since);
        self.bulky.get().is_some_and(|since| age(since) < BULKY_FOR)
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

    /// The reply to `frame`, which only reads, was left out because of its size: it is asked for again
    /// on a link of the session's own.
    pub(in crate::worker) fn ask_apart(&self, frame: Box<[u8]>) {
        let item = Item::Command {
            kind: Kind::Plain,
            frame,
            maybe_executed: true,
        };
        self.backlog.borrow_mut().push_front(item);
        self.task.wake();
    }
}
