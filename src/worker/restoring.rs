//! Makes a new link what the old one was: login, version, database, names, tracking, the open
//! transaction, and last of all the subscriptions. Everything goes in one write, the answers are
//! swallowed, and no command of the client is sent before they have come.

use std::rc::Rc;

use crate::resp::questions::{CAPA_REDIRECT, MONITOR, ROLE};
use crate::resp::replies;

use super::link::Link;
use super::session::{Route, Session};
use super::slot::Kind;
use super::waiting::Offset;

/// The channel on which clients without push frames are told of changes.
const INVALIDATIONS: &[u8] = b"__redis__:invalidate";

impl Session {
    /// The pool found a link. `verified`: its node is known to be a primary.
    pub(crate) fn attach(self: &Rc<Self>, link: Rc<Link>, verified: bool, knows_capa: bool) {
        if self.is_over() {
            return link.end();
        }
        if self.was_attached.replace(true) {
            link.offset.set(Offset::Unknown);
        }
        if self.has_broken_redirection() {
            link.end();
            return self.close_after_flush();
        }
        self.role_pending.set(!verified);
        let logged_in = self.worker.config.login.is_some();
        let was_set = self.restore_settings(&link);
        if knows_capa {
            // Wanted still while the answer is under way: a login may stand before it.
            link.wants_capa.set(true);
            link.ask(self, Kind::OwnCapa, CAPA_REDIRECT);
        }
        if self.told_id.get() {
            link.ask_id(self);
        }
        if !verified && (logged_in || was_set) {
            self.intake.borrow_mut().blocked = true;
            link.ask(self, Kind::RoleCheck(true), ROLE);
        }
        if was_set | self.restore_conversation(&link) {
            self.intake.borrow_mut().blocked = true;
            link.expect(self, Kind::Restored, 0);
            link.restoring.set(true);
            self.worker.counters.restored.add(1);
        }
        *self.route.borrow_mut() = Route::Attached(link);
        self.task.wake();
    }

    /// Whether the link that was lost had a part in telling another client of changes, and nothing
    /// but the end of the connection tells this one that this is over.
    fn has_broken_redirection(&self) -> bool {
        let state = self.state.borrow();
        let tells = !state.resp3 && state.redirection().is_some();
        let names = state.names();
        tells || names.is_some_and(|names| names.has_channel(INVALIDATIONS))
    }

    fn restore_settings(self: &Rc<Self>, link: &Link) -> bool {
        let mut state = self.state.borrow_mut();
        if let Some(target) = state.break_redirection() {
            let broken = replies::redirection_broken(target);
            self.tell(&broken);
        }
        for wish in state.wishes() {
            link.ask(self, Kind::Restore(wish.is_vital()), wish.frame());
        }
        !state.wishes().is_empty()
    }

    /// What the client was in the middle of.
    fn restore_conversation(self: &Rc<Self>, link: &Link) -> bool {
        let state = self.state.borrow();
        let mut any = state.monitor;
        if state.monitor {
            link.ask(self, Kind::Restore(false), MONITOR);
        }
        // Inside a transaction they would be queued.
        for (kind, names, frame) in state.names().into_iter().flat_map(|names| names.commands()) {
            any = true;
            link.ask(self, Kind::Resubscribe(kind, names), &frame);
        }
        if let Some(transaction) = &state.transaction {
            // Queued, they can be loaded no more.
            for frame in transaction.frames() {
                if let Some(load) = self.script_lacking(link, frame) {
                    load.ask(link, self);
                }
            }
            if let Some(caching) = self.caching_again() {
                caching.ask(link, self);
            }
            if let Some(multi) = transaction.frames().next() {
                any = true;
                link.ask(self, Kind::Reopen, multi);
            }
        }
        // Nothing of ours comes between it and the command it is for.
        if let Some(caching) = self.caching_again().filter(|_| state.transaction.is_none()) {
            any = true;
            caching.ask(link, self);
        }
        any
    }

    /// The new link is as the old one was.
    pub(super) fn restored(&self) {
        let state = self.state.borrow();
        let flush = state.has_tracking() && state.resp3;
        drop(state);
        if flush {
            // Anything may have changed meanwhile; a server says the same on FLUSHALL.
            self.tell(replies::INVALIDATE_ALL);
        }
        if let Route::Attached(link) = &*self.route.borrow() {
            link.restoring.set(false);
        }
        // Who only listens sends nothing that would say so.
        self.intake.borrow_mut().end_wait();
        self.unblock();
        self.worker.feed_restored.notify_one();
    }

    /// Whether the client listens, and does not hear the primary of `generation` yet.
    pub(super) fn is_deaf(&self, generation: u64) -> bool {
        if self.is_over() || !self.state.borrow().expects_feed() {
            return false;
        }
        match &*self.route.borrow() {
            Route::Attached(link) => link.generation != generation || link.restoring.get(),
            Route::None | Route::Connecting | Route::Shared(_) => true,
        }
    }
}
