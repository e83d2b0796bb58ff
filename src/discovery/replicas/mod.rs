//! Chooses who serves the read-only endpoint: healthy replicas of the present primary, each its share of
//! the clients.
//!
//! ```text
//!   discovery --listed, offset--> outlook \                         / slot --Publisher--> worker
//!   topology of the primary ----> view ----> task --> census, ----->  slot --Publisher--> worker
//!   watches of the replicas --> readings --/          health (pure),  ...
//!   workers --> reports ------------------/           balance (pure)
//! ```
//!
//! The clients of the endpoint are dealt out to [`SLOTS`] slots, each of which has a topology of its own
//! and leads to one node at a time. When a replica is lost only its slots are led elsewhere; nobody else
//! notices. What is known of replicas ends with the primary that they follow: as soon as another one is
//! about to be published every slot is shut, and only who is then seen to follow that one serves again.
//!
//! It knows nothing of clients but their number, and never waits for a peer.

mod balance;
mod census;
mod health;
mod lag;
mod names;
mod slot;
mod status;
mod task;

pub use status::{ReplicaStatus, ReplicasHandle, ReplicasStatus};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::config::Config;
use crate::net::HostPort;
use crate::topology::{Publisher, Report, View};

/// Parts into which the clients are dealt out: each of one, two, three, four or six replicas can have
/// the same number of them.
pub const SLOTS: usize = 12;

/// What the search for the primary tells those who look after its replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The replicas that any Sentinel lists.
    pub(super) listed: BTreeSet<HostPort>,
    /// Where a primary was, and when it was asked.
    pub(super) offset: Option<(HostPort, Instant, i64)>,
}

/// By which it tells.
pub type Teller = watch::Sender<Outlook>;

/// How many clients a slot has.
pub type Clients = Box<dyn Fn(usize) -> u64 + Send>;

/// What the choice of replicas is made from.
pub struct Parts {
    /// The settings of the read-only endpoint.
    pub config: Arc<Config>,
    /// The primary, as its own endpoint has it. Nothing newer is opened there before the replicas of the
    /// older one serve nobody any more.
    pub primary: View,
    /// What the search for the primary tells.
    pub outlook: watch::Receiver<Outlook>,
    /// The topologies of the slots.
    pub slots: Vec<Publisher>,
    /// How many clients each of them has.
    pub clients: Clients,
    /// What their workers noticed.
    pub reports: mpsc::Receiver<Report>,
    /// Where it is told what is known.
    pub status: ReplicasHandle,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Chooses for the life of the process; never returns. Dropping the future stops all its tasks.
pub async fn run(parts: Parts) -> std::convert::Infallible {
    task::run(parts).await
}
