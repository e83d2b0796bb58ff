//! What may be done at this moment, as the gate and its lease say. Read by all sessions and links of a
//! worker; decided by discovery alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::resp::Class;
#[cfg(test)]
use crate::simulation::{Bug, planted};
use crate::topology::{Gate, Sign, Topology};

use super::Worker;

/// How long after a switch NOREPLICAS may only mean that the replicas have not found the new primary
/// yet (up to 1.2 s measured, sentinel-facts.md section 7).
const REPLICAS_LATE_MAX: Duration = Duration::from_secs(10);

impl Worker {
    /// The topology this worker acts by.
    pub(crate) fn topology(&self) -> Arc<Topology> {
        self.topology.borrow().clone()
    }

    /// The generation this worker acts by.
    pub(crate) fn generation(&self) -> u64 {
        self.topology.borrow().generation
    }

    /// The class of the command that is `frame`, as far as the primary lets it be.
    pub(crate) fn class(&self, frame: &[u8]) -> Class {
        self.topology.borrow().commands.class(frame)
    }

    /// Whether links of this generation lead to the primary of this moment.
    pub(crate) fn is_at(&self, generation: u64) -> bool {
        #[cfg(test)]
        if planted(Bug::KeepsAnOldLink) {
            return true;
        }
        self.generation() == generation
    }

    /// Whether the gate is open, its lease aside.
    pub(crate) fn gate_is_open(&self) -> bool {
        self.topology.borrow().gate == Gate::Open
    }

    /// Whether a new command may be sent at this moment.
    pub(crate) fn may_send_now(&self) -> bool {
        self.gate_is_open() && self.is_live_now()
    }

    /// Whether at least what only reads may be sent at this moment: a failover of ours is being
    /// prepared, and the old primary still serves.
    pub(crate) fn may_read_now(&self) -> bool {
        let gate = self.topology.borrow().gate;
        matches!(gate, Gate::Open | Gate::Quiescing) && self.is_live_now()
    }

    /// Whether what was begun may be finished at this moment, and replies delivered.
    pub(crate) fn is_live_now(&self) -> bool {
        let now = Instant::now();
        self.clock.set(now);
        self.look(now);
        let topology = self.topology.borrow();
        topology.gate != Gate::Shut && self.lease.passes(&topology, now)
    }

    /// The time, as of when it was last asked whether something may be done.
    pub(super) fn now(&self) -> Instant {
        self.clock.get()
    }

    /// Whether the primary of this moment has answered as one to a question sent since then.
    pub(crate) fn is_proven_since(&self, since: Instant) -> bool {
        let topology = self.topology.borrow();
        self.lease.proven_since(&topology, since)
    }

    /// Whether the primary is so new that its replicas may not have found it yet.
    pub(crate) fn has_just_switched(&self) -> bool {
        let since = self.switched_at.get();
        since.is_some_and(|since| since.elapsed() < REPLICAS_LATE_MAX)
    }

    /// Notices a pause of this thread, after which discovery has to look again.
    pub(super) fn look(&self, now: Instant) {
        if self.lease.look(now) {
            self.report(self.generation(), Sign::Paused);
        }
    }

    /// As [`Worker::is_live_now`], for the links of one generation.
    pub(crate) fn may_deliver(&self, generation: u64) -> bool {
        self.is_at(generation) && self.is_live_now()
    }

    /// How long there has been no primary; nothing while there is one.
    pub(crate) fn outage_so_far(&self) -> Duration {
        let topology = self.topology.borrow();
        match topology.gate {
            Gate::Open => Duration::ZERO,
            _ => topology.gate_since.elapsed(),
        }
    }

    /// Whether the gate has been shut for longer than commands are held, or nothing is waited for any more.
    pub(crate) fn outage_has_outlasted_hold(&self) -> bool {
        let topology = self.topology.borrow();
        // What was published while this thread was paused may have ended it.
        self.lease.is_newest(&topology)
            && topology.gate != Gate::Open
            && (self.gives_up_on(topology.gate)
                || topology.gate_since.elapsed() >= topology.hold_timeout)
    }

    /// Whether what is in flight at such a gate is not waited for any more, because the process is about
    /// to end; a primary that is only being replaced still answers.
    fn gives_up_on(&self, gate: Gate) -> bool {
        self.gives_up.get() && gate != Gate::Quiescing
    }

    /// When held commands will have waited long enough, or have; none while nothing is held.
    pub(super) fn hold_expiry(&self) -> Option<Instant> {
        let topology = self.topology.borrow();
        let expiry = topology.gate_since + topology.hold_timeout;
        (topology.gate != Gate::Open).then_some(expiry)
    }

    /// Whether clients that listen may be led to the primary of this moment.
    pub(crate) fn may_listen_now(&self) -> bool {
        let gate = self.topology.borrow().gate;
        matches!(gate, Gate::Open | Gate::Restoring) && self.is_live_now()
    }
}
