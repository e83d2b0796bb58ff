//! Failovers that meet one another, or lose the Sentinel that leads them.

use std::time::Duration;

use super::bed::{Bed, Running, config, until};
use super::record::{GateRecord, Writer};
use crate::config::{Config, SwitchOn};
use crate::discovery::message;
use crate::net::HostPort;
use crate::topology::Gate;
use rustix::process::Signal;

async fn attentive(bed: &Bed, switch_on: SwitchOn) -> (Running, HostPort) {
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(Config {
        switch_on,
        ..config(sentinels)
    });
    let (old, _) = running.open_at(1).await;
    until("all Sentinels are heard", async || {
        running.status.load().subscribed == 3
    })
    .await;
    (running, old)
}

async fn goes_on(writer: &Writer) {
    let before = writer.count();
    until("writes go on", async || writer.count() > before + 10).await;
}

/// The second begins while the first primary still says that it is one, and while the Sentinel that
/// led the first failover still tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_failovers_within_seconds_lose_no_acknowledged_write() {
    let bed = Bed::start(1_000).await;
    let (running, first) = attentive(&bed, SwitchOn::Named).await;
    let writer = Writer::start(running.handle.clone()).await;
    let gate = GateRecord::start(running.handle.clone());
    bed.fail_over(1).await;
    let (second, _) = running.open_at(2).await;
    goes_on(&writer).await;
    until("another Sentinel has heard of it", async || {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
        let reply = bed.sentinels[0].ask(&question).await;
        reply.is_some_and(|reply| message::address(&reply, true).as_ref() == Ok(&second))
    })
    .await;
    bed.fail_over(0).await;
    let (third, _) = running.open_at(3).await;
    goes_on(&writer).await;
    assert!(first != second && second != third);
    assert_eq!(writer.missing_at(&third).await, [0; 0]);
    let ways = [Gate::Open, Gate::Quiescing, Gate::Shut];
    let expected = (1..=2).flat_map(|generation| ways.map(|gate| (generation, gate)));
    let expected: Vec<_> = expected.chain([(3, Gate::Open)]).collect();
    // The first state may be over before anybody looks.
    let states = gate.states();
    assert!(
        expected.ends_with(&states) && states.len() >= 6,
        "{states:?}"
    );
    let counted = running.status.load().failovers.clone();
    assert_eq!((counted.planned, counted.could_not_quiesce), (2, 0));
}

/// Nobody else knows that a replica was promoted: the others have it follow the old primary again,
/// and all that was acknowledged must be found there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_dies_after_the_promotion_the_old_primary_goes_on() {
    let bed = Bed::start(1_000).await;
    let (running, old) = attentive(&bed, SwitchOn::Named).await;
    let writer = Writer::start(running.handle.clone()).await;
    let gate = GateRecord::start(running.handle.clone());
    bed.fail_over(1).await;
    // Promoted; about 0.8 s before anybody hears of it.
    running.gate(Gate::Shut).await;
    bed.sentinels[1].signal(Signal::KILL);
    running.open_at(1).await;
    let shut = gate.first((1, Gate::Shut));
    let held = running.now().gate_since.saturating_duration_since(shut);
    eprintln!("dead leader: open after {held:?}, {:?}", gate.states());
    let longest = running.now().hold_timeout;
    assert!(
        held < longest,
        "what is held fails after {longest:?}: {held:?}"
    );
    goes_on(&writer).await;
    // The replica that was promoted becomes one again, and nothing of that concerns the primary.
    until("the others agree", async || {
        running.now().gate == Gate::Open && running.status.load().failovers.aborted == 1
    })
    .await;
    assert_eq!(writer.missing_at(&old).await, [0; 0]);
    assert_eq!(running.now().generation, 1);
}

/// The price of `--switch-on promoted`: what was written meanwhile is lost, but not for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_primary_that_nobody_names_is_left_within_the_time_told() {
    let bed = Bed::start(1_000).await;
    let (running, old) = attentive(&bed, SwitchOn::Promoted).await;
    let gate = GateRecord::start(running.handle.clone());
    bed.fail_over(1).await;
    running.open_at(2).await;
    bed.sentinels[1].signal(Signal::KILL);
    let (back, _) = running.open_at(3).await;
    assert_eq!(back, old);
    let stayed = gate
        .first((3, Gate::Open))
        .saturating_duration_since(gate.first((2, Gate::Open)));
    eprintln!("unnamed: left after {stayed:?}, {:?}", gate.states());
    assert!(stayed < Duration::from_secs(12), "{stayed:?}");
}
