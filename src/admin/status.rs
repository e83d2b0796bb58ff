//! The answer to `/status`: everything this process knows, as JSON. Field names are stable.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::AdminState;
use crate::discovery::Status;
use crate::discovery::replicas::ReplicasStatus;
use crate::front::Front;
use crate::topology::{Gate, Topology};
use crate::worker::Counters;

#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    version: &'static str,
    /// When this was told, by the clock of this machine: what is told as "ago" is meant from here.
    unix_ms: u64,
    uptime_s: u64,
    draining: bool,
    held_bytes: usize,
    max_held_bytes: usize,
    /// Where there is but one front, what is told of it stands here, too.
    #[serde(flatten)]
    only: Option<FrontReport<'a>>,
    endpoints: Vec<FrontReport<'a>>,
}

/// What is told of one front.
#[derive(Debug, Clone, Serialize)]
struct FrontReport<'a> {
    name: &'a str,
    primary_name: &'a str,
    generation: u64,
    gate: &'static str,
    gate_since_s: u64,
    primary: Option<Primary<'a>>,
    hold_timeout_ms: u64,
    links: Links,
    discovery: &'a Status,
    totals: Totals,
    workers: Vec<Totals>,
    /// The read-only endpoint, which is in no number above.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<ReadersReport<'a>>,
}

/// What is told of a read-only endpoint.
#[derive(Debug, Clone, Serialize)]
struct ReadersReport<'a> {
    #[serde(flatten)]
    status: &'a ReplicasStatus,
    links: Links,
    totals: Totals,
}

/// A front at one moment.
pub(super) struct View<'a> {
    front: &'a Front,
    topology: Arc<Topology>,
    status: Arc<Status>,
    replicas: Option<Arc<ReplicasStatus>>,
}

impl<'a> View<'a> {
    /// As it is now.
    pub(super) fn of(front: &'a Front) -> Self {
        Self {
            front,
            topology: Arc::clone(&front.topology.load()),
            status: front.discovery.load_full(),
            replicas: front
                .readers
                .as_ref()
                .map(|readers| readers.status.load_full()),
        }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Primary<'a> {
    address: String,
    epoch: u64,
    /// The Sentinels that name it.
    named_by: &'a [String],
    /// Its role was verified before it was made the primary; if not, each link does so.
    role_verified: bool,
    /// What it said of its role when it was last asked.
    says: Option<&'static str>,
}

/// Connections to the primary.
#[derive(Debug, Clone, Copy, Serialize)]
struct Links {
    /// Of several clients.
    shared: u64,
    /// Of one client for now.
    dedicated: u64,
    /// Of nobody, kept for the next client that needs one.
    pooled: u64,
}

/// One worker's counters, or the sum of all.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Totals {
    clients: u64,
    clients_total: u64,
    links: u64,
    links_shared: u64,
    links_pooled: u64,
    links_total: u64,
    commands: u64,
    held: u64,
    refused: u64,
    outdated_cursors: u64,
    resent: u64,
    uncertain: u64,
    restored: u64,
    links_closed_by_switch: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(state: &AdminState, views: &'a [View<'a>]) -> Self {
        let endpoints: Vec<_> = views.iter().map(FrontReport::new).collect();
        let only = match endpoints.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            unix_ms: unix_ms(),
            uptime_s: state.started.elapsed().as_secs(),
            draining: state.lifecycle.is_draining(),
            held_bytes: state.held_bytes.commands.now(),
            max_held_bytes: state.held_bytes.commands.most(),
            only,
            endpoints,
        }
    }
}

impl<'a> FrontReport<'a> {
    fn new(view: &'a View<'a>) -> Self {
        let View {
            front,
            topology,
            status,
            replicas,
        } = view;
        let workers: Vec<_> = front.workers.iter().map(Totals::of).collect();
        let totals = Totals::sum(&workers);
        let readers = front.readers.as_ref().zip(replicas.as_deref());
        Self {
            name: &front.name,
            primary_name: &front.primary_name,
            generation: topology.generation,
            gate: match topology.gate {
                Gate::Open => "open",
                Gate::Quiescing => "quiescing",
                Gate::Restoring => "restoring",
                Gate::Shut => "shut",
            },
            gate_since_s: topology.gate_since.elapsed().as_secs(),
            primary: topology.primary.as_ref().map(|primary| Primary {
                address: primary.address.to_string(),
                epoch: primary.epoch,
                named_by: &status.named_by,
                role_verified: primary.role_verified,
                says: status.primary_says,
            }),
            hold_timeout_ms: u64::try_from(topology.hold_timeout.as_millis()).unwrap_or(u64::MAX),
            links: Links::of(&totals),
            discovery: status,
            totals,
            workers,
            replicas: readers.map(|(readers, status)| {
                let slots: Vec<_> = readers.workers.iter().map(Totals::of).collect();
                let totals = Totals::sum(&slots);
                let links = Links::of(&totals);
                ReadersReport {
                    status,
                    links,
                    totals,
                }
            }),
        }
    }
}

impl Links {
    /// What is shared and pooled is counted a moment later than what there is.
    fn of(totals: &Totals) -> Self {
        let (shared, pooled) = (totals.links_shared, totals.links_pooled);
        let dedicated = totals.links.saturating_sub(shared.saturating_add(pooled));
        Self {
            shared,
            dedicated,
            pooled,
        }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

impl Totals {
    fn of(counters: &Arc<Counters>) -> Self {
        Self {
            clients: counters.clients.load(),
            clients_total: counters.clients_total.load(),
            links: counters.links.load(),
            links_shared: counters.links_shared.load(),
            links_pooled: counters.links_pooled.load(),
            links_total: counters.links_total.load(),
            commands: counters.commands.load(),
            held: counters.held.load(),
            refused: counters.refused.load(),
            outdated_cursors: counters.outdated_cursors.load(),
            resent: counters.resent.load(),
            uncertain: counters.uncertain.load(),
            restored: counters.restored.load(),
            links_closed_by_switch: counters.links_closed_by_switch.load(),
        }
    }

    fn sum(all: &[Self]) -> Self {
        all.iter().fold(Self::default(), Self::plus)
    }

    /// Wrapping, as the counters themselves: a number that is off by one moment's race must not
    /// end the process.
    fn plus(self, other: &Self) -> Self {
        Self {
            clients: self.clients.wrapping_add(other.clients),
            clients_total: self.clients_total.wrapping_add(other.clients_total),
            links: self.links.wrapping_add(other.links),
            links_shared: self.links_shared.wrapping_add(other.links_shared),
            links_pooled: self.links_pooled.wrapping_add(other.links_pooled),
            links_total: self.links_total.wrapping_add(other.links_total),
            commands: self.commands.wrapping_add(other.commands),
            held: self.held.wrapping_add(other.held),
            refused: self.refused.wrapping_add(other.refused),
            outdated_cursors: self.outdated_cursors.wrapping_add(other.outdated_cursors),
            resent: self.resent.wrapping_add(other.resent),
            uncertain: self.uncertain.wrapping_add(other.uncertain),
            restored: self.restored.wrapping_add(other.restored),
            links_closed_by_switch: self
                .links_closed_by_switch
                .wrapping_add(other.links_closed_by_switch),
        }
    }
}
