//! How many bytes of commands the process keeps for clients that wait, over all workers. Written only
//! while something is kept: with the gate open and nothing to be sent again it is but read.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::backlog::bytes_of;
use super::case::Case;
use super::intake::Intake;
use super::session::{Route, Session};
use super::slot::Kind;

/// The count of a process, and its bound.
#[derive(Debug)]
pub struct HeldBytes {
    now: AtomicUsize,
    most: usize,
}

impl HeldBytes {
    /// None yet, and so many at most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let now = AtomicUsize::new(0);
        Self { now, most }
    }

    /// Bytes kept at this moment.
    #[must_use]
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// `--max-held-bytes`.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    fn is_reached(&self) -> bool {
        self.now() >= self.most
    }

    fn room(&self) -> usize {
        self.most.saturating_sub(self.now())
    }

    /// A client for whom `before` bytes were kept now has `after`.
    pub(super) fn change(&self, before: usize, after: usize) {
        if after >= before {
            self.now.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.now.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

impl Session {
    /// Tells the process how much is kept for this client now.
    pub(super) fn weigh(&self, intake: &mut Intake) {
        let input = if intake.is_marked_held() || self.awaits_pop(intake) {
            intake.carry.len()
        } else {
            0
        };
        let again = self.backlog.borrow().bytes();
        intake.charge(&self.worker.held_bytes, input + again);
    }

    /// Whether this client is not read because what it sends would have to be kept, and the process
    /// keeps all that it may.
    pub(super) fn is_held_off(&self, intake: &Intake) -> bool {
        let reached = self.worker.held_bytes.is_reached();
        let off = reached && !self.passes_on(intake) && !self.worker.outage_has_outlasted_hold();
        if off {
            self.worker.holds_off.set(true);
        }
        off
    }

    fn passes_on(&self, intake: &Intake) -> bool {
        // Who has no link and nothing kept is read once, or would never ask for one.
        let served = match &*self.route.borrow() {
            Route::Attached(_) | Route::Shared(_) => true,
            Route::None | Route::Connecting => !intake.is_waiting(),
        };
        served && !self.awaits_answer(intake) && !self.has_backlog() && self.worker.may_send_now()
    }

    /// What a lost link leaves behind beyond what the process may keep cannot be sent again.
    pub(super) fn drop_excess(&self, cases: &mut [Case]) {
        let mut room = self.worker.held_bytes.room();
        for case in cases {
            let len = case.frame.as_ref().map_or(0, |frame| bytes_of(frame));
            match room.checked_sub(len) {
                Some(left) => room = left,
                None if is_only_asked(&case.kind) => case.frame = None,
                None => {}
            }
        }
    }
}

/// Whether nothing of the connection's state hangs on the command's own bytes.
fn is_only_asked(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Plain | Kind::Blocking(_) | Kind::Script(_) | Kind::Scan(_) | Kind::Queued
    )
}
