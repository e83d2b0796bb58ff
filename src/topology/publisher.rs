//! The write side: how one topology follows another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::resp::Commands;

use super::lease::Lease;
use super::tally::{Tally, Told};
use super::{Gate, Handle, Primary, RESTORE_MAX, Topology, View};

/// The version of a worker that has ended, and so uses nothing.
pub(super) const ENDED: u64 = u64::MAX;

/// What one worker tells the publisher.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    /// The newest version this worker acts by.
    pub(super) version: AtomicU64,
    /// The worker found its lease run out and waits to be told of a renewal.
    pub(super) lapsed: AtomicBool,
    pub(super) told: Told,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) current: ArcSwap<Topology>,
    /// The version of that, or of what is about to be.
    pub(super) newest: AtomicU64,
    pub(super) confirmed: Notify,
    /// How often whoever publishes has shown that it runs.
    pub(super) beats: AtomicU64,
    pub(super) workers: Vec<Confirmation>,
}

/// The write side; owned by discovery.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    /// One for each worker: receivers of one channel are woken in an order left to chance.
    wakes: Vec<watch::Sender<u64>>,
    base: Instant,
}

impl Publisher {
    /// The state at start (no primary, gate shut), with one [`View`] per worker.
    pub fn new(workers: usize, hold_timeout: Duration) -> (Self, Vec<View>) {
        Self::beginning_at(0, workers, hold_timeout)
    }

    /// As [`Publisher::new`], with generations that are counted from `generation`: so that those of
    /// several publishers can be told apart.
    pub fn beginning_at(
        generation: u64,
        workers: usize,
        hold_timeout: Duration,
    ) -> (Self, Vec<View>) {
        let base = Instant::now();
        let first = Topology {
            generation,
            primary: None,
            gate: Gate::Shut,
            gate_since: base,
            commands: Arc::default(),
            hold_timeout,
            version: 0,
            superseded: CancellationToken::new(),
            lease: Arc::new(Lease::new(base)),
        };
        let shared = Arc::new(Shared {
            newest: AtomicU64::new(first.version),
            current: ArcSwap::from_pointee(first),
            confirmed: Notify::new(),
            beats: AtomicU64::new(0),
            workers: (0..workers).map(|_| Confirmation::default()).collect(),
        });
        let (wakes, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| watch::channel(0)).unzip();
        let views = receivers
            .into_iter()
            .enumerate()
            .map(|(worker, wake)| View {
                shared: shared.clone(),
                worker,
                wake,
            })
            .collect();
        (
            Self {
                shared,
                wakes,
                base,
            },
            views,
        )
    }

    /// A read handle.
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Shows that whoever publishes still runs.
    pub fn beat(&self) {
        self.shared.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// What all workers did so far, by what each told last.
    pub fn tally(&self) -> Tally {
        let workers = self.shared.workers.iter();
        workers.map(|worker| worker.told.load()).sum()
    }

    /// The snapshot of this moment.
    pub fn load(&self) -> Arc<Topology> {
        self.shared.current.load_full()
    }

    /// Shuts the gate of the current generation and returns once no worker sends any more.
    ///
    /// # Cancel safety
    /// The gate is shut at the first poll; cancelling only forgoes the wait.
    pub async fn shut(&self) {
        let now = self.load();
        if now.gate == Gate::Shut {
            return;
        }
        self.publish(&now, Gate::Shut, since_not_open(&now, Instant::now()));
        self.wait_confirmed().await;
    }

    /// Has the workers send nothing but reads to the primary of the current generation, which is
    /// about to be replaced in good order. Replies are still delivered while the lease is renewed.
    pub fn quiesce(&self) {
        let now = self.load();
        if now.gate == Gate::Open {
            self.publish(&now, Gate::Quiescing, Instant::now());
        }
    }

    /// Opens the gate of the current generation again: same node, same links.
    pub fn open_in_place(&self, lease_until: Instant) {
        let now = self.load();
        debug_assert!(now.primary.is_some() && !now.is_superseded());
        now.lease.extend(lease_until);
        if now.gate != Gate::Open {
            self.publish(&now, Gate::Open, Instant::now());
        }
    }

    /// Ends the current generation and, when every worker has confirmed that, opens the next one
    /// at `primary`. Returns how long the confirmation took.
    ///
    /// # Cancel safety
    /// Not cancel safe: cancelled half-way it leaves the gate shut and the old generation ended,
    /// which a later call completes.
    pub async fn switch(&self, primary: Primary, lease_until: Instant) -> Duration {
        let started = Instant::now();
        let old = self.load();
        old.superseded.cancel();
        self.publish(&old, Gate::Shut, since_not_open(&old, started));
        self.wait_confirmed().await;
        let lease = Arc::new(Lease::new(self.base));
        lease.extend(lease_until);
        let shut = self.load();
        self.store(Topology {
            generation: old.generation + 1,
            primary: Some(primary),
            gate: Gate::Restoring,
            gate_since: shut.gate_since,
            commands: shut.commands.clone(),
            hold_timeout: shut.hold_timeout,
            version: self.load().version + 1,
            superseded: CancellationToken::new(),
            lease,
        });
        // Who is not back by then misses what is published meanwhile, as after any reconnect.
        let _ = tokio::time::timeout(RESTORE_MAX, self.wait_confirmed()).await;
        self.publish(&self.load(), Gate::Open, Instant::now());
        started.elapsed()
    }

    /// Extends the lease of the current generation to `until` (from the moment the heartbeat that
    /// proved it was *sent*, not answered) and wakes workers that had found it run out.
    pub fn renew(&self, until: Instant) {
        self.load().lease.extend(until);
        let mut lapsed = false;
        for worker in &self.shared.workers {
            lapsed |= worker.lapsed.swap(false, Ordering::SeqCst);
        }
        if lapsed {
            self.wakes.iter().for_each(|wake| wake.send_modify(|_| {}));
        }
    }

    /// Whether the lease has run out: the process, or discovery, did not run for a while, so
    /// nothing it remembers may be trusted before it has looked again.
    pub fn lease_expired(&self) -> bool {
        let now = self.load();
        now.gate != Gate::Shut && !now.lease_valid(Instant::now())
    }

    /// Changes the hold time (it follows Sentinel's down-after with `--hold-timeout auto`).
    pub fn set_hold_timeout(&self, hold_timeout: Duration) {
        let now = self.load();
        if now.hold_timeout != hold_timeout {
            self.store(Topology {
                hold_timeout,
                version: now.version + 1,
                ..copy(&now)
            });
        }
    }

    /// Notes that the Sentinels hold the present primary at another epoch.
    pub fn set_epoch(&self, epoch: u64) {
        let now = self.load();
        let Some(primary) = now.primary.clone().filter(|primary| primary.epoch != epoch) else {
            return;
        };
        self.store(Topology {
            primary: Some(Primary { epoch, ..primary }),
            version: now.version + 1,
            ..copy(&now)
        });
    }

    /// Notes what the primary of this generation says of its commands; of another it means nothing.
    pub fn set_commands(&self, generation: u64, commands: Arc<Commands>) {
        let now = self.load();
        if now.generation == generation && now.commands != commands {
            self.store(Topology {
                commands,
                version: now.version + 1,
                ..copy(&now)
            });
        }
    }

    fn publish(&self, from: &Topology, gate: Gate, gate_since: Instant) {
        self.store(Topology {
            gate,
            gate_since,
            version: from.version + 1,
            ..copy(from)
        });
    }

    fn store(&self, topology: Topology) {
        let version = topology.version;
        // First, so that nobody acts by the old one once the new one is there.
        self.shared.newest.store(version, Ordering::SeqCst);
        self.shared.current.store(Arc::new(topology));
        for wake in &self.wakes {
            wake.send_replace(version);
        }
    }

    /// Waits until every worker acts by the current version, or cannot act at all any more because
    /// its lease ran out.
    async fn wait_confirmed(&self) {
        let now = self.load();
        let bound = now.lease.end();
        if bound <= Instant::now() {
            return;
        }
        loop {
            let notified = self.shared.confirmed.notified();
            let behind =
                |worker: &Confirmation| worker.version.load(Ordering::SeqCst) < now.version;
            if !self.shared.workers.iter().any(behind) {
                return;
            }
            if tokio::time::timeout_at(bound, notified).await.is_err() {
                tracing::warn!(
                    event = "worker_late",
                    "a worker did not confirm before its lease ran out"
                );
                return;
            }
        }
    }
}

/// The outage, and so the hold, began when the gate stopped being open, which may be long before.
fn since_not_open(from: &Topology, now: Instant) -> Instant {
    match from.gate {
        Gate::Open => now,
        Gate::Quiescing | Gate::Restoring | Gate::Shut => from.gate_since,
    }
}

fn copy(from: &Topology) -> Topology {
    Topology {
        generation: from.generation,
        primary: from.primary.clone(),
        gate: from.gate,
        gate_since: from.gate_since,
        commands: from.commands.clone(),
        hold_timeout: from.hold_timeout,
        version: from.version,
        superseded: from.superseded.clone(),
        lease: from.lease.clone(),
    }
}
