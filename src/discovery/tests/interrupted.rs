//! Failovers that lose their Sentinels in the middle: the gate waits no longer than it must, and never
//! opens at a node that is no primary.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::bed::{Bed, Server, until};
use super::planned::{SETTLING_MIN, replicas, set_failover_timeout, since};
use super::record::{GateRecord, Writer};
use super::repeated::goes_on;
use super::running::Running;
use super::stall::Start;
use crate::config::{Config, HoldTimeout};
use crate::discovery::connection::Reply;
use crate::discovery::message::{field, text};
use crate::topology::Gate;

/// Nobody else knows that a replica was promoted: the others have it follow the old primary again,
/// and all that was acknowledged must be found there.
async fn the_old_primary_goes_on_without(dying: &[usize]) {
    let bed = Bed::start(1_000).await;
    let (running, old) = Running::attentive(&bed, |config| config).await;
    let writer = Writer::start(running.handle.clone()).await;
    let gate = GateRecord::start(running.handle.clone());
    let started = Start::now();
    bed.fail_over(1).await;
    // Promoted; about 0.8 s before anybody hears of it.
    running.gate(Gate::Shut).await;
    dying
        .iter()
        .for_each(|index| bed.sentinels[*index].signal(Signal::KILL));
    running.open_at(1).await;
    let shut = gate.first((1, Gate::Shut));
    let held = running.now().gate_since.saturating_duration_since(shut);
    eprintln!("dead leader: open after {held:?}, {:?}", gate.states());
    let longest = running.now().hold_timeout;
    // What is held fails then.
    started.took(held, longest);
    goes_on(&writer).await;
    // The replica that was promoted becomes one again, and nothing of that concerns the primary.
    until("the others agree", async || {
        running.now().gate == Gate::Open && running.status.load().failovers.aborted == 1
    })
    .await;
    assert_eq!(writer.missing_at(&old).await, [0; 0]);
    assert_eq!(running.now().generation, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_dies_after_the_promotion_the_old_primary_goes_on() {
    the_old_primary_goes_on_without(&[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_most_sentinels_die_after_the_promotion_the_old_primary_goes_on() {
    the_old_primary_goes_on_without(&[1, 2]).await;
}

/// How often a failover is begun that is to stick: one whose Sentinels were kept from running finds no
/// replica to promote, because the frozen ones have been silent for too long by then.
const ATTEMPTS: usize = 5;

/// Waits until the leader would promote its replicas: one that it has only heard of, it refuses at once.
async fn replicas_are_known_well(bed: &Bed) {
    until("the leader knows its replicas", async || {
        let question = ["SENTINEL", "REPLICAS", "mymaster"];
        let Some(Reply::Array(replicas)) = bed.sentinels[1].ask(&question).await else {
            return false;
        };
        replicas.len() == 2
            && replicas.iter().all(|replica| {
                field(replica, "flags") == Some("slave")
                    && field(replica, "master-link-status") == Some("ok")
            })
    })
    .await;
}

/// A failover that sticks before its promotion, because the replicas are frozen; writes are held,
/// and a poll has shown it. And when it began.
async fn stuck(bed: &Bed) -> (Running, GateRecord, Start) {
    set_failover_timeout(bed, "60000").await;
    let (running, old) = Running::attentive(bed, |config| Config {
        hold_timeout: HoldTimeout::Fixed(Duration::from_secs(15)),
        ..config
    })
    .await;
    for _ in 0..ATTEMPTS {
        until("the leader is well", async || !is_in_tilt(bed).await).await;
        replicas_are_known_well(bed).await;
        let gate = GateRecord::start(running.handle.clone());
        let started = Start::now();
        replicas(bed, &old).for_each(|replica| replica.signal(Signal::STOP));
        let order = ["SENTINEL", "FAILOVER", "mymaster"];
        if bed.sentinels[1].ask(&order).await.is_some() && a_replica_is_told(bed).await {
            running.held().await;
            return (running, gate, started);
        }
        eprintln!(
            "once more, because it found no replica: {:?}",
            gate.states()
        );
        replicas(bed, &old).for_each(|replica| replica.signal(Signal::CONT));
        running.open_at(1).await;
        bed.followed(&old, 2).await;
    }
    panic!("no failover found a replica");
}

/// Whether the leader does nothing, having found that it was kept from running; for 30 s.
async fn is_in_tilt(bed: &Bed) -> bool {
    let info = bed.sentinels[1].ask(&["INFO", "sentinel"]).await;
    let info = info.as_ref().and_then(text).unwrap_or_default();
    !info.contains("sentinel_tilt:0")
}

/// Waits until the leader, some ticks after its first step, has told a replica to become the primary;
/// `false` when it gave up before.
async fn a_replica_is_told(bed: &Bed) -> bool {
    let told = AtomicBool::new(false);
    until("a replica is told, or none is found", async || {
        let question = ["SENTINEL", "MASTER", "mymaster"];
        let Some(reply) = bed.sentinels[1].ask(&question).await else {
            return false;
        };
        let state = field(&reply, "failover-state");
        told.store(state == Some("wait_promotion"), Ordering::Relaxed);
        state.is_none_or(|state| state == "wait_promotion")
    })
    .await;
    told.into_inner()
}

/// Brings back the replicas, without the orders that waited for them.
fn restart_replicas(bed: &mut Bed) {
    let replicas = &mut bed.nodes[..2];
    replicas.iter().for_each(|node| node.signal(Signal::KILL));
    replicas.iter_mut().for_each(Server::restart);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_restarts_has_forgotten_its_failover() {
    let mut bed = Bed::start_alone(60_000).await;
    let (running, gate, stuck) = stuck(&bed).await;
    let before = running.status.load().failovers.aborted;
    bed.sentinels[1].signal(Signal::KILL);
    restart_replicas(&mut bed);
    bed.sentinels[1].restart();
    running.open_at(1).await;
    let pause = since(running.now().gate_since, gate.not_open_since(1));
    eprintln!(
        "restarted leader: open after {pause:?}, {:?}",
        gate.states()
    );
    assert!(pause >= SETTLING_MIN, "{pause:?}");
    stuck.took(pause, Duration::from_secs(8));
    until("it is counted", async || {
        running.status.load().failovers.aborted == before + 1
    })
    .await;
    goes_on(&Writer::start(running.handle.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_most_sentinels_die_before_the_promotion_the_wait_is_bounded() {
    let mut bed = Bed::start_alone(60_000).await;
    let (running, gate, stuck) = stuck(&bed).await;
    let dying = &bed.sentinels[1..];
    dying.iter().for_each(|one| one.signal(Signal::KILL));
    restart_replicas(&mut bed);
    running.open_at(1).await;
    let pause = since(running.now().gate_since, gate.not_open_since(1));
    eprintln!("dead majority: open after {pause:?}, {:?}", gate.states());
    stuck.took(pause, running.now().hold_timeout);
    goes_on(&Writer::start(running.handle.clone()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_the_gate_never_opens_at_a_demoted_primary() {
    let mut bed = Bed::start_alone(60_000).await;
    let (running, gate, _) = stuck(&bed).await;
    let dying = &bed.sentinels[1..];
    dying.iter().for_each(|one| one.signal(Signal::KILL));
    let port = bed.nodes[0].address.port.to_string();
    let demoted = bed.nodes[2].ask(&["REPLICAOF", "127.0.0.1", &port]).await;
    assert!(demoted.is_some());
    restart_replicas(&mut bed);
    running.gate(Gate::Shut).await;
    // All that was remembered of the failover is forgotten by then, and the hold is over.
    let long = running.now().hold_timeout + Duration::from_secs(1);
    let since_shut = Instant::now();
    while since_shut.elapsed() < long {
        assert_ne!(running.now().gate, Gate::Open);
        sleep(Duration::from_millis(10)).await;
    }
    let states = gate.states();
    assert_eq!(states.last(), Some(&(1, Gate::Shut)), "{states:?}");
    let back = bed.nodes[2].ask(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(back.is_some());
    let (same, _) = running.open_at(1).await;
    assert_eq!(same, bed.nodes[2].address);
}
