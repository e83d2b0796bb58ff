//! How long one command in so many takes, from when it came to when its reply is passed on.

use tokio::time::Instant;

use crate::worker::labels::RequestClass;

use super::Router;

/// Runs of commands in flight, beyond which none is timed: they are counted for that.
const SLOTS_MAX: usize = 256;

/// A command in flight that is timed.
#[derive(Debug)]
pub(super) struct Timed {
    /// How many replies are due up to its own.
    left: u64,
    since: Instant,
    class: RequestClass,
}

impl Router {
    /// Times the command noted last, which came at `since`, unless another one is being timed or very
    /// much is in flight.
    pub(in crate::worker) fn time(&mut self, since: Instant, class: RequestClass) {
        let flight = self.flight.as_ref();
        let Some(flight) = flight.filter(|flight| flight.len() <= SLOTS_MAX) else {
            return;
        };
        let left = flight.in_flight();
        self.timed.get_or_insert(Timed { left, since, class });
    }

    /// Commands in flight.
    pub(in crate::worker) fn in_flight(&self) -> u64 {
        self.flight.as_ref().map_or(0, |flight| flight.in_flight())
    }

    /// The oldest command is about to be answered.
    pub(super) fn come_closer(&mut self) {
        let Some(timed) = &mut self.timed else { return };
        timed.left = timed.left.saturating_sub(1);
        if timed.left > 0 {
            return;
        }
        if let (Some(timed), Some(head)) = (self.timed.take(), self.head()) {
            let requests = &head.owner.worker.counters.requests;
            timed.class.of(requests).observe(timed.since.elapsed());
        }
    }
}
