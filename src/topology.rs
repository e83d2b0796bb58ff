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
//!   open(G) --quiesce--> quiescing(G) --open--> open(G)    a planned failover that was given up
//!   open(G) --switch--> shut(G), superseded --confirmed--> restoring(G+1) --confirmed--> open(G+1)
//! ```

mod lease;
mod publisher;
mod tally;
#[cfg(test)]
mod tests;
mod view;

pub use publisher::Publisher;
pub use tally::Tally;
pub use view::{LeaseCheck, View};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::Guard;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::net::HostPort;
use crate::resp::Commands;

use lease::Lease;
use publisher::{ENDED, Shared};

/// How long an open gate stays open without being renewed by a heartbeat (design.md section 1).
pub const LEASE: Duration = Duration::from_secs(2);

/// A thread that shows no sign of life for longer was paused. A planned failover takes longer from
/// its first sign to the promotion (141 ms at least were measured, sentinel-facts.md 1.2 and 5), so
/// whoever sleeps through one knows that it slept.
pub const PAUSE_MAX: Duration = Duration::from_millis(120);

/// How long subscribers have to be subscribed at a new primary before it is opened to everybody.
pub const RESTORE_MAX: Duration = Duration::from_millis(150);

/// May commands be sent to the primary of this generation?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// A failover of ours has begun and the old primary still answers: nothing but reads is sent,
    /// what is in flight gets its replies, and replication catches up.
    Quiescing,
    /// A new primary: clients that listen are made to hear it, before anybody may publish there.
    Restoring,
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
    /// The node is known to understand `CLIENT CAPA redirect` (Valkey 8.0 and later); `false` also
    /// where its version could not be learned.
    pub knows_capa: bool,
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
    /// When the gate was last opened, or stopped being open: a hold is counted from here.
    pub gate_since: Instant,
    /// What is known of commands: stricter than the table where the primary says so, once it was
    /// asked; until then what was known before.
    pub commands: Arc<Commands>,
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

    /// Until when the open gate is believed, as of this moment.
    pub fn lease_end(&self) -> Instant {
        self.lease.end()
    }

    /// Whether the open gate has been renewed recently enough to be believed at `now`.
    pub fn lease_valid(&self, now: Instant) -> bool {
        self.lease.valid(now)
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
    /// A worker was paused and waits for a lease renewed since.
    Paused,
}

/// Read access for those who only look: the admin server, the acceptor.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// The snapshot of this moment.
    pub fn load(&self) -> Guard<Arc<Topology>> {
        self.0.current.load()
    }

    /// Signs of life counted so far: those of whoever publishes, then of each worker; none of one
    /// that has ended.
    pub fn beats(&self) -> impl Iterator<Item = Option<u64>> {
        let publisher = self.0.beats.load(Ordering::Relaxed);
        let workers = self.0.workers.iter().map(|worker| {
            let ended = worker.version.load(Ordering::SeqCst) == ENDED;
            (!ended).then(|| worker.told.times())
        });
        std::iter::once(Some(publisher)).chain(workers)
    }
}
