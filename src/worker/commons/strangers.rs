//! Clients that have never logged in. What they may do is what the server lets a fresh connection do,
//! and that can change while links are shared that were made before: a password that is set shuts
//! out who comes after it, and nobody who was there. So nobody joins such a link on its own merits,
//! but only where a fresh connection was let in a moment ago.
//!
//! That the server asks for a login is learned from its NOAUTH: to a fresh connection that was to be
//! shared, or to any client that had not logged in. With `--pool session` there is only the latter, so
//! that strangers who never finish a command are not known for what they are before that.

use std::time::Duration;

use tokio::time::Instant;

use crate::resp::replies;
use crate::worker::greeting::Outcome;
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
            self.closed_in.set(None);
        }
    }

    /// A fresh connection of this key was not let in.
    pub(super) fn note_refusal(&self, key: &Key, outcome: Outcome, generation: u64) {
        if key.is_anonymous() {
            self.open_at.set(None);
            if outcome == Outcome::NoLogin {
                self.closed_in.set(Some(generation));
            }
        }
    }

    /// Whether the primary of `generation` is known to ask for a login.
    pub(in crate::worker) fn requires_login(&self, generation: u64) -> bool {
        self.closed_in.get() == Some(generation)
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

    /// Whether its client has yet to log in for all that is known: the server asks for that, and has
    /// not carried out anything for this client.
    pub(in crate::worker) fn is_strange_to_server(&self) -> bool {
        let worker = &self.worker;
        worker.commons.requires_login(worker.generation())
            && !self.served.get()
            && !self.vouched.get()
            && self.state.borrow().login().is_none()
    }

    /// The primary of `generation` told its client to log in first.
    pub(in crate::worker) fn note_turned_away(&self, generation: u64) {
        let known = self.served.get() || self.state.borrow().login().is_some();
        if !known && self.worker.config.login.is_none() {
            self.worker.commons.closed_in.set(Some(generation));
        }
    }

    /// The server says this to a client for which it had done nothing yet: where that is more than an
    /// error, it needs no login, or has had one.
    pub(in crate::worker) fn note_service(&self, bytes: &[u8]) {
        if bytes.first() == Some(&b'-') || bytes == replies::RESET {
            return;
        }
        self.served.set(true);
        if self.state.borrow().login().is_none() {
            self.worker.commons.closed_in.set(None);
        }
    }
}
