//! What becomes of the commands in flight when their link is lost. Pure: what is known of each goes
//! in, its fate comes out; no socket, no clock, no bytes.
//!
//! A server executes a command once its last byte has arrived, and not before; a reply may be lost
//! after the execution (prior-art.md section 5). So a command that was never completely written is
//! simply sent again; one that was, and has no reply, only if asking twice changes nothing.
//! A transaction executes nothing before its EXEC.

mod walk;

use crate::resp::Class;

use walk::{Stretch, Walk};

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
    /// Answered `+OK`: MULTI, whose EXEC will tell, or what had only to end something on the
    /// connection that is gone.
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

#[cfg(test)]
mod tests;
