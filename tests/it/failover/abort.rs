//! Failovers that begin and come to nothing: writes wait for the end of it and go on where they
//! were.
//!
//! A set whose replicas all have priority 0 makes no such failover: a Sentinel that is asked for
//! one refuses before it begins. So replicas are lost after the beginning: all of them at once, so
//! that none can be chosen, or the chosen one, so that it is never promoted.

use std::time::{Duration, Instant};

use super::entrance::Entrance;
use super::load::{Load, Size};
use super::outcome::{Moments, Outcome, ms};
use super::report::rounds;
use super::verdict::{always, noise, planned, unless};
use crate::bed::{Bed, FAILOVER_LIMIT, Recorder, eventually};
use crate::proxy::Proxy;

/// From the end of the failover to the first acknowledgement by the old primary.
const RESUME: Duration = Duration::from_millis(200);
/// How long a Sentinel waits for the promotion.
const FAILOVER_TIMEOUT_MS: u32 = 3000;
/// No longer than the failover itself and what follows it.
const PAUSE: Duration = Duration::from_millis(5000);

#[test]
fn a_failover_without_a_candidate_ends_in_place() {
    rounds("aborted, no candidate", |_| {
        aborted("-failover-abort-no-good-slave", |bed, _| {
            bed.begin_failover(0);
            bed.server(1).kill();
            bed.server(2).kill();
        })
    });
}

#[test]
fn a_failover_whose_candidate_dies_ends_in_place() {
    rounds("aborted, candidate lost", |_| {
        aborted("-failover-abort-slave-timeout", |bed, recorder| {
            // Chosen for its priority, and deaf to its promotion.
            bed.server(1).freeze();
            bed.begin_failover(0);
            eventually(FAILOVER_LIMIT, "the promotion was sent", || {
                recorder.first_event("+failover-state-wait-promotion")
            });
            bed.server(1).kill();
        })
    });
}

/// One round: `begin` makes a failover that ends with a message on `channel`, or with another
/// abort.
fn aborted(channel: &str, begin: impl Fn(&Bed, &Recorder)) -> serde_json::Value {
    let bed = Bed::builder()
        .alone()
        .failover_timeout(FAILOVER_TIMEOUT_MS)
        .line_of(1, "replica-priority 1")
        .start();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let load = Load::start(&Entrance::of(&[&proxy]), "w", Size::FULL);
    let recorder = bed.record();
    let fault = Instant::now();
    begin(&bed, &recorder);
    let over = eventually(FAILOVER_LIMIT, "the failover is given up", || {
        let mut events = recorder.events().into_iter();
        events.find(|event| event.channel.starts_with("-failover-abort"))
    });
    load.settle(over.at);
    let moments = Moments { fault, named: None };
    let outcome = Outcome::of(&load.stop(old), old, moments);
    let resumed = outcome.resumed().unwrap_or(over.at);
    let late = resumed.saturating_duration_since(over.at);
    let mut figures = outcome.figures();
    figures["resumed_after_ms"] = ms(late).into();
    figures["aborted_by"] = over.channel.clone().into();
    figures["expected"] = channel.into();
    let mut faults = always(&outcome);
    faults.extend(planned(&outcome, PAUSE));
    faults.extend(unless(
        late <= RESUME + noise(&outcome),
        format!("resumed {late:?} late"),
    ));
    let stayed = proxy.primary() == Some(old.addr()) && proxy.generation() == 1;
    faults.extend(unless(stayed, format!("now at {:?}", proxy.primary())));
    assert!(faults.is_empty(), "{figures}: {faults:#?}");
    figures
}
