//! A worker's side: what it acts by, and whether it may still believe it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;
use tokio::time::Instant;

use super::publisher::{ENDED, Shared};
use super::{LEASE, PAUSE_MAX, Tally, Topology};

/// One worker's side of the hand-shake.
#[derive(Debug)]
pub struct View {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: usize,
    pub(super) wake: watch::Receiver<u64>,
}

impl View {
    /// The newest snapshot.
    pub fn load(&self) -> Arc<Topology> {
        self.shared.current.load_full()
    }

    /// Waits until there is something newer to act by, or a lapsed lease was renewed. Pends for
    /// ever once the publisher is gone.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&mut self) {
        if self.wake.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells what this worker did so far; each time is a sign of life, too.
    pub fn tell(&self, tally: Tally) {
        self.shared.workers[self.worker].told.store(tally);
    }

    /// Says that this worker acts by `topology` now and uses nothing older.
    pub fn confirm(&self, topology: &Topology) {
        self.shared.workers[self.worker]
            .version
            .store(topology.version, Ordering::SeqCst);
        self.shared.confirmed.notify_waiters();
    }

    /// The lease check of this worker, for the data path.
    pub fn lease_check(&self) -> LeaseCheck {
        LeaseCheck {
            shared: self.shared.clone(),
            worker: self.worker,
            seen: Cell::new(Instant::now()),
            awake_since: Cell::new(None),
        }
    }
}

/// Asked before anything is sent to, or delivered from, a primary.
///
/// A lease proves something only to a thread that was running: one that was paused (the process
/// frozen, the thread starved) may find a lease still valid that was given before a whole failover
/// took place. So after a pause only a lease renewed since counts.
#[derive(Debug)]
pub struct LeaseCheck {
    shared: Arc<Shared>,
    worker: usize,
    /// When this thread last showed a sign of life.
    seen: Cell<Instant>,
    /// When it woke from its last pause.
    awake_since: Cell<Option<Instant>>,
}

impl LeaseCheck {
    /// A sign of life at `now`; `true` when the thread has just woken from a pause. Must be called
    /// at least every [`PAUSE_MAX`].
    pub fn look(&self, now: Instant) -> bool {
        let paused = now.saturating_duration_since(self.seen.replace(now)) > PAUSE_MAX;
        if paused {
            self.awake_since.set(Some(now));
        }
        paused
    }

    /// Whether nothing newer than `topology` was published: a thread that was paused may run what
    /// sends before what would tell it so.
    pub fn is_newest(&self, topology: &Topology) -> bool {
        topology.version >= self.shared.newest.load(Ordering::SeqCst)
    }

    /// Whether `topology` may still be believed at `now`. Where not, the worker is woken through
    /// [`View::changed`] when the lease is renewed.
    pub fn passes(&self, topology: &Topology, now: Instant) -> bool {
        if self.holds(topology, now) {
            return true;
        }
        self.shared.workers[self.worker]
            .lapsed
            .store(true, Ordering::SeqCst);
        // A renewal may have come in between; then nobody would wake us.
        self.holds(topology, now)
    }

    /// Whether the lease of `topology` was renewed by a look at its primary that was *sent* at
    /// `since` or later: what was noticed at `since` did not keep the primary from answering as
    /// one. Where not, the worker is woken through [`View::changed`] when a renewal comes. It does
    /// not say that the gate is open or that [`LeaseCheck::passes`] holds.
    pub fn proven_since(&self, topology: &Topology, since: Instant) -> bool {
        let proven = || topology.lease.end() >= since + LEASE;
        if proven() {
            return true;
        }
        self.shared.workers[self.worker]
            .lapsed
            .store(true, Ordering::SeqCst);
        // As in `passes`: a renewal may have come in between.
        proven()
    }

    fn holds(&self, topology: &Topology, now: Instant) -> bool {
        let awake_since = self.awake_since.get();
        topology.lease_valid(now)
            && self.is_newest(topology)
            && awake_since.is_none_or(|since| topology.lease.end() >= since + LEASE)
    }
}

impl Drop for View {
    /// A worker that has ended uses nothing any more.
    fn drop(&mut self) {
        self.shared.workers[self.worker]
            .version
            .store(ENDED, Ordering::SeqCst);
        self.shared.confirmed.notify_waiters();
    }
}
