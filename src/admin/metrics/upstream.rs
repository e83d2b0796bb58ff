//! Connections to the primary and to replicas.

use crate::topology::Gate;
use crate::worker::{Count, Counters, DialEnd};

use super::Kind::{Counter, Gauge, Histogram};
use super::{Family, durations, sum};

const ROLE: &[&str] = &["role"];
const PRIMARY: &str = "primary";
const REPLICA: &str = "replica";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "steadfast_upstream_up",
        kind: Gauge,
        labels: ROLE,
        help: "1 while there is a verified primary, or a replica that may serve reads.",
        collect: |scrape, out| {
            let verified = scrape.topology.primary.is_some() && scrape.topology.gate != Gate::Shut;
            out.labelled(&[PRIMARY], verified);
            if let Some(readers) = &scrape.front.readers {
                out.labelled(&[REPLICA], readers.status.load().healthy > 0);
            }
        },
    },
    Family {
        name: "steadfast_upstream_info",
        kind: Gauge,
        labels: &["role", "primary_name", "addr"],
        help: "1 for the primary in use, or last in use, and for each replica that may serve reads.",
        collect: |scrape, out| {
            if let Some(primary) = &scrape.topology.primary {
                let address = primary.address.to_string();
                out.labelled(&[PRIMARY, &scrape.front.primary_name, &address], true);
            }
            let readers = scrape.front.readers.as_ref();
            let status = readers.map(|readers| readers.status.load());
            let replicas = status.iter().flat_map(|status| &status.replicas);
            for replica in replicas.filter(|replica| replica.healthy) {
                let name = &scrape.front.primary_name;
                out.labelled(&[REPLICA, name, &replica.address], true);
            }
        },
    },
    Family {
        name: "steadfast_upstream_connections",
        kind: Gauge,
        labels: &["role", "state"],
        help: "Connections to servers: shared by clients, a client's own (pinned), lying ready \
               (idle), being opened (connecting); at most 1 s ago.",
        collect: |scrape, out| {
            for (role, workers) in scrape.roles() {
                let mut count = |state, of: fn(&Counters) -> &Count| {
                    out.labelled(&[role, state], sum(workers, |worker| of(worker).load()));
                };
                count("idle", |worker| &worker.links_pooled);
                count("shared", |worker| &worker.links_shared);
                count("pinned", |worker| &worker.gauges.links_pinned);
                count("connecting", |worker| &worker.gauges.links_connecting);
            }
        },
    },
    Family {
        name: "steadfast_upstream_connects_total",
        kind: Counter,
        labels: &["role", "result"],
        help: "Connections to servers that were opened for clients, and why they could not be.",
        collect: |scrape, out| {
            for (role, workers) in scrape.roles() {
                for end in DialEnd::ALL {
                    let dials = sum(workers, |worker| end.of(&worker.dials).load());
                    out.labelled(&[role, end.label()], dials);
                }
            }
        },
    },
    Family {
        name: "steadfast_upstream_connect_duration_seconds",
        kind: Histogram,
        labels: ROLE,
        help: "How long it took to open a connection to a server, TLS and our login included.",
        collect: |scrape, out| {
            for (role, workers) in scrape.roles() {
                out.durations(&[role], &durations(workers, |worker| &worker.dial));
            }
        },
    },
    Family {
        name: "steadfast_upstream_request_duration_seconds",
        kind: Histogram,
        labels: ROLE,
        help: "From when a command was written to when its reply was read, of those that are timed; \
               without blocking calls.",
        collect: |scrape, out| {
            for (role, workers) in scrape.roles() {
                out.durations(
                    &[role],
                    &durations(workers, |worker| &worker.upstream_requests),
                );
            }
        },
    },
    Family {
        name: "steadfast_upstream_received_bytes_total",
        kind: Counter,
        labels: ROLE,
        help: "Bytes received for clients, without TLS.",
        collect: |scrape, out| {
            for (role, workers) in scrape.roles() {
                let bytes = sum(workers, |worker| worker.upstream_received.load());
                out.labelled(&[role], bytes);
            }
        },
    },
    Family {
        name: "steadfast_upstream_sent_bytes_total",
        kind: Counter,
        labels: ROLE,
        help: "Bytes sent for clients, without TLS.",
        collect: |scrape, out| {
            for (role, workers) in scrape.roles() {
                let bytes = sum(workers, |worker| worker.upstream_sent.load());
                out.labelled(&[role], bytes);
            }
        },
    },
    Family {
        name: "steadfast_upstream_connections_closed_by_switch_total",
        kind: Counter,
        labels: &[],
        help: "Connections closed because the primary changed, or the replica of its clients.",
        collect: |scrape, out| {
            out.value(scrape.sum(|worker| worker.links_closed_by_switch.load()));
        },
    },
    Family {
        name: "steadfast_session_restores_total",
        kind: Counter,
        labels: &[],
        help: "Connections that were made what a lost one had been: login, database, subscriptions.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.restored.load())),
    },
    Family {
        name: "steadfast_subscriptions_restored_total",
        kind: Counter,
        labels: &[],
        help: "Channels and patterns that were subscribed to again, as servers confirmed it.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.resubscribed.load())),
    },
];
