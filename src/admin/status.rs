//! The answer to `/status`: everything this process knows, as JSON. Field names are stable.

use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::AdminState;
use crate::discovery::Status;
use crate::topology::{Gate, Topology};
use crate::worker::Counters;

#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    version: &'static str,
    uptime_s: u64,
    primary_name: &'a str,
    generation: u64,
    gate: &'static str,
    gate_since_s: u64,
    primary: Option<Primary>,
    hold_timeout_ms: u64,
    held_bytes: usize,
    max_held_bytes: usize,
    discovery: &'a Status,
    totals: Totals,
    workers: Vec<Totals>,
}

#[derive(Debug, Serialize)]
struct Primary {
    address: String,
    epoch: u64,
    role_verified: bool,
}

/// One worker's counters, or the sum of all.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Totals {
    clients: u64,
    clients_total: u64,
    links: u64,
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
    pub(super) fn new(state: &'a AdminState, topology: &Topology, discovery: &'a Status) -> Self {
        let now = Instant::now();
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
        let workers: Vec<_> = state.workers.iter().map(Totals::of).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: seconds(state.started),
            primary_name: &state.primary_name,
            generation: topology.generation,
            gate: match topology.gate {
                Gate::Open => "open",
                Gate::Quiescing => "quiescing",
                Gate::Restoring => "restoring",
                Gate::Shut => "shut",
            },
            gate_since_s: seconds(topology.gate_since),
            primary: topology.primary.as_ref().map(|primary| Primary {
                address: primary.address.to_string(),
                epoch: primary.epoch,
                role_verified: primary.role_verified,
            }),
            hold_timeout_ms: u64::try_from(topology.hold_timeout.as_millis()).unwrap_or(u64::MAX),
            held_bytes: state.held_bytes.now(),
            max_held_bytes: state.held_bytes.most(),
            discovery,
            totals: workers.iter().fold(Totals::default(), Totals::plus),
            workers,
        }
    }
}

impl Totals {
    fn of(counters: &Arc<Counters>) -> Self {
        Self {
            clients: counters.clients.load(),
            clients_total: counters.clients_total.load(),
            links: counters.links.load(),
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

    /// Wrapping, as the counters themselves: a number that is off by one moment's race must not
    /// end the process.
    fn plus(self, other: &Self) -> Self {
        Self {
            clients: self.clients.wrapping_add(other.clients),
            clients_total: self.clients_total.wrapping_add(other.clients_total),
            links: self.links.wrapping_add(other.links),
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
