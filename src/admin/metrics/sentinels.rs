//! Sentinels: which there are, what they say, and whether it reaches us.

use crate::discovery::{EVENTS, REJECTIONS};

use super::Family;
use super::Kind::{Counter, Gauge, Histogram};
use super::failovers::timestamp;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "steadfast_sentinel_up",
        kind: Gauge,
        labels: &["sentinel"],
        help: "1 for a Sentinel that answered within the last 5 s.",
        collect: |scrape, out| {
            for sentinel in &scrape.status.sentinels {
                out.labelled(&[&sentinel.address], sentinel.answers);
            }
        },
    },
    Family {
        name: "steadfast_sentinels_known",
        kind: Gauge,
        labels: &[],
        help: "Sentinels there are, as those say that answer.",
        collect: |scrape, out| out.value(scrape.status.known),
    },
    Family {
        name: "steadfast_sentinels_reachable",
        kind: Gauge,
        labels: &[],
        help: "Sentinels that answered within the last 5 s.",
        collect: |scrape, out| out.value(scrape.status.reachable),
    },
    Family {
        name: "steadfast_sentinels_agreeing",
        kind: Gauge,
        labels: &[],
        help: "Reachable Sentinels that name the primary in use.",
        collect: |scrape, out| out.value(scrape.status.agreeing),
    },
    Family {
        name: "steadfast_sentinels_subscribed",
        kind: Gauge,
        labels: &[],
        help: "Reachable Sentinels whose events reach us; a failover led by another is not heard of.",
        collect: |scrape, out| out.value(scrape.status.subscribed),
    },
    Family {
        name: "steadfast_sentinel_quorum",
        kind: Gauge,
        labels: &[],
        help: "The quorum that Sentinels report; 0 while none does.",
        collect: |scrape, out| out.value(scrape.status.quorum.unwrap_or(0)),
    },
    Family {
        name: "steadfast_sentinels_conflicting_addresses",
        kind: Gauge,
        labels: &[],
        help: "Primaries that Sentinels name at one epoch without a majority; 0 if all is well.",
        collect: |scrape, out| out.value(scrape.status.conflict.len()),
    },
    Family {
        name: "steadfast_degraded",
        kind: Gauge,
        labels: &[],
        help: "1 while no Sentinel answers and the last verified primary serves on.",
        collect: |scrape, out| out.value(scrape.status.degraded),
    },
    Family {
        name: "steadfast_sentinel_last_contact_timestamp_seconds",
        kind: Gauge,
        labels: &[],
        help: "When a Sentinel last answered; 0 if none ever did.",
        collect: |scrape, out| out.value(timestamp(scrape.status.counts.last_contact)),
    },
    Family {
        name: "steadfast_sentinel_queries_total",
        kind: Counter,
        labels: &["result"],
        help: "Polls of Sentinels.",
        collect: |scrape, out| {
            out.labelled(&["ok"], scrape.status.counts.answered);
            out.labelled(&["error"], scrape.status.counts.unanswered);
        },
    },
    Family {
        name: "steadfast_sentinel_query_duration_seconds",
        kind: Histogram,
        labels: &[],
        help: "How long Sentinels took to answer a poll.",
        collect: |scrape, out| out.durations(&[], &scrape.status.counts.query),
    },
    Family {
        name: "steadfast_sentinel_events_total",
        kind: Counter,
        labels: &["event"],
        help: "Events about our primary that Sentinels published, each Sentinel's counted.",
        collect: |scrape, out| {
            for (event, count) in EVENTS.iter().zip(scrape.status.counts.events) {
                out.labelled(&[event], count);
            }
        },
    },
    Family {
        name: "steadfast_sentinel_answers_rejected_total",
        kind: Counter,
        labels: &["reason"],
        help: "Answers of Sentinels that name no usable primary.",
        collect: |scrape, out| {
            for (reason, count) in REJECTIONS.iter().zip(scrape.status.counts.rejected) {
                out.labelled(&[reason], count);
            }
        },
    },
];
