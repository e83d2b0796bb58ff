//! How many bytes the process keeps for its clients: of commands that wait, and of replies that are not
//! read. Counts are written only while something is kept: with the gate open, nothing to be sent again and
//! all that was answered read they are but looked at.

use super::backlog::bytes_of;
use super::budget::Budget;
use super::case::Case;
use super::intake::Intake;
use super::session::{Route, Session};
use super::slot::Kind;

/// By how much what a client has not read changes before that is counted.
const COUNTED_STEP: usize = 16 * 1024;

/// What the process keeps.
#[derive(Debug)]
pub struct HeldBytes {
    /// Commands that wait: `--max-held-bytes`.
    pub commands: Budget,
    /// Replies on shared links that clients do not read: `--max-output-bytes`.
    pub replies: Budget,
}

impl HeldBytes {
    /// Nothing yet, and so much at most.
    #[must_use]
    pub fn new(commands: usize, replies: usize) -> Self {
        Self {
            commands: Budget::new(commands),
            replies: Budget::new(replies),
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
        intake.charge(&self.worker.held_bytes.commands, input + again);
    }

    /// Whether this client is not read because what it sends would have to be kept, and the process
    /// keeps all that it may.
    pub(super) fn is_held_off(&self, intake: &Intake) -> bool {
        let reached = self.worker.held_bytes.commands.is_reached();
        let off = reached && !self.passes_on(intake) && !self.worker.outage_has_outlasted_hold();
        if off {
            self.worker.holds_off.set(true);
        }
        off
    }

    /// Tells the process how much of what this client was sent it has not read, roughly.
    pub(super) fn weigh_unread(&self, unread: usize) {
        let counted = self.counted_unread.get();
        if unread.abs_diff(counted) >= COUNTED_STEP || (unread == 0 && counted > 0) {
            self.counted_unread.set(unread);
            self.worker.held_bytes.replies.change(counted, unread);
        }
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
        let mut room = self.worker.held_bytes.commands.room();
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
