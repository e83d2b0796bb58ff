//! Failovers, silences, restarts and operators' changes, with real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::bed::{Bed, entries, until};
use super::running::{Running, config};
use super::stall::Start;
use crate::discovery::connection::Reply;
use crate::discovery::{SentinelStatus, message};
use crate::net::HostPort;
use crate::topology::{Gate, Handle, Report, Sign};

#[tokio::test]
async fn follows_a_planned_failover_and_a_crash() {
    let bed = Bed::start(1_000).await;
    // One Sentinel is enough to start from: the others are learned.
    let one = vec![bed.sentinels[0].address.clone()];
    let running = Running::start(config(one));
    let (first, _) = running.open_at(1).await;
    assert_eq!(first, bed.nodes[2].address);
    until("all Sentinels are heard", async || {
        let status = running.status.load();
        (status.reachable, status.subscribed) == (3, 3)
    })
    .await;
    assert_eq!(running.status.load().quorum, Some(2));

    let named = bed.first_naming_of_another(&first);
    let started = Start::now();
    bed.fail_over(1).await;
    let (second, published) = running.open_at(2).await;
    let delay = published.saturating_duration_since(named.await.expect("named"));
    eprintln!("planned: published {delay:?} after the first Sentinel named it");
    assert_ne!(second, first);
    started.took(delay, Duration::from_millis(200));

    settled(&bed, &running, &second).await;
    let named = bed.first_naming_of_another(&second);
    let started = Start::now();
    bed.node(&second).signal(rustix::process::Signal::KILL);
    let report = Report {
        generation: 2,
        sign: Sign::LinkLost,
    };
    running.reports.send(report).await.expect("discovery runs");
    running.gate(Gate::Shut).await;
    let (third, published) = running.open_at(3).await;
    let delay = published.saturating_duration_since(named.await.expect("named"));
    eprintln!("crash: published {delay:?} after the first Sentinel named it");
    assert_ne!(third, second);
    started.took(delay, Duration::from_millis(200));
    until("both are told", async || {
        running.status.load().switches == 2
    })
    .await;
}

/// Cuts our control connection, which is no reason to hold; whether the gate moved.
async fn is_held_by_a_cut(bed: &Bed, running: &Running, primary: &HostPort) -> bool {
    let since = running.now().gate_since;
    let kill = bed.node(primary).ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(kill.await.is_some());
    let report = Report {
        generation: 1,
        sign: Sign::LinkLost,
    };
    running.reports.send(report).await.expect("discovery runs");
    sleep(Duration::from_millis(1_200)).await;
    running.now().gate_since != since
}

/// Waits until the failover to `primary` is over for everybody and another one can begin.
async fn settled(bed: &Bed, running: &Running, primary: &HostPort) {
    // The leader is done with the first failover once all three agree.
    until("the Sentinels are done", async || {
        let status = running.status.load();
        let named =
            |named: &SentinelStatus| named.primary.as_deref() == Some(&*primary.to_string());
        let idle = bed.sentinels[1]
            .ask(&["SENTINEL", "MASTER", "mymaster"])
            .await;
        let idle = idle.and_then(|reply| message::master_fields(&reply).ok());
        status.sentinels.iter().all(named)
            && idle.is_some_and(|fields| fields.trouble == message::Trouble::None)
    })
    .await;
    until("another replica is ready", async || {
        let role = bed.node(primary).ask(&["ROLE"]).await;
        matches!(role, Some(Reply::Array(parts)) if parts.get(2).map_or(0, entries) > 0)
    })
    .await;
}

#[tokio::test]
async fn a_silent_primary_holds_and_opens_in_place() {
    let mut bed = Bed::start(60_000).await;
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(config(sentinels));
    let (address, _) = running.open_at(1).await;

    // A server that a busy machine keeps from answering for a second looks the same; not every time.
    let mut moved = 0;
    while is_held_by_a_cut(&bed, &running, &address).await {
        moved += 1;
        assert!(moved < 5, "the gate moved every time");
        running.open_at(1).await;
    }

    bed.node(&address).signal(rustix::process::Signal::STOP);
    running.gate(Gate::Shut).await;
    until("it is said", async || {
        running.status.load().waiting_for.is_some()
    })
    .await;
    bed.node(&address).signal(rustix::process::Signal::CONT);
    let (same, _) = running.open_at(1).await;
    assert_eq!(same, address);

    // Back at once, and empty: no Sentinel notices, so it is said here.
    bed.node(&address).signal(rustix::process::Signal::KILL);
    running.gate(Gate::Shut).await;
    bed.nodes[2].restart();
    running.open_at(1).await;
    until("it is counted", async || {
        running.status.load().restarts == 1
    })
    .await;

    // Without any Sentinel the primary serves on; when it goes too, commands are held.
    bed.sentinels.clear();
    until("degraded", async || running.status.load().degraded).await;
    assert_eq!(running.now().gate, Gate::Open);
    bed.node(&address).signal(rustix::process::Signal::KILL);
    running.gate(Gate::Shut).await;
}

#[tokio::test]
async fn a_primary_that_wakes_during_its_failover_is_not_believed() {
    let bed = Bed::start(1_000).await;
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(config(sentinels));
    let (old, _) = running.open_at(1).await;
    bed.node(&old).signal(rustix::process::Signal::STOP);
    running.gate(Gate::Shut).await;
    let watcher = Watcher::start(running.handle.clone(), old.clone());
    until("a failover has begun", async || {
        let mut begun = false;
        for sentinel in &bed.sentinels {
            let reply = sentinel.ask(&["SENTINEL", "MASTER", "mymaster"]).await;
            // Before its leader is elected it may come to nothing, and nobody tries again when the
            // primary is back.
            let state = reply
                .as_ref()
                .and_then(|reply| message::field(reply, "failover-state"));
            begun |= state.is_some_and(|state| !["none", "wait_start"].contains(&state));
        }
        begun
    })
    .await;
    bed.node(&old).signal(rustix::process::Signal::CONT);
    let (new, _) = running.open_at(2).await;
    assert_ne!(new, old);
    assert!(
        !watcher.stop(),
        "the old primary was believed while it was replaced"
    );
}

#[tokio::test]
async fn follows_operators_and_is_not_delayed_by_a_frozen_sentinel() {
    let bed = Bed::start(60_000).await;
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(config(sentinels));
    let (old, _) = running.open_at(1).await;
    let new = &bed.nodes[0];
    bed.sentinels[0].signal(rustix::process::Signal::STOP);
    for sentinel in &bed.sentinels[1..] {
        let removed = sentinel.ask(&["SENTINEL", "REMOVE", "mymaster"]).await;
        assert!(removed.is_some());
    }
    until("the name is unknown", async || {
        let status = running.status.load();
        let unknown = |s: &&SentinelStatus| s.error.as_deref().is_some_and(|e| e.contains("name"));
        status.sentinels.iter().filter(unknown).count() == 2
    })
    .await;
    assert_eq!(
        running.now().gate,
        Gate::Open,
        "a gap in the answers cuts nobody"
    );

    let port = new.address.port.to_string();
    assert!(new.ask(&["REPLICAOF", "NO", "ONE"]).await.is_some());
    let demote = ["REPLICAOF", "127.0.0.1", &port];
    assert!(bed.node(&old).ask(&demote).await.is_some());
    for sentinel in &bed.sentinels[1..] {
        let args = ["SENTINEL", "MONITOR", "mymaster", "127.0.0.1", &port, "2"];
        assert!(sentinel.ask(&args).await.is_some());
    }
    let (moved, started) = (Instant::now(), Start::now());
    let (address, published) = running.open_at(2).await;
    assert_eq!(address, new.address);
    let delay = published.saturating_duration_since(moved);
    eprintln!("by hand: published after {delay:?}");
    started.took(delay, Duration::from_millis(1_500));
}

#[test]
fn a_process_that_slept_through_a_failover_trusts_nothing_it_finds() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let bed = Bed::start(1_000).await;
        let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
        let running = Running::start(config(sentinels));
        let (old, _) = running.open_at(1).await;
        bed.fail_over(0).await;
        // Everything of this runtime sleeps while the Sentinels promote another node.
        std::thread::sleep(Duration::from_secs(4));
        // On waking it is the living old primary that answers first.
        let signal_all = |signal| bed.sentinels.iter().for_each(|s| s.signal(signal));
        signal_all(rustix::process::Signal::STOP);
        let watcher = Watcher::start(running.handle.clone(), old.clone());
        sleep(Duration::from_millis(1_200)).await;
        signal_all(rustix::process::Signal::CONT);
        let (new, _) = running.open_at(2).await;
        assert_ne!(new, old);
        assert!(
            !watcher.stop(),
            "the old primary was believed after the sleep"
        );
    });
}

/// Looks from another thread whether a worker would ever have used the old primary.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watcher {
    fn start(handle: Handle, old: HostPort) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut used = false;
            while !stopped.load(Ordering::SeqCst) {
                let now = handle.load();
                let at_old = now.primary.as_ref().is_some_and(|p| p.address == old);
                used |= at_old && now.gate == Gate::Open && now.lease_valid(Instant::now());
                std::thread::sleep(Duration::from_micros(50));
            }
            used
        });
        Self { stop, thread }
    }

    fn stop(self) -> bool {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the watcher ends")
    }
}
