//! What discovery knows, as plain values for `/status`. Moments are told as the time since then.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::{Serialize, Serializer};
use tokio::time::Instant;

/// Switches remembered.
pub(super) const SWITCHES_MAX: usize = 32;

use super::counts::Counts;

/// Discovery's picture of the world, replaced as a whole whenever it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Every Sentinel known, configured or learned, and what it last said.
    pub sentinels: Vec<SentinelStatus>,
    /// The quorum the Sentinels report.
    pub quorum: Option<u64>,
    /// Sentinels (by run id) that answered within the last 5 s.
    pub reachable: usize,
    /// Sentinels there are, as far as those that answer know.
    pub known: usize,
    /// Sentinels, of those that answer, that name our primary.
    pub agreeing: usize,
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
    /// The last of them with the first choice, newest first.
    #[serde(serialize_with = "each")]
    pub last_switches: Arc<[Switch]>,
    /// The Sentinels that name the present primary, or are about to.
    #[serde(skip)]
    pub named_by: Vec<String>,
    /// What the present primary says that it is.
    #[serde(skip)]
    pub primary_says: Option<&'static str>,
    /// Restarts of the primary noticed, each possibly with an empty data set.
    pub restarts: u64,
    /// What the control connection to the primary complains about.
    pub primary_error: Option<String>,
    /// Why the gate is shut, in a sentence; none while it is open.
    pub waiting_for: Option<String>,
    /// What is counted for `/metrics` alone.
    #[serde(skip)]
    pub counts: Counts,
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

/// One switch of the primary; counts are of what lies between the last good heartbeat and it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switch {
    /// When.
    #[serde(rename = "ms_ago", serialize_with = "ms_ago")]
    pub at: Instant,
    /// The primary before; none for the first choice.
    pub from: Option<String>,
    /// The primary since.
    pub to: String,
    /// Its config-epoch.
    pub epoch: u64,
    /// The Sentinels that named it, or its own role.
    pub source: String,
    /// Its role was verified beforehand.
    pub role_verified: bool,
    /// In which order the former was left.
    pub departure: Option<&'static str>,
    /// Links closed.
    pub links_closed: u64,
    /// Clients whose commands waited.
    pub held: u64,
    /// Commands sent again.
    pub resent: u64,
    /// Commands answered UNCERTAIN.
    pub uncertain: u64,
    /// How long commands could not be sent.
    pub not_open_ms: u64,
    /// How much of that the workers took to confirm that they had left the former.
    pub confirmed_ms: u64,
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
    /// What it sees of a failover: `down` or `failover`.
    pub trouble: Option<&'static str>,
    /// The last question was answered.
    pub connected: bool,
    /// When the last answer was asked for.
    #[serde(rename = "answered_ms_ago", serialize_with = "maybe_ms_ago")]
    pub answered: Option<Instant>,
    /// Whether it answered within the last 5 s.
    pub answers: bool,
    /// Whether its events reach us.
    pub subscribed: bool,
    /// Why it is of no use at the moment.
    pub error: Option<String>,
}

/// Shared read access to the newest [`Status`].
pub type StatusHandle = Arc<ArcSwap<Status>>;

fn each<S: Serializer>(switches: &Arc<[Switch]>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(switches.iter())
}

fn ms_ago<S: Serializer>(at: &Instant, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(millis_since(*at))
}

fn maybe_ms_ago<S: Serializer>(at: &Option<Instant>, to: S) -> Result<S::Ok, S::Error> {
    at.map(millis_since).serialize(to)
}

fn millis_since(at: Instant) -> u64 {
    u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)
}
