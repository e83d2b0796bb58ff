//! Clients and what they ask for.

use crate::worker::{ClientEnd, Entrance, ErrorCode, HoldEnd, Pinned, RequestClass};

use super::Kind::{Counter, Gauge, Histogram};
use super::{Family, Scrape};

const LISTENER: &[&str] = &["listener"];

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "steadfast_client_connections",
        kind: Gauge,
        labels: LISTENER,
        help: "Clients connected.",
        collect: |scrape, out| {
            for entrance in Entrance::ALL {
                let open = scrape.sum(|worker| entrance.of(&worker.doors).open.load());
                out.labelled(&[entrance.label()], open);
            }
        },
    },
    Family {
        name: "steadfast_client_connections_total",
        kind: Counter,
        labels: LISTENER,
        help: "Clients accepted.",
        collect: |scrape, out| {
            for entrance in Entrance::ALL {
                let total = scrape.sum(|worker| entrance.of(&worker.doors).total.load());
                out.labelled(&[entrance.label()], total);
            }
        },
    },
    Family {
        name: "steadfast_client_connections_rejected_total",
        kind: Counter,
        labels: &["reason"],
        help: "Clients turned away: too many, or TLS failed.",
        collect: |scrape, out| {
            out.labelled(
                &["max_clients"],
                scrape.sum(|worker| worker.turned_away.load()),
            );
            out.labelled(&["tls"], scrape.sum(|worker| worker.tls_failed.load()));
        },
    },
    Family {
        name: "steadfast_client_disconnects_total",
        kind: Counter,
        labels: &["listener", "reason"],
        help: "Clients that have left, by why.",
        collect: |scrape, out| {
            for entrance in Entrance::ALL {
                for end in ClientEnd::ALL {
                    let left =
                        scrape.sum(|worker| end.of(&entrance.of(&worker.doors).ended).load());
                    out.labelled(&[entrance.label(), end.label()], left);
                }
            }
        },
    },
    Family {
        name: "steadfast_client_pinned_connections",
        kind: Gauge,
        labels: &["reason"],
        help: "Clients with an upstream connection of their own, at most 1 s ago.",
        collect: |scrape, out| {
            for why in Pinned::ALL {
                let pinned = scrape.sum(|worker| why.of(&worker.gauges.pinned).load());
                out.labelled(&[why.label()], pinned);
            }
        },
    },
    Family {
        name: "steadfast_client_received_bytes_total",
        kind: Counter,
        labels: LISTENER,
        help: "Bytes that clients sent, without TLS.",
        collect: |scrape, out| {
            for entrance in Entrance::ALL {
                let bytes = scrape.sum(|worker| entrance.of(&worker.doors).received.load());
                out.labelled(&[entrance.label()], bytes);
            }
        },
    },
    Family {
        name: "steadfast_client_sent_bytes_total",
        kind: Counter,
        labels: LISTENER,
        help: "Bytes sent to clients or waiting for them, without TLS.",
        collect: |scrape, out| {
            for entrance in Entrance::ALL {
                let bytes = scrape.sum(|worker| entrance.of(&worker.doors).sent.load());
                out.labelled(&[entrance.label()], bytes);
            }
        },
    },
    Family {
        name: "steadfast_client_output_buffer_bytes",
        kind: Gauge,
        labels: &[],
        help: "Bytes that wait for clients to read them, at most 1 s ago.",
        collect: |scrape, out| {
            out.value(scrape.sum(|worker| worker.gauges.output_bytes.load()));
        },
    },
    Family {
        name: "steadfast_requests_total",
        kind: Counter,
        labels: &[],
        help: "Commands received.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.commands.load())),
    },
    Family {
        name: "steadfast_requests_sampled_total",
        kind: Counter,
        labels: &["command"],
        help: "Commands received, by name: one in 64, so multiply by that; other is what no table has. \
               A name is there from its first command on.",
        collect: |scrape, out| {
            for (name, count) in sampled(scrape) {
                out.labelled(&[name], count);
            }
        },
    },
    Family {
        name: "steadfast_requests_in_flight",
        kind: Gauge,
        labels: &[],
        help: "Commands sent upstream and not answered, at most 1 s ago.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.gauges.in_flight.load())),
    },
    Family {
        name: "steadfast_request_duration_seconds",
        kind: Histogram,
        labels: &["class"],
        help: "From a command's arrival to its reply, the hold included; one command in 64 is timed.",
        collect: |scrape, out| {
            for class in RequestClass::ALL {
                let durations = scrape.durations(|worker| class.of(&worker.requests));
                out.durations(&[class.label()], &durations);
            }
        },
    },
    Family {
        name: "steadfast_proxy_overhead_seconds",
        kind: Histogram,
        labels: &[],
        help: "What Steadfast itself adds to a command: until it is written once nothing keeps it \
               waiting, and from the read of its reply until that is passed on; of those that are timed.",
        collect: |scrape, out| out.durations(&[], &scrape.durations(|worker| &worker.overhead)),
    },
    Family {
        name: "steadfast_error_replies_total",
        kind: Counter,
        labels: &["origin", "code"],
        help: "Error replies: of a server, passed on, by their first word; and Steadfast's own three.",
        collect: |scrape, out| {
            for code in ErrorCode::ALL {
                let passed_on = scrape.sum(|worker| code.of(&worker.errors).load());
                out.labelled(&["upstream", code.label()], passed_on);
            }
            out.labelled(&["proxy", "MASTERDOWN"], refused(scrape));
            out.labelled(&["proxy", "UNCERTAIN"], uncertain(scrape));
            let read_only = scrape.sum(|worker| worker.read_only.load());
            out.labelled(&["proxy", "READONLY"], read_only);
        },
    },
    Family {
        name: "steadfast_failed_requests_total",
        kind: Counter,
        labels: &["reason"],
        help: "Commands Steadfast failed: not executed (hold_timeout), or perhaps executed (uncertain).",
        collect: |scrape, out| {
            out.labelled(&["hold_timeout"], refused(scrape));
            out.labelled(&["uncertain"], uncertain(scrape));
        },
    },
    Family {
        name: "steadfast_replayed_requests_total",
        kind: Counter,
        labels: &["reason"],
        help: "Commands sent again: not sent completely before, or sent, and they only read.",
        collect: |scrape, out| {
            out.labelled(
                &["not_sent"],
                scrape.sum(|worker| worker.resent_unsent.load()),
            );
            out.labelled(
                &["idempotent"],
                scrape.sum(|worker| worker.resent_reads.load()),
            );
        },
    },
    Family {
        name: "steadfast_outdated_cursors_total",
        kind: Counter,
        labels: &[],
        help: "Iterations continued with a cursor of a former primary, or refused for it.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.outdated_cursors.load())),
    },
    Family {
        name: "steadfast_held_connections",
        kind: Gauge,
        labels: &[],
        help: "Clients whose commands wait for a primary.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.held.load())),
    },
    Family {
        name: "steadfast_held_connections_total",
        kind: Counter,
        labels: &[],
        help: "Times that the commands of a client came to wait for a primary.",
        collect: |scrape, out| out.value(scrape.sum(|worker| worker.held_total.load())),
    },
    Family {
        name: "steadfast_held_requests",
        kind: Gauge,
        labels: &[],
        help: "Whole commands that wait for a primary, or to be sent again, at most 1 s ago; of more than \
               65,536 in a worker so many are counted.",
        collect: |scrape, out| {
            out.value(scrape.sum(|worker| worker.gauges.held_commands.load()));
        },
    },
    Family {
        name: "steadfast_hold_duration_seconds",
        kind: Histogram,
        labels: &["outcome"],
        help: "For how long the commands of a client waited for a primary.",
        collect: |scrape, out| {
            for how in HoldEnd::ALL {
                let durations = scrape.durations(|worker| how.of(&worker.holds));
                out.durations(&[how.label()], &durations);
            }
        },
    },
];

/// What all endpoints have together.
pub(super) const LIMITS: &[Family] = &[
    Family {
        name: "steadfast_client_connections_limit",
        kind: Gauge,
        labels: &[],
        help: "Clients that may be connected (--max-clients).",
        collect: |scrape, out| out.value(scrape.state.max_clients),
    },
    Family {
        name: "steadfast_held_bytes",
        kind: Gauge,
        labels: &[],
        help: "Bytes of commands that are kept.",
        collect: |scrape, out| out.value(scrape.state.held_bytes.commands.now()),
    },
    Family {
        name: "steadfast_held_bytes_limit",
        kind: Gauge,
        labels: &[],
        help: "Bytes of commands that may be kept (--max-held-bytes).",
        collect: |scrape, out| out.value(scrape.state.held_bytes.commands.most()),
    },
];

/// The names that were seen, and what is in no table.
fn sampled(scrape: &Scrape<'_>) -> Vec<(&'static str, u64)> {
    let workers = scrape.front.all_workers();
    let mut workers = workers.map(|worker| worker.names.load());
    let mut all: Vec<_> = workers.next().into_iter().flatten().collect();
    for worker in workers {
        for (sum, (_, count)) in all.iter_mut().zip(worker) {
            sum.1 = sum.1.wrapping_add(count);
        }
    }
    let other = all.pop();
    all.retain(|(_, count)| *count > 0);
    all.extend(other);
    all
}

fn refused(scrape: &Scrape<'_>) -> u64 {
    scrape.sum(|worker| worker.refused.load())
}

fn uncertain(scrape: &Scrape<'_>) -> u64 {
    scrape.sum(|worker| worker.uncertain.load())
}
