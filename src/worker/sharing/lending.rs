//! Links of their own that sessions have only as long as they need them: when one is given back, and
//! what makes it the next session's.

use std::rc::Rc;

use crate::worker::ending::Phase;
use crate::worker::intake::{Intake, Streaming};
use crate::worker::link::Link;
use crate::worker::session::{Route, Session};
use crate::worker::slot::Kind;

impl Session {
    /// A link that somebody gave back, made what the client's last one was.
    pub(in crate::worker) fn take_shelved(self: &Rc<Self>) -> Option<Rc<Link>> {
        if !self.shares() || !self.state.borrow().is_common() || !self.is_vouched_for() {
            return None;
        }
        let worker = &self.worker;
        let state = self.state.borrow();
        let idle = worker.unshelve(&state.key())?;
        let verified = worker
            .topology()
            .primary
            .as_ref()
            .is_some_and(|it| it.role_verified);
        self.role_pending.set(!verified);
        self.was_attached.set(true);
        let renaming = idle.names.changes(&state.given_names());
        let link = Link::resumed(self, idle);
        for frame in renaming {
            link.ask(self, Kind::Restore(false), &frame);
        }
        if self.told_id.get() {
            link.register(self);
            link.ask_id(self);
        }
        // The link has to have its turn.
        self.task.wake();
        Some(link)
    }

    /// Gives a link of the session's own back once nothing tells it from a fresh one of its key.
    pub(in crate::worker) fn give_back(&self) {
        if self.phase.get() == Phase::Open
            && !self.is_bulky()
            && self.intake.borrow().is_at_rest()
            && self.may_give_back()
        {
            self.hand_over();
        }
    }

    /// Gives it back, or ends it, when the session does.
    pub(in crate::worker) fn give_up_link(&self) {
        let between = self.intake.borrow().is_between();
        if between && self.may_give_back() {
            self.hand_over();
        }
        if let Route::Attached(link) = self.route.take() {
            link.end();
        }
    }

    fn hand_over(&self) {
        let used = matches!(&*self.route.borrow(), Route::Attached(link) if !link.deregister());
        if used {
            // What others said to this client's id is for this client.
            return self.pinned.set(true);
        }
        let Route::Attached(link) = self.route.take() else {
            return;
        };
        let state = self.state.borrow();
        let (key, names) = (state.key(), state.given_names());
        match Rc::try_unwrap(link) {
            Ok(link) => self.worker.shelve(link.into_idle(key, names)),
            // Somebody has still to do with it.
            Err(link) => link.end(),
        }
    }

    fn may_give_back(&self) -> bool {
        let apart = self.pinned.get() || !self.state.borrow().is_common();
        if !self.shares() || apart || self.has_backlog() {
            return false;
        }
        matches!(&*self.route.borrow(), Route::Attached(link) if link.is_clean())
    }
}

impl Intake {
    /// Whether what the client is in the middle of is not for a shared link.
    pub(in crate::worker) fn needs_own(&self) -> bool {
        self.wants_own
            || self.in_multi
            || self.hopeless
            || self.holed
            || self.watch_lost
            || self.is_streaming()
    }

    /// Whether the client is in the middle of nothing, the beginning of a command aside.
    fn is_at_rest(&self) -> bool {
        self.is_between() && !self.done && !self.is_waiting()
    }

    /// Whether nothing has begun on the link that is not over.
    pub(in crate::worker) fn is_between(&self) -> bool {
        let answered = !self.blocked && !self.awaits_pop;
        answered && self.streaming == Streaming::No && !self.needs_own()
    }
}
