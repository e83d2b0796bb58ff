//! What becomes of the commands in flight when their link is lost. Pure: what is known of each goes
//! in, its fate comes out; no socket, no clock, no bytes.
//!
//! A server executes a command once its last byte has arrived, and not before; a reply may be lost
//! after the execution (prior-art.md section 5). So a command that was never completely written is
//! simply sent again; one that was, and has no reply, only if asking twice changes nothing.
//! A transaction executes nothing before its EXEC.

use crate::resp::Class;

/// How far a command had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its last byte was never written: the server cannot have executed it.
    Partly,
    /// Completely written; no reply.
    Whole,
    /// The reply proves that it was not executed.
    Refused,
    /// The reply is known, and not yet the client's, because an earlier command has none.
    Answered,
}

/// One entry of the lost link's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A command of the client.
    Command {
        class: Class,
        progress: Progress,
        /// Its bytes are at hand.
        kept: bool,
    },
    /// An answer of ours, whose turn has not come.
    Answer,
    /// A question of our own.
    Own,
}

/// What is to be done about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Sent on the next link.
    Resend,
    /// Answered: may or may not have been executed.
    Uncertain,
    /// Answered: was not executed.
    NotExecuted,
    /// MULTI, answered `+OK`.
    Begun,
    /// Answered `+QUEUED`; what becomes of it, its EXEC says.
    Queued,
    /// EXEC, answered: nothing of the transaction was executed.
    Aborted,
    /// EXEC of a transaction whose watch was lost: the next link gets DISCARD, the client nil.
    Nil,
    /// WAIT, answered `:0`: nothing is known to have been received.
    Zero,
    /// Its own reply is passed on.
    Pass,
    /// Nobody waits for it.
    Drop,
}

/// What was known of the connection, by the replies its client has received.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    /// MULTI was answered, and its EXEC was not.
    pub(super) in_transaction: bool,
    /// All that was queued in it is at hand.
    pub(super) replayable: bool,
    /// A WATCH was live.
    pub(super) watching: bool,
    /// This user may use MULTI: what follows an unanswered one is queued and not executed.
    pub(super) multi_granted: bool,
    /// A blocking call that was still waiting is asked again.
    pub(super) resume_blocking: bool,
}

/// What is to be done about all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// One fate for each entry.
    pub(super) fates: Vec<Fate>,
    /// The transaction that was open goes on: it is queued again before anything is sent.
    pub(super) replay: bool,
    /// The client's next EXEC must not find its watch intact.
    pub(super) watch_lost: bool,
    /// The transaction the client is still sending cannot be executed any more.
    pub(super) aborted: bool,
}

/// Where in a transaction the walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    /// In none.
    Outside,
    /// It was not executed, and all of it is at hand.
    Replayed,
    /// Its EXEC was completely written.
    MaybeExecuted,
    /// It was not executed, and something of it is missing.
    Broken,
}

/// Decides, oldest first.
pub(super) fn plan(before: &Before, entries: &[Entry]) -> Plan {
    let mut walk = Walk {
        before,
        stretch: Stretch::Outside,
        watch_lost: before.watching,
    };
    if before.in_transaction {
        walk.stretch = walk.enter(entries, true, before.replayable);
    }
    let replay = walk.stretch == Stretch::Replayed;
    let fates = (1..)
        .zip(entries)
        .map(|(next, entry)| walk.fate(*entry, entries.get(next..).unwrap_or_default()))
        .collect();
    Plan {
        fates,
        replay,
        watch_lost: walk.watch_lost,
        aborted: walk.stretch == Stretch::Broken,
    }
}

struct Walk<'a> {
    before: &'a Before,
    stretch: Stretch,
    watch_lost: bool,
}

impl Walk<'_> {
    /// What is to become of the transaction that goes on with `rest`. `granted`: its MULTI was, or
    /// will have been, accepted.
    fn enter(&self, rest: &[Entry], granted: bool, at_hand: bool) -> Stretch {
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

    fn fate(&mut self, entry: Entry, rest: &[Entry]) -> Fate {
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
                self.watch_lost &= progress != Progress::Answered;
                self.stretch = Stretch::Outside;
            }
            Class::Discard | Class::Unwatch => {
                self.watch_lost &= class == Class::Unwatch && self.stretch != Stretch::Outside;
                if class == Class::Discard {
                    self.stretch = Stretch::Outside;
                }
            }
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
    fn alone(&mut self, class: Class, progress: Progress, kept: bool) -> Fate {
        let again = if kept {
            Fate::Resend
        } else {
            Fate::NotExecuted
        };
        match (progress, class) {
            (Progress::Answered, _) if !is_repeatable(class) => Fate::Pass,
            (Progress::Answered, _) if !kept => Fate::Pass,
            (Progress::Answered, _) => Fate::Resend,
            (Progress::Partly | Progress::Refused, Class::Node) => Fate::NotExecuted,
            (Progress::Partly | Progress::Refused, Class::Exec) => self.executed(again),
            (Progress::Partly | Progress::Refused, _) => again,
            (Progress::Whole, Class::Wait) => Fate::Zero,
            (Progress::Whole, Class::Exec) => self.executed(Fate::Uncertain),
            (Progress::Whole, Class::Blocking) if kept && self.before.resume_blocking => again,
            (Progress::Whole, _) if kept && is_repeatable(class) => again,
            (Progress::Whole, _) => Fate::Uncertain,
        }
    }
}

fn rest_is_at_hand(rest: &[Entry]) -> bool {
    let ends = |entry: &Entry| {
        matches!(
            entry,
            Entry::Command {
                class: Class::Exec | Class::Discard,
                ..
            }
        )
    };
    let end = rest.iter().position(ends).map_or(rest.len(), |at| at + 1);
    rest.iter()
        .take(end)
        .all(|entry| !matches!(entry, Entry::Command { kept: false, .. }))
}

/// Whether a command that was not queued, although it should have been, may have had an effect.
fn may_have_run(class: Class, progress: Progress) -> bool {
    !is_repeatable(class) && matches!(progress, Progress::Whole | Progress::Answered)
}

/// Whether asking twice is as good as asking once: it changes nothing, or only the connection that
/// is gone.
pub(super) fn is_repeatable(class: Class) -> bool {
    match class {
        Class::Read
        | Class::Scan
        | Class::Connection
        | Class::Subscription
        | Class::Multi
        | Class::Discard
        | Class::Watch
        | Class::Unwatch => true,
        // `$` is resolved anew: what was added in between would be passed over in silence.
        Class::BlockingRead { dollar } => !dollar,
        Class::Exec
        | Class::Blocking
        | Class::Wait
        | Class::Script
        | Class::Publish
        | Class::Node
        | Class::Effect
        | Class::Unknown => false,
    }
}
