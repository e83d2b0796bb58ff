//! Several Steadfasts in front of one set, one of them started in the middle of a failover: what
//! one acknowledges the others may not throw away.

use std::time::{Duration, Instant};

use super::entrance::Entrance;
use super::load::{Load, Size};
use super::outcome::{Moments, Outcome, ms};
use super::report::rounds;
use super::verdict::{PLANNED_PAUSE, always, planned};
use crate::bed::Bed;
use crate::proxy::Proxy;

/// Clients that come in the middle wait until there is a primary again.
const LATE_PAUSE: Duration = Duration::from_secs(3);

#[test]
fn three_share_the_writers_and_one_comes_in_the_middle() {
    rounds("planned, three proxies", |_| {
        let bed = Bed::builder().alone().start();
        let early = [Proxy::ready(&bed), Proxy::ready(&bed)];
        let [first, second] = &early;
        let load = Load::start(&Entrance::of(&[first, second]), "w", Size::FULL);
        let recorder = bed.record();
        let old = bed.primary();
        let fault = Instant::now();
        bed.begin_failover(0);
        let third = Proxy::for_bed(&bed).start();
        let late = Load::begin(&Entrance::of(&[&third]), "late", Size::WRITES);
        let named = recorder.first_named(old.addr(), 0);
        let new = bed.server_at(named.address);
        load.settle(named.at);
        late.settle(named.at);
        let moments = Moments {
            fault,
            named: Some(named.at),
        };
        let outcome = Outcome::of(&load.stop(new), new, moments);
        let late = Outcome::of(&late.stop(new), new, moments);
        let mut figures = outcome.figures();
        figures["spread_ms"] = ms(spread(&outcome, early.len())).into();
        figures["late_written"] = late.written.into();
        let mut faults = always(&outcome);
        faults.extend(planned(&outcome, PLANNED_PAUSE));
        faults.extend(always(&late));
        faults.extend(planned(&late, LATE_PAUSE));
        assert!(faults.is_empty(), "{figures}: {faults:#?}");
        figures
    });
}

/// Between the first acknowledgement through the first proxy and the first one through the last.
fn spread(outcome: &Outcome, proxies: usize) -> Duration {
    let ends = |proxy: usize| {
        let own = outcome.pauses.iter().skip(proxy).step_by(proxies);
        own.map(|pause| pause.1).min()
    };
    let firsts: Vec<_> = (0..proxies).filter_map(ends).collect();
    match (firsts.iter().min(), firsts.iter().max()) {
        (Some(first), Some(last)) => *last - *first,
        _ => Duration::ZERO,
    }
}
