//! Connections to the primary.

use crate::topology::Gate;
use crate::worker::DialEnd;

use super::Family;
use super::Kind::{Counter, Gauge, Histogram};

const ROLE: &[&str] = &["role"];
/// The only role there is as long as replicas serve nobody.
const PRIMARY: &str = "primary";

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "steadfast_upstream_up",
        kind: Gauge,
        labels: ROLE,
        help: "1 while there is a verified primary.",
        collect: |scrape, out| {
            let verified = scrape.topology.primary.is_some() && scrape.topology.gate != Gate::Shut;
            out.labelled(&[PRIMARY], verified);
        },
    },
    Family {
        name: "steadfast_upstream_info",
        kind: Gauge,
        labels: &["role", "primary_name", "addr"],
        help: "1 for the primary in use, or last in use.",
        collect: |scrape, out| {
            if let Some(primary) = &scrape.topology.primary {
                let address = primary.address.to_string();
                out.labelled(&[PRIMARY, &scrape.front.primary_name, &address], true);
            }
        },
    },
    Family {
        name: "steadfast_upstream_connections",
        kind: Gauge,
        labels: &["role", "state"],
        help: "Connections to the primary: shared by clients, a client's own (pinned), lying ready \
               (idle), being opened (connecting); at most 1 s ago.",
        collect: |scrape, out| {
            let mut count = |state, connections| out.labelled(&[PRIMARY, state], connections);
            count("idle", scrape.sum(|worker| worker.links_pooled.load()));
            count("shared", scrape.sum(|worker| worker.links_shared.load()));
            count(
                "pinned",
                scrape.sum(|worker| worker.gauges.links_pinned.load()),
            );
            count(
                "connecting",
                scrape.sum(|worker| worker.gauges.links_connecting.load()),
            );
        },
    },
    Family {
        name: "steadfast_upstream_connects_total",
        kind: Counter,
        labels: &["role", "result"],
        help: "Connections to the primary that were opened for clients, and why they could not be.",
        collect: |scrape, out| {
            for end in DialEnd::ALL {
                let dials = scrape.sum(|worker| end.of(&worker.dials).load());
                out.labelled(&[PRIMARY, end.label()], dials);
            }
        },
    },
    Family {
        name: "steadfast_upstream_connect_duration_seconds",
        kind: Histogram,
        labels: ROLE,
        help: "How long it took to open a connection to the primary, TLS and our login included.",
        collect: |scrape, out| {
            out.durations(&[PRIMARY], &scrape.durations(|worker| &worker.dial));
        },
    },
    Family {
        name: "steadfast_upstream_request_duration_seconds",
        kind: Histogram,
        labels: ROLE,
        help: "From when a command was written to when its reply was read, of those that are timed; \
               without blocking calls.",
        collect: |scrape, out| {
            let took = scrape.durations(|worker| &worker.upstream_requests);
            out.durations(&[PRIMARY], &took);
        },
    },
    Family {
        name: "steadfast_upstream_received_bytes_total",
        kind: Counter,
        labels: ROLE,
        help: "Bytes received for clients, without TLS.",
        collect: |scrape, out| {
            let bytes = scrape.sum(|worker| worker.upstream_received.load());
            out.labelled(&[PRIMARY], bytes);
        },
    },
    Family {
        name: "steadfast_upstream_sent_bytes_total",
        kind: Counter,
        labels: ROLE,
        help: "Bytes sent for clients, without TLS.",
        collect: |scrape, out| {
            let bytes = scrape.sum(|worker| worker.upstream_sent.load());
            out.labelled(&[PRIMARY], bytes);
        },
    },
    Family {
        name: "steadfast_upstream_connections_closed_by_switch_total",
        kind: Counter,
        labels: &[],
        help: "Connections closed because the primary changed.",
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
