//! How long one command in so many takes, from when it came to when its reply is passed on, and how much
//! of that the server had.
//!
//! That takes the clock at each read of a link on which such a command is in flight, and at no other.

use std::time::Duration;

use tokio::time::Instant;

use crate::worker::counters::Counters;
use crate::worker::labels::RequestClass;

use super::Router;

/// Runs of commands in flight, beyond which none is timed: they are counted for that.
const SLOTS_MAX: usize = 256;

/// A command in flight that is timed.
#[derive(Debug)]
pub(super) struct Timed {
    /// How many replies are due up to its own.
    left: u64,
    /// When it came.
    since: Instant,
    /// When nothing kept it waiting any more.
    noted: Instant,
    /// When it was handed to the socket.
    sent: Option<Instant>,
    /// When the link was last read.
    read: Option<Instant>,
    class: RequestClass,
}

/// A command that was timed and whose reply is being passed on.
#[derive(Debug)]
pub(super) struct PassedOn {
    /// From when it might be sent to when it was.
    before: Duration,
    /// When its reply was there.
    read: Instant,
}

impl Router {
    /// Times the command noted last, which is noted `now` and was held since then, if it was, unless
    /// another one is being timed or very much is in flight.
    pub(in crate::worker) fn time(
        &mut self,
        held_since: Option<Instant>,
        now: Instant,
        class: RequestClass,
    ) {
        let flight = self.flight.as_ref();
        let Some(flight) = flight.filter(|flight| flight.len() <= SLOTS_MAX) else {
            return;
        };
        let left = flight.in_flight();
        self.timed.get_or_insert(Timed {
            left,
            since: held_since.unwrap_or(now),
            noted: now,
            sent: None,
            read: None,
            class,
        });
    }

    /// Commands in flight.
    pub(in crate::worker) fn in_flight(&self) -> u64 {
        self.flight.as_ref().map_or(0, |flight| flight.in_flight())
    }

    /// All that was noted so far has been handed to the socket.
    pub(in crate::worker) fn note_sent(&mut self) {
        if let Some(timed) = &mut self.timed {
            timed.sent.get_or_insert_with(Instant::now);
        }
    }

    /// Something was read.
    pub(super) fn note_read(&mut self) {
        if let Some(timed) = &mut self.timed {
            timed.read = Some(Instant::now());
        }
    }

    /// The oldest command is about to be answered.
    pub(super) fn come_closer(&mut self) {
        let Some(timed) = &mut self.timed else { return };
        timed.left = timed.left.saturating_sub(1);
        if timed.left > 0 {
            return;
        }
        let (Some(timed), Some(head)) = (self.timed.take(), self.head()) else {
            return;
        };
        let counters = &head.owner.worker.counters;
        let class = timed.class;
        class.of(&counters.requests).observe(timed.since.elapsed());
        if let (Some(sent), Some(read)) = (timed.sent, timed.read) {
            // Where it waits, that is what was asked for.
            if class != RequestClass::Blocking {
                let took = read.saturating_duration_since(sent);
                counters.upstream_requests.observe(took);
            }
            let before = sent.saturating_duration_since(timed.noted);
            self.passed_on = Some(PassedOn { before, read });
        }
    }

    /// What was read has been dealt with, and every reply in it is with its client or in its queue.
    pub(in crate::worker) fn note_passed_on(&mut self, counters: &Counters) {
        if let Some(passed_on) = self.passed_on.take() {
            let after = passed_on.read.elapsed();
            counters.overhead.observe(passed_on.before + after);
        }
    }
}
