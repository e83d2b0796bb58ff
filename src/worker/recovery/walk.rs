//! The walk over a lost link's queue that `plan` makes: it follows transactions and watches, and
//! says of each entry what becomes of it.

use crate::resp::Class;

use super::{Before, Entry, Fate, Progress, is_repeatable};

/// Where in a transaction the walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    /// In none.
    Outside,
    /// It was not executed, and all of it is at hand.
    Replayed,
    /// Its EXEC was completely written.
    MaybeExecuted,
    /// It was not executed, and something of it is missing.
    Broken,
}

/// The walk over what was in flight, oldest first.
pub(super) struct Walk<'a> {
    pub(super) before: &'a Before,
    pub(super) stretch: Stretch,
    pub(super) watch_lost: bool,
}

impl Walk<'_> {
    /// What is to become of the transaction that goes on with `rest`. `granted`: its MULTI was, or
    /// will have been, accepted.
    pub(super) fn enter(&self, rest: &[Entry], granted: bool, at_hand: bool) -> Stretch {
        let mut broken = !at_hand;
        for entry in rest {
            let Entry::Command {
                class,
                progress,
                kept,
            } = *entry
            else {
                continue;
            };
            match (class, progress) {
                (Class::Exec, Progress::Whole | Progress::Answered) => {
                    return Stretch::MaybeExecuted;
                }
                (Class::Exec | Class::Discard, _) => {
                    broken |= !kept;
                    break;
                }
                // The server had refused a part of it: EXEC cannot have executed the rest.
                (_, Progress::Refused) if !broken && kept && rest_is_at_hand(rest) => {
                    return Stretch::Replayed;
                }
                _ => broken |= !kept || (!granted && may_have_run(class, progress)),
            }
        }
        if broken {
            Stretch::Broken
        } else {
            Stretch::Replayed
        }
    }

    pub(super) fn fate(&mut self, entry: Entry, rest: &[Entry]) -> Fate {
        let Entry::Command {
            class,
            progress,
            kept,
        } = entry
        else {
            return match entry {
                Entry::Answer => Fate::Pass,
                _ => Fate::Drop,
            };
        };
        let inside = self.stretch;
        self.follow(class, progress, kept, rest);
        match inside {
            Stretch::Outside if class == Class::Multi => self.begin(progress, kept),
            Stretch::Outside => self.alone(class, progress, kept),
            Stretch::Replayed if class == Class::Exec => self.executed(Fate::Resend),
            Stretch::Replayed => Fate::Resend,
            Stretch::MaybeExecuted if progress == Progress::Answered => Fate::Pass,
            Stretch::MaybeExecuted if class == Class::Exec => self.executed(Fate::Uncertain),
            Stretch::Broken if class == Class::Exec => self.executed(Fate::Aborted),
            Stretch::Broken if class == Class::Discard => Fate::Begun,
            Stretch::MaybeExecuted | Stretch::Broken => self.queued(class, progress),
        }
    }

    /// Where the walk is after a command of this class.
    fn follow(&mut self, class: Class, progress: Progress, kept: bool, rest: &[Entry]) {
        match class {
            Class::Multi if self.stretch == Stretch::Outside => {
                let granted = self.before.multi_granted || progress == Progress::Answered;
                self.stretch = self.enter(rest, granted, kept);
            }
            Class::Exec => {
                let answered = progress == Progress::Answered;
                self.watch_lost &= !(answered && self.stretch == Stretch::MaybeExecuted);
                self.stretch = Stretch::Outside;
            }
            // Outside of a transaction the server refuses it, and the watch lives on.
            Class::Discard if self.stretch != Stretch::Outside => {
                self.watch_lost = false;
                self.stretch = Stretch::Outside;
            }
            Class::Unwatch if self.stretch == Stretch::Outside => self.watch_lost = false,
            _ => {}
        }
    }

    fn begin(&self, progress: Progress, kept: bool) -> Fate {
        match self.stretch {
            Stretch::Replayed if kept => Fate::Resend,
            _ if progress == Progress::Answered => Fate::Pass,
            _ => Fate::Begun,
        }
    }

    /// EXEC ends the watch as well.
    fn executed(&mut self, fate: Fate) -> Fate {
        let lost = std::mem::take(&mut self.watch_lost);
        match fate {
            Fate::Resend if lost => Fate::Nil,
            other => other,
        }
    }

    /// A part of a transaction that is not sent again.
    fn queued(&self, class: Class, progress: Progress) -> Fate {
        if !self.before.multi_granted
            && !self.before.in_transaction
            && may_have_run(class, progress)
        {
            Fate::Uncertain
        } else {
            Fate::Queued
        }
    }

    /// A command outside any transaction.
    fn alone(&self, class: Class, progress: Progress, kept: bool) -> Fate {
        let again = if kept {
            Fate::Resend
        } else {
            Fate::NotExecuted
        };
        match (progress, class) {
            (_, Class::Unwatch) if !kept => Fate::Begun,
            (Progress::Answered, _) if !is_repeatable(class) => Fate::Pass,
            (Progress::Answered, Class::Read | Class::Scan) if !kept => Fate::Pass,
            // What was set is gone with the connection, and cannot be set again.
            (Progress::Answered, _) if !kept => Fate::Uncertain,
            (Progress::Answered, _) => Fate::Resend,
            (Progress::Partly | Progress::Refused, Class::Node) => Fate::NotExecuted,
            (Progress::Partly | Progress::Refused, _) => again,
            (Progress::Whole, Class::Wait) => Fate::Zero,
            (Progress::Whole, Class::Blocking) if kept && self.before.resume_blocking => again,
            (Progress::Whole, _) if kept && is_repeatable(class) => again,
            (Progress::Whole, _) => Fate::Uncertain,
        }
    }
}

/// Whether everything up to the end of the transaction is, its end included.
fn rest_is_at_hand(rest: &[Entry]) -> bool {
    for entry in rest {
        match *entry {
            Entry::Command { kept: false, .. } => return false,
            Entry::Command {
                class: Class::Exec | Class::Discard,
                ..
            } => return true,
            _ => {}
        }
    }
    true
}

/// Whether a command that was not queued, although it should have been, may have had an effect.
fn may_have_run(class: Class, progress: Progress) -> bool {
    !is_repeatable(class) && matches!(progress, Progress::Whole | Progress::Answered)
}
