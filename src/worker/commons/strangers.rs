//! Clients that have never logged in. What they may do is what the server lets a fresh connection do,
//! and that can change while links are shared that were made before: a password that is set shuts
//! out who comes after it, and nobody who was there. So nobody joins such a link on its own merits,
//! but only where a fresh connection was let in a moment ago.

use std::time::Duration;

use tokio::time::Instant;

use crate::worker::key::Key;
use crate::worker::session::Session;

use super::Commons;

/// For so long the server's word that it lets strangers in is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(1);

impl Commons {
    /// A fresh connection of this key was let in.
    pub(super) fn note_welcome(&self, key: &Key) {
        if key.is_anonymous() {
            self.open_at.set(Some(Instant::now()));
        }
    }

    /// A fresh connection of this key was not let in.
    pub(super) fn note_refusal(&self, key: &Key) {
        if key.is_anonymous() {
            self.open_at.set(None);
        }
    }

    fn is_open_to_strangers(&self, now: Instant) -> bool {
        let age = |at: Instant| now.saturating_duration_since(at);
        self.open_at.get().is_some_and(|at| age(at) < BELIEVED_FOR)
    }
}

impl Session {
    /// Whether its client may use connections that others of its key have made: the server has let
    /// in this client itself, or a stranger like it after it came.
    pub(in crate::worker) fn is_vouched_for(&self) -> bool {
        if self.vouched.get() || self.worker.config.login.is_some() {
            return true;
        }
        if !self.state.borrow().key().is_anonymous() {
            return true;
        }
        let now = Instant::now();
        self.vouched
            .set(self.worker.commons.is_open_to_strangers(now));
        self.vouched.get()
    }
}
