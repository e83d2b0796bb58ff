//! Failovers that meet one another, and promotions that nobody names.

use std::time::Duration;

use super::bed::{Bed, until};
use super::record::{GateRecord, Writer};
use super::running::Running;
use super::stall::Start;
use crate::config::{Config, SwitchOn};
use crate::discovery::message;
use crate::topology::Gate;
use rustix::process::Signal;

pub(super) async fn goes_on(writer: &Writer) {
    let before = writer.count();
    until("writes go on", async || writer.count() > before + 10).await;
}

/// The second begins while the first primary still says that it is one, and while the Sentinel that
/// led the first failover still tells of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_failovers_within_seconds_lose_no_acknowledged_write() {
    let bed = Bed::start(1_000).await;
    let (running, first) = Running::attentive(&bed, |config| config).await;
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
    bed.followed(&second, 1).await;
    bed.fail_over(0).await;
    let (third, _) = running.open_at(3).await;
    goes_on(&writer).await;
    assert!(first != second && second != third);
    assert_eq!(writer.missing_at(&third).await, [0; 0]);
    let ways = [Gate::Open, Gate::Quiescing, Gate::Shut];
    let expected = (1..=2).flat_map(|generation| ways.map(|gate| (generation, gate)));
    let expected: Vec<_> = expected.chain([(3, Gate::Open)]).collect();
    gate.last((3, Gate::Open)).await;
    gate.assert_states(&expected);
    let counted = async || running.status.load().failovers.planned == 2;
    until("both are counted", counted).await;
    let unprepared = running.status.load().failovers.could_not_quiesce;
    assert!(
        unprepared == 0 || gate.was_disturbed(),
        "{unprepared} could not quiesce"
    );
}

/// The price of `--switch-on promoted`: what was written meanwhile is lost, but not for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_primary_that_nobody_names_is_left_within_the_time_told() {
    let bed = Bed::start(1_000).await;
    let (running, old) = Running::attentive(&bed, |config| Config {
        switch_on: SwitchOn::Promoted,
        ..config
    })
    .await;
    let gate = GateRecord::start(running.handle.clone());
    let started = Start::now();
    bed.fail_over(1).await;
    running.open_at(2).await;
    bed.sentinels[1].signal(Signal::KILL);
    let (back, _) = running.open_at(3).await;
    assert_eq!(back, old);
    gate.last((3, Gate::Open)).await;
    let stayed = gate
        .first((3, Gate::Open))
        .saturating_duration_since(gate.first((2, Gate::Open)));
    eprintln!("unnamed: left after {stayed:?}, {:?}", gate.states());
    started.took(stayed, Duration::from_secs(12));
}
