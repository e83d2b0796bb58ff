//! What discovery knows, as plain values for `/status`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

/// Discovery's picture of the world, replaced as a whole whenever it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Every Sentinel known, configured or learned, and what it last said.
    pub sentinels: Vec<SentinelStatus>,
    /// The quorum the Sentinels report.
    pub quorum: Option<u64>,
    /// Sentinels (by run id) that answered within the last 5 s.
    pub reachable: usize,
    /// Sentinels whose events we are subscribed to.
    pub subscribed: usize,
    /// "Subscribed to k of n": who is not subscribed to may lead a failover unheard.
    pub subscription: String,
    /// No Sentinel answers: the last verified primary serves on.
    pub degraded: bool,
    /// Addresses that Sentinels name at one epoch without a majority for any; empty if all is well.
    pub conflict: Vec<String>,
    /// Failovers since start, and how they went.
    pub failovers: Failovers,
    /// Switches of the primary since start, the first choice not counted.
    pub switches: u64,
    /// Restarts of the primary noticed, each possibly with an empty data set.
    pub restarts: u64,
    /// What the control connection to the primary complains about.
    pub primary_error: Option<String>,
    /// Why the gate is shut, in a sentence; none while it is open.
    pub waiting_for: Option<String>,
}

/// How the failovers since start went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Failovers {
    /// Switches away from a primary that was alive.
    pub planned: u64,
    /// Switches away from one that had failed.
    pub crash: u64,
    /// Failovers that had begun and ended with the same primary.
    pub aborted: u64,
    /// Planned ones before which writes could not be stopped in time.
    pub could_not_quiesce: u64,
    /// Bytes of the old primaries' streams that promoted replicas were seen to lack in planned ones.
    pub lost_bytes: u64,
}

/// One Sentinel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SentinelStatus {
    /// Where it listens.
    pub address: String,
    /// Its run id, once it has told us.
    pub run_id: Option<String>,
    /// The primary it names.
    pub primary: Option<String>,
    /// The config-epoch it names it with.
    pub epoch: Option<u64>,
    /// Whether its events reach us.
    pub subscribed: bool,
    /// Why it is of no use at the moment.
    pub error: Option<String>,
}

/// Shared read access to the newest [`Status`].
pub type StatusHandle = Arc<ArcSwap<Status>>;
