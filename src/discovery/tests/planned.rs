//! Failovers of a living primary: nothing acknowledged may be lost, and what comes to nothing must
//! cost nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::bed::{Bed, Server, until};
use super::record::{Events, GateRecord, Writer};
use super::running::{Running, config};
use super::stall::Start;
use crate::config::{Config, SwitchOn};
use crate::discovery::connection::Reply;
use crate::discovery::message::Trouble;
use crate::discovery::{Failovers, message};
use crate::net::HostPort;
use crate::topology::Gate;
use rustix::process::Signal;

/// The three seconds that a gate waits at least before it opens in place where nothing proves that the
/// failover is over, less one: discovery counts in whole milliseconds.
pub(super) const SETTLING_MIN: Duration = Duration::from_millis(2_999);

pub(super) fn since(later: Instant, earlier: Instant) -> Duration {
    later.saturating_duration_since(earlier)
}

fn failovers(running: &Running) -> Failovers {
    running.status.load().failovers.clone()
}

/// One failover was counted, and nothing that went wrong in it; a process that was starved in its
/// middle may not have seen that all was well.
async fn counted(running: &Running, gate: &GateRecord, expected: Failovers) {
    until("it is counted", async || {
        failovers(running) != Failovers::default()
    })
    .await;
    let mut found = failovers(running);
    if found != expected && gate.was_disturbed() {
        found.could_not_quiesce = expected.could_not_quiesce;
    }
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_loses_no_acknowledged_write() {
    let bed = Bed::start(1_000).await;
    let (running, old) = Running::attentive(&bed, |config| config).await;
    let writer = Writer::start(running.handle.clone()).await;
    let gate = GateRecord::start(running.handle.clone());
    let mut events = Events::subscribe(&bed).await;
    let named = bed.first_naming_of_another(&old);
    let started = Start::now();
    bed.fail_over(1).await;
    let tried = events.next("+try-failover").await;
    let (new, _) = running.open_at(2).await;
    let before = writer.count();
    until("writes go on", async || writer.count() > before + 10).await;
    let states = [
        (1, Gate::Open),
        (1, Gate::Quiescing),
        (1, Gate::Shut),
        (2, Gate::Open),
    ];
    gate.assert_states(&states);
    let quiesced = since(gate.not_open_since(1), tried);
    let opened = since(gate.first(states[3]), named.await.expect("named"));
    let pause = since(gate.first(states[3]), gate.not_open_since(1));
    eprintln!("planned: quiescing after {quiesced:?}, open after {opened:?}, pause {pause:?}");
    started.took(quiesced, Duration::from_millis(50));
    started.took(opened, Duration::from_millis(200));
    assert_eq!(writer.missing_at(&new).await, [0; 0]);
    let planned = Failovers {
        planned: 1,
        ..Failovers::default()
    };
    counted(&running, &gate, planned).await;
    // The old primary says that it is one, and the leader tells of its failover, for seconds.
    events.next("+failover-end").await;
    events.next("+convert-to-slave").await;
    // None of it concerns the new one.
    gate.assert_states(&states);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_on_promotion_is_quicker_and_happens_once() {
    let bed = Bed::start(1_000).await;
    let (running, old) = Running::attentive(&bed, |config| Config {
        switch_on: SwitchOn::Promoted,
        ..config
    })
    .await;
    let writer = Writer::start(running.handle.clone()).await;
    let gate = GateRecord::start(running.handle.clone());
    let mut events = Events::subscribe(&bed).await;
    let named = bed.first_naming_of_another(&old);
    let started = Start::now();
    bed.fail_over(1).await;
    let (new, _) = running.open_at(2).await;
    gate.last((2, Gate::Open)).await;
    let named = named.await.expect("named");
    let opened = gate.first((2, Gate::Open));
    let pause = since(opened, gate.not_open_since(1));
    eprintln!("promoted: pause {pause:?}");
    // Before it is named.
    started.took(since(opened, named), Duration::from_millis(1));
    started.took(pause, Duration::from_millis(500));
    until("the new epoch is learned", async || {
        running.now().primary.as_ref().is_some_and(|p| p.epoch > 0)
    })
    .await;
    events.next("+failover-end").await;
    assert_eq!(running.now().generation, 2);
    assert!(running.status.load().conflict.is_empty());
    assert_eq!(writer.missing_at(&new).await, [0; 0]);
    let planned = Failovers {
        planned: 1,
        ..Failovers::default()
    };
    counted(&running, &gate, planned).await;
}

pub(super) async fn set_failover_timeout(bed: &Bed, ms: &str) {
    for sentinel in &bed.sentinels {
        let set = ["SENTINEL", "SET", "mymaster", "failover-timeout", ms];
        assert!(sentinel.ask(&set).await.is_some());
    }
}

pub(super) fn replicas<'a>(bed: &'a Bed, old: &HostPort) -> impl Iterator<Item = &'a Server> {
    bed.nodes.iter().filter(move |node| node.address != *old)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_abort_the_gate_opens_in_place() {
    // Longer than the test: nobody is to be found down.
    let bed = Bed::start(60_000).await;
    let (running, old) = Running::attentive(&bed, |config| config).await;
    set_failover_timeout(&bed, "2000").await;
    let gate = GateRecord::start(running.handle.clone());
    let mut events = Events::subscribe(&bed).await;
    // Whoever is chosen never hears that it was.
    replicas(&bed, &old).for_each(|replica| replica.signal(Signal::STOP));
    bed.fail_over(1).await;
    running.held().await;
    let started = Start::now();
    let aborted = events.next("-failover-abort").await;
    let at_abort = running.now();
    // By then it may be open, so soon is that heard.
    if at_abort.gate != Gate::Open && !gate.was_disturbed() {
        assert_eq!((at_abort.generation, at_abort.gate), (1, Gate::Quiescing));
        assert!(
            at_abort.lease_valid(Instant::now()),
            "replies are delivered"
        );
    }
    running.open_at(1).await;
    let states = [(1, Gate::Open), (1, Gate::Quiescing), (1, Gate::Open)];
    gate.last((1, Gate::Open)).await;
    gate.assert_states(&states);
    let opened = since(running.now().gate_since, aborted);
    eprintln!("abort: open after {opened:?}");
    started.took(opened, Duration::from_millis(200));
    let expected = Failovers {
        aborted: 1,
        ..Failovers::default()
    };
    counted(&running, &gate, expected).await;
}

/// Rights to the channels that begin a failover, and to none that ends it.
async fn forbid_ends(bed: &Bed) {
    for sentinel in &bed.sentinels {
        let mut rules = vec!["ACL", "SETUSER", "default", "resetchannels"];
        rules.extend(["&+try-failover", "&+elected-leader", "&+selected-slave"]);
        assert!(sentinel.ask(&rules).await.is_some());
    }
}

async fn trouble(sentinel: &Server) -> Option<Trouble> {
    let reply = sentinel.ask(&["SENTINEL", "MASTER", "mymaster"]).await?;
    Some(message::master_fields(&reply).ok()?.trouble)
}

/// The one chosen never hears that it was, and nobody hears that it was given up: without looking at
/// the polls the gate would stay quiescing for ten seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_that_nobody_heard_is_found_by_polling() {
    let mut bed = Bed::start(60_000).await;
    forbid_ends(&bed).await;
    set_failover_timeout(&bed, "2000").await;
    let (running, old) = Running::attentive(&bed, |config| config).await;
    let gate = GateRecord::start(running.handle.clone());
    replicas(&bed, &old).for_each(|replica| replica.signal(Signal::STOP));
    let started = Start::now();
    bed.fail_over(1).await;
    running.held().await;
    let leader = &bed.sentinels[1];
    until("it is being carried out", async || {
        trouble(leader).await == Some(Trouble::Failover)
    })
    .await;
    // What was sent to them is gone with them.
    replicas(&bed, &old).for_each(|replica| replica.signal(Signal::KILL));
    until("it is given up", async || {
        trouble(leader).await == Some(Trouble::None)
    })
    .await;
    assert_ne!(running.now().gate, Gate::Open, "nobody told");
    let others = bed.nodes.iter_mut().filter(|node| node.address != old);
    others.for_each(Server::restart);
    running.open_at(1).await;
    let states = [(1, Gate::Open), (1, Gate::Quiescing), (1, Gate::Open)];
    gate.last((1, Gate::Open)).await;
    gate.assert_states(&states);
    let pause = since(running.now().gate_since, gate.not_open_since(1));
    eprintln!("unheard abort: open after {pause:?}");
    assert!(pause >= SETTLING_MIN, "{pause:?}");
    started.took(pause, Duration::from_secs(8));
    until("it is counted", async || failovers(&running).aborted == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_started_in_the_middle_waits_for_the_end() {
    let bed = Bed::start(1_000).await;
    let mut events = Events::subscribe(&bed).await;
    let old = bed.nodes[2].address.clone();
    bed.fail_over(0).await;
    events.next("+try-failover").await;
    // The leader is asked before its peers are known: how long it is waited for, where others answer
    // first, is a matter of milliseconds, and tested without servers.
    let leader = vec![bed.sentinels[0].address.clone()];
    let running = Running::start(config(leader));
    let gate = GateRecord::start(running.handle.clone());
    let (new, _) = running.open_at(1).await;
    assert_ne!(new, old);
    gate.last((1, Gate::Open)).await;
    gate.assert_states(&[(0, Gate::Shut), (1, Gate::Open)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_promoted_replica_lacks_is_counted() {
    let bed = Bed::start(10_000).await;
    let (running, old) = Running::attentive(&bed, |config| config).await;
    // From here on the replicas can no longer follow, which no Sentinel minds for ten times as long.
    for replica in replicas(&bed, &old) {
        let stranger = ["CONFIG", "SET", "masteruser", "nobody", "masterauth", "x"];
        for pair in stranger[2..].chunks(2) {
            assert!(
                replica
                    .ask(&["CONFIG", "SET", pair[0], pair[1]])
                    .await
                    .is_some()
            );
        }
    }
    let primary = bed.node(&old);
    assert!(
        primary
            .ask(&["CLIENT", "KILL", "TYPE", "replica"])
            .await
            .is_some()
    );
    let value = "x".repeat(1_000);
    assert!(primary.ask(&["SET", "unheard", &value]).await.is_some());
    bed.fail_over(1).await;
    let (new, _) = running.open_at(2).await;
    let lost = bed.node(&new).ask(&["GET", "unheard"]).await;
    assert_eq!(lost, Some(Reply::Null));
    until("it is counted", async || failovers(&running).planned == 1).await;
    let bytes = failovers(&running).lost_bytes;
    assert!((1_000..5_000).contains(&bytes), "{bytes}");
}

/// Valkey 9 and later: the server hands over by itself, and its old primary is a replica at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinated_failover_is_a_planned_one() {
    let bed = Bed::start(1_000).await;
    let (running, old) = Running::attentive(&bed, |config| config).await;
    set_failover_timeout(&bed, "2000").await;
    let writer = Writer::start(running.handle.clone()).await;
    let gate = GateRecord::start(running.handle.clone());
    let mut events = Events::subscribe(&bed).await;
    let named = bed.first_naming_of_another(&old);
    let command = ["SENTINEL", "FAILOVER", "mymaster", "COORDINATED"];
    // Its election may come to nothing: the peers sometimes refuse to vote about a living primary.
    let started = Start::now();
    loop {
        if bed.sentinels[1].ask(&command).await.is_none() {
            eprintln!("skipped: this server knows no coordinated failover");
            named.abort();
            return;
        }
        let ends = ["+switch-master", "-failover-abort"];
        if events.next_of(&ends).await.1 == ends[0] {
            break;
        }
        running.open_at(1).await;
    }
    let (new, _) = running.open_at(2).await;
    let opened = since(gate.first((2, Gate::Open)), named.await.expect("named"));
    let before = writer.count();
    until("writes go on", async || writer.count() > before + 10).await;
    let states = gate.states();
    eprintln!("coordinated: open after {opened:?}, {states:?}");
    let end = [(1, Gate::Quiescing), (1, Gate::Shut), (2, Gate::Open)];
    gate.assert_states_end(&end);
    started.took(opened, Duration::from_millis(200));
    assert_eq!(writer.missing_at(&new).await, [0; 0]);
    until("it is counted", async || failovers(&running).planned == 1).await;
    let counts = failovers(&running);
    assert!(counts.could_not_quiesce == 0 || gate.was_disturbed());
    assert_eq!(counts.lost_bytes, 0);
}
