//! The one fact the whole proxy turns on: which node is the primary, and may commands be sent to it.
//!
//! Discovery is the only writer ([`Publisher`]); workers ([`View`]) and the admin server
//! ([`Handle`]) read. The snapshot lives in one `ArcSwap`, so no reader can see the address of one
//! generation with the gate or the token of another.
//!
//! A switch has two steps. [`Publisher::switch`] first shuts the gate and cancels the generation's
//! token, and waits until every worker confirmed that it has closed its links to the old primary;
//! only then does it publish the new generation with an open gate. A worker that does not confirm
//! (its thread is starved) is waited for until its lease has run out, because from then on it
//! sends and delivers nothing either.
//!
//! ```text
//!   open(G) --shut--> shut(G) --open--> open(G)            the primary was only silent for a while
//!   open(G) --switch--> shut(G), superseded --confirmed--> open(G+1)
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::net::HostPort;

/// How long an open gate stays open without being renewed by a heartbeat (design.md section 1).
pub const LEASE: Duration = Duration::from_secs(2);

/// May commands be sent to the primary of this generation?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// No verified primary: commands are held.
    Shut,
}

/// The verified primary of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary {
    /// Where Sentinel says it listens; a name is resolved again at each dial.
    pub address: HostPort,
    /// Sentinel's config-epoch for this choice.
    pub epoch: u64,
    /// `false` when our own control connection may not ask (NOAUTH): then each link checks the
    /// role itself after its client's AUTH.
    pub role_verified: bool,
}

/// One published state. Immutable but for the lease, which only ever moves forward.
#[derive(Debug)]
pub struct Topology {
    /// Count of primaries published by this process; 0 means none yet.
    pub generation: u64,
    /// The primary of this generation.
    pub primary: Option<Primary>,
    /// May commands be sent to it.
    pub gate: Gate,
    /// When the gate took its present state; a hold is counted from here while it is shut.
    pub gate_since: Instant,
    /// How long an outage holds commands before they fail.
    pub hold_timeout: Duration,
    version: u64,
    superseded: CancellationToken,
    lease: Arc<Lease>,
}

impl Topology {
    /// Whether a newer generation is being published: every link of this one must close.
    pub fn is_superseded(&self) -> bool {
        self.superseded.is_cancelled()
    }

    /// Completes when a newer generation is being published.
    pub async fn superseded(&self) {
        self.superseded.cancelled().await;
    }

    /// Whether the open gate has been renewed recently enough to be believed at `now`.
    pub fn lease_valid(&self, now: Instant) -> bool {
        self.lease.valid(now)
    }
}

/// A deadline shared by all snapshots of one generation.
#[derive(Debug)]
struct Lease {
    base: Instant,
    until_ms: AtomicU64,
}

impl Lease {
    fn new(base: Instant) -> Self {
        Self {
            base,
            until_ms: AtomicU64::new(0),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_millis()).unwrap_or(u64::MAX)
    }

    fn valid(&self, now: Instant) -> bool {
        self.millis(now) < self.until_ms.load(Ordering::SeqCst)
    }

    fn extend(&self, until: Instant) {
        self.until_ms
            .fetch_max(self.millis(until), Ordering::SeqCst);
    }

    fn end(&self) -> Instant {
        self.base + Duration::from_millis(self.until_ms.load(Ordering::SeqCst))
    }
}

/// What the data path noticed and discovery should look into at once. Sent with `try_send` on a
/// bounded channel: a lost report only costs the time to the next heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The generation of the link that showed it.
    pub generation: u64,
    /// What was seen.
    pub sign: Sign,
}

/// A sign that the primary may not be the primary any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A link ended although we did not close it.
    LinkLost,
    /// A dial failed or timed out.
    DialFailed,
    /// The node answered READONLY, MASTERDOWN, LOADING or UNBLOCKED.
    Rejected,
    /// A link's own role check said that the node is no primary.
    NotPrimary,
}

/// What one worker tells the publisher.
#[derive(Debug, Default)]
struct Confirmation {
    /// The newest version this worker acts by.
    version: AtomicU64,
    /// The worker found its lease run out and waits to be told of a renewal.
    lapsed: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    current: ArcSwap<Topology>,
    confirmed: Notify,
    workers: Vec<Confirmation>,
}

/// Read access for those who only look: the admin server, the acceptor.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// The snapshot of this moment.
    pub fn load(&self) -> Guard<Arc<Topology>> {
        self.0.current.load()
    }
}

/// The write side; owned by discovery.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    wake: watch::Sender<u64>,
    base: Instant,
}

impl Publisher {
    /// The state at start (no primary, gate shut), with one [`View`] per worker.
    pub fn new(workers: usize, hold_timeout: Duration) -> (Self, Vec<View>) {
        let base = Instant::now();
        let first = Topology {
            generation: 0,
            primary: None,
            gate: Gate::Shut,
            gate_since: base,
            hold_timeout,
            version: 0,
            superseded: CancellationToken::new(),
            lease: Arc::new(Lease::new(base)),
        };
        let shared = Arc::new(Shared {
            current: ArcSwap::from_pointee(first),
            confirmed: Notify::new(),
            workers: (0..workers).map(|_| Confirmation::default()).collect(),
        });
        let (wake, receiver) = watch::channel(0);
        let views = (0..workers)
            .map(|worker| View {
                shared: shared.clone(),
                worker,
                wake: receiver.clone(),
            })
            .collect();
        (Self { shared, wake, base }, views)
    }

    /// A read handle.
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
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
        self.publish(&now, Gate::Shut, Instant::now());
        self.wait_confirmed().await;
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
        // The gate may have been shut long before: the outage, and so the hold, began then.
        let since = if old.gate == Gate::Shut {
            old.gate_since
        } else {
            started
        };
        self.publish(&old, Gate::Shut, since);
        self.wait_confirmed().await;
        let lease = Arc::new(Lease::new(self.base));
        lease.extend(lease_until);
        self.store(Topology {
            generation: old.generation + 1,
            primary: Some(primary),
            gate: Gate::Open,
            gate_since: Instant::now(),
            hold_timeout: old.hold_timeout,
            version: self.load().version + 1,
            superseded: CancellationToken::new(),
            lease,
        });
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
            self.wake.send_modify(|_| {});
        }
    }

    /// Whether the lease has run out: the process, or discovery, did not run for a while, so
    /// nothing it remembers may be trusted before it has looked again.
    pub fn lease_expired(&self) -> bool {
        let now = self.load();
        now.gate == Gate::Open && !now.lease_valid(Instant::now())
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
        self.shared.current.store(Arc::new(topology));
        self.wake.send_replace(version);
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

fn copy(from: &Topology) -> Topology {
    Topology {
        generation: from.generation,
        primary: from.primary.clone(),
        gate: from.gate,
        gate_since: from.gate_since,
        hold_timeout: from.hold_timeout,
        version: from.version,
        superseded: from.superseded.clone(),
        lease: from.lease.clone(),
    }
}

/// One worker's side of the hand-shake.
#[derive(Debug)]
pub struct View {
    shared: Arc<Shared>,
    worker: usize,
    wake: watch::Receiver<u64>,
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
        }
    }
}

/// Asked before anything is sent to, or delivered from, a primary.
#[derive(Debug)]
pub struct LeaseCheck {
    shared: Arc<Shared>,
    worker: usize,
}

impl LeaseCheck {
    /// Whether `topology` may still be believed at `now`. Where not, the worker is woken through
    /// [`View::changed`] when the lease is renewed.
    pub fn passes(&self, topology: &Topology, now: Instant) -> bool {
        if topology.lease_valid(now) {
            return true;
        }
        self.shared.workers[self.worker]
            .lapsed
            .store(true, Ordering::SeqCst);
        // A renewal may have come in between; then nobody would wake us.
        topology.lease_valid(now)
    }
}

impl Drop for View {
    /// A worker that has ended uses nothing any more.
    fn drop(&mut self) {
        self.shared.workers[self.worker]
            .version
            .store(u64::MAX, Ordering::SeqCst);
        self.shared.confirmed.notify_waiters();
    }
}
