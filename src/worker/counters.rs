//! What one worker counts, written by it alone and summed by whoever asks.

use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::count::Count;
use crate::count::{Histogram, ShortHistogram};
use crate::resp::class;

use super::labels::{ClientEnd, DialEnd, Entrance, ErrorCode, HoldEnd, Pinned, RequestClass};

/// One worker's counters. Cache lines of its own per worker, so that counting costs no sharing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    /// Clients connected now.
    pub clients: Count,
    /// Clients ever accepted.
    pub clients_total: Count,
    /// Links to the primary open now.
    pub links: Count,
    /// Those of them that several clients may use, as of a moment ago.
    pub links_shared: Count,
    /// Those of them that wait for a client, as of a moment ago.
    pub links_pooled: Count,
    /// Links ever opened.
    pub links_total: Count,
    /// Commands received.
    pub commands: Count,
    /// Those of them whose names were looked at, by name.
    pub names: Names,
    /// Sessions whose commands wait for a primary now.
    pub held: Count,
    /// Times that a session's commands came to wait for a primary.
    pub held_total: Count,
    /// How long they did, by what became of it.
    pub holds: [Histogram; HoldEnd::ALL.len()],
    /// Commands answered with our own MASTERDOWN.
    pub refused: Count,
    /// Commands answered READONLY because they came in where only reads are served.
    pub read_only: Count,
    /// Commands that may or may not have been executed.
    pub uncertain: Count,
    /// Commands sent again after their link was lost.
    pub resent: Count,
    /// Those of them that had not been sent completely before.
    pub resent_unsent: Count,
    /// Those of them that had, and only read.
    pub resent_reads: Count,
    /// Links that were made what a lost one had been.
    pub restored: Count,
    /// Subscriptions that were made again on such a link.
    pub resubscribed: Count,
    /// Iterations that went on with a cursor of another primary, or were refused to.
    pub outdated_cursors: Count,
    /// Links closed because the primary changed.
    pub links_closed_by_switch: Count,
    /// Clients that lost something because the time to drain was over.
    pub cut_by_drain: Count,
    /// Clients asked to go because their connection was old.
    pub aged: Count,
    /// Clients by where they came in.
    pub doors: [DoorCounters; Entrance::ALL.len()],
    /// Clients turned away because there were too many; counted by the thread that accepts, which is
    /// the first worker's.
    pub turned_away: Count,
    /// Clients whose TLS failed.
    pub tls_failed: Count,
    /// Error replies of servers that were passed on.
    pub errors: [Count; ErrorCode::ALL.len()],
    /// How long one command in so many took, what it was held included.
    pub requests: [Histogram; RequestClass::ALL.len()],
    /// How long the server took for those of them that do not wait, from when they were written.
    pub upstream_requests: Histogram,
    /// What those of them that are timed spent here while nothing kept them waiting.
    pub overhead: ShortHistogram,
    /// Bytes of replies and messages that came.
    pub upstream_received: Count,
    /// Bytes of commands that were sent.
    pub upstream_sent: Count,
    /// Dials, by how they ended.
    pub dials: [Count; DialEnd::ALL.len()],
    /// How long the successful ones took, logins included.
    pub dial: Histogram,
    /// What is counted by looking at all sessions.
    pub gauges: Gauges,
    /// Somebody asks for those; set by whoever reads, and taken back by the worker.
    asked: AtomicBool,
}

impl Counters {
    /// Has [`Counters::gauges`] kept up to date for a while.
    pub fn ask_for_gauges(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked since this was last called.
    pub(super) fn is_asked(&self) -> bool {
        // Only one who is asked right now may miss it, until he asks again.
        let asked = self.asked.load(Ordering::Relaxed);
        if asked {
            self.asked.store(false, Ordering::Relaxed);
        }
        asked
    }
}

/// What is counted of the clients that came in at one kind of place.
#[derive(Debug, Default)]
pub struct DoorCounters {
    /// Connected now.
    pub open: Count,
    /// Ever accepted.
    pub total: Count,
    /// Bytes they sent.
    pub received: Count,
    /// Bytes they were sent, or that wait for them.
    pub sent: Count,
    /// Those who have left, by why.
    pub ended: [Count; ClientEnd::ALL.len()],
}

/// Commands by name; each place is one of the command table, the last one for all others.
#[derive(Debug)]
pub struct Names(Box<[Count]>);

impl Default for Names {
    fn default() -> Self {
        Self(
            (0..=class::listed().len())
                .map(|_| Count::default())
                .collect(),
        )
    }
}

impl Names {
    /// What is not in the table.
    const OTHER: &'static str = "other";

    /// Counts one; only the worker may call it.
    pub(super) fn note(&self, name: &[u8]) {
        let place = class::place(name).and_then(|place| self.0.get(place));
        place
            .or(self.0.last())
            .iter()
            .for_each(|count| count.add(1));
    }

    /// How many there were under each name.
    pub fn load(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = class::listed().chain([Self::OTHER]);
        names.zip(self.0.iter().map(Count::load))
    }
}

/// What looking at all sessions shows, at most a second ago while somebody asks.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Sessions with a link of their own, by why.
    pub pinned: [Count; Pinned::ALL.len()],
    /// Bytes that wait for clients to take them.
    pub output_bytes: Count,
    /// Commands sent and not answered.
    pub in_flight: Count,
    /// Commands kept that are complete: for want of a primary, or to be sent again.
    pub held_commands: Count,
    /// Links of one session's own.
    pub links_pinned: Count,
    /// Dials under way.
    pub links_connecting: Count,
}
