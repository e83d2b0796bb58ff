//! The gate, the primary behind it, and how it was replaced.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::topology::Gate;

use super::Kind::{Counter, Gauge, Histogram};
use super::{Family, Scrape};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "steadfast_state",
        kind: Gauge,
        labels: &["state"],
        help: "1 for the state it is in: starting (no primary yet), serving, quiescing (a failover \
               has begun, writes wait), holding (no verified primary), draining (asked to stop).",
        collect: |scrape, out| {
            let now = state(scrape);
            for state in ["starting", "serving", "quiescing", "holding", "draining"] {
                out.labelled(&[state], state == now);
            }
        },
    },
    Family {
        name: "steadfast_hold_active",
        kind: Gauge,
        labels: &[],
        help: "1 while commands wait for a primary: the gate is not open.",
        collect: |scrape, out| out.value(scrape.topology.gate != Gate::Open),
    },
    Family {
        name: "steadfast_hold_timeout_seconds",
        kind: Gauge,
        labels: &[],
        help: "For how long an outage holds commands before they fail.",
        collect: |scrape, out| out.value(scrape.topology.hold_timeout),
    },
    Family {
        name: "steadfast_primary_config_epoch",
        kind: Gauge,
        labels: &[],
        help: "Sentinel's epoch of the primary in use; 0 before the first.",
        collect: |scrape, out| {
            let primary = scrape.topology.primary.as_ref();
            out.value(primary.map_or(0, |primary| primary.epoch));
        },
    },
    Family {
        name: "steadfast_primary_restarts_total",
        kind: Counter,
        labels: &[],
        help: "Restarts of the primary without a failover: its data set may be older, or empty.",
        collect: |scrape, out| out.value(scrape.status.restarts),
    },
    Family {
        name: "steadfast_failovers_total",
        kind: Counter,
        labels: &["cause"],
        help: "Changes of the primary: planned (the old one was alive) or crash.",
        collect: |scrape, out| {
            out.labelled(&["planned"], scrape.status.failovers.planned);
            out.labelled(&["crash"], scrape.status.failovers.crash);
        },
    },
    Family {
        name: "steadfast_failovers_aborted_total",
        kind: Counter,
        labels: &[],
        help: "Failovers that began and ended with the same primary.",
        collect: |scrape, out| out.value(scrape.status.failovers.aborted),
    },
    Family {
        name: "steadfast_failovers_not_quiesced_total",
        kind: Counter,
        labels: &[],
        help: "Planned failovers before which writes could not be stopped in time.",
        collect: |scrape, out| out.value(scrape.status.failovers.could_not_quiesce),
    },
    Family {
        name: "steadfast_lost_write_bytes_total",
        kind: Counter,
        labels: &[],
        help: "Bytes of acknowledged writes that promoted replicas lacked in planned failovers.",
        collect: |scrape, out| out.value(scrape.status.failovers.lost_bytes),
    },
    Family {
        name: "steadfast_failover_duration_seconds",
        kind: Histogram,
        labels: &[],
        help: "For how long the gate was not open when the primary changed.",
        collect: |scrape, out| out.durations(&[], &scrape.status.counts.failover),
    },
    Family {
        name: "steadfast_last_failover_timestamp_seconds",
        kind: Gauge,
        labels: &[],
        help: "When the primary last changed; 0 if it never did.",
        collect: |scrape, out| out.value(timestamp(scrape.status.counts.last_failover)),
    },
];

fn state(scrape: &Scrape<'_>) -> &'static str {
    match scrape.topology.gate {
        _ if scrape.state.lifecycle.is_draining() => "draining",
        _ if scrape.topology.generation == 0 => "starting",
        Gate::Open => "serving",
        Gate::Quiescing => "quiescing",
        Gate::Restoring | Gate::Shut => "holding",
    }
}

/// Seconds since 1970; 0 for never.
pub(super) fn timestamp(at: Option<SystemTime>) -> f64 {
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}
