//! Goal: the primary is found by whichever way still works. Method: real Sentinels with one way
//! after the other taken away.

use std::fs;
use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT, Start, holds_for, wait_until};
use crate::client::Client;
use crate::fakes::{FlakyProxy, Mode};
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

/// A bed whose next failover promotes server 1, which server 2 cannot follow: the leading
/// Sentinel publishes `+switch-master` only after failover-timeout.
fn late_announcer() -> Bed {
    Bed::builder()
        .failover_timeout(10_000)
        .server_line("masteruser repl")
        .server_line("masterauth one")
        .line_of(0, "user repl on >one ~* &* +@all")
        .line_of(1, "user repl on >two ~* &* +@all")
        .line_of(2, "user repl on >one ~* &* +@all")
        .line_of(2, "replica-priority 200")
        .start()
}

#[test]
fn a_leader_that_announces_late_is_not_waited_for() {
    for learned in ["off", "on"] {
        let bed = late_announcer();
        let leader = [bed.sentinel(0).addr().to_string()];
        let proxy = Proxy::of(&leader, bed.name())
            .flag("--sentinel-discovery", learned)
            .start_ready();
        let recorder = bed.record();
        let new = bed.failover();
        let promoted = Start::now();
        proxy.wait_primary(SOON, new.addr());
        let late = promoted.elapsed();
        promoted.took(late, Duration::from_millis(2500));
        let announced = recorder
            .events()
            .into_iter()
            .any(|event| event.sentinel == 0 && event.channel == "+switch-master");
        assert!(
            !announced,
            "the leader announced in time, so nothing was shown"
        );
    }
}

#[test]
fn an_event_alone_moves_traffic() {
    let bed = Bed::usual();
    let proxy = Proxy::for_bed(&bed)
        .flag("--poll-interval", "60s")
        .start_ready();
    wait_until(SOON, "subscribed to all", || {
        proxy.status()["discovery"]["subscribed"] == 3
    });
    let new = bed.failover();
    let promoted = Start::now();
    proxy.wait_primary(SOON, new.addr());
    promoted.within(Duration::from_secs(3));
    assert_eq!(proxy.connect().node_port(), new.port());
}

#[test]
fn polling_alone_moves_traffic() {
    let rules = "on >pw resetchannels -@all +auth +hello +ping +client +info +sentinel";
    let bed = Bed::builder().sentinel_user("steadfast", rules).start();
    let password = bed.dir().join("sentinel-password");
    fs::write(&password, "pw\n").unwrap();
    let proxy = Proxy::for_bed(&bed)
        .flag("--sentinel-username", "steadfast")
        .flag("--sentinel-password-file", password)
        .start_ready();
    let new = bed.failover();
    let promoted = Start::now();
    proxy.wait_primary(SOON, new.addr());
    promoted.within(Duration::from_secs(3));
    let status = proxy.status();
    assert_eq!(status["discovery"]["subscribed"], 0, "{status}");
    assert_eq!(status["discovery"]["subscription"], "subscribed to 0 of 3");
    assert_eq!(proxy.connect().node_port(), new.port());
}

#[test]
fn silently_dead_subscriptions_do_not_matter_and_come_back() {
    let bed = Bed::usual();
    let doors: Vec<_> = bed
        .sentinels()
        .iter()
        .map(|s| FlakyProxy::start(s.addr()))
        .collect();
    let addresses: Vec<_> = doors.iter().map(|door| door.addr().to_string()).collect();
    let proxy = Proxy::of(&addresses, bed.name())
        .flag("--sentinel-discovery", "off")
        .start_ready();
    let all_subscribed = || proxy.status()["discovery"]["subscribed"] == 3;
    wait_until(SOON, "subscribed to all", all_subscribed);
    holds_for(Duration::from_secs(3), "quiet", || {
        proxy.generation() == 1 && proxy.gate_is("open")
    });
    doors
        .iter()
        .for_each(|door| door.set(Mode::SwallowSubscribed));
    let new = bed.failover();
    let promoted = Start::now();
    proxy.wait_primary(SOON, new.addr());
    promoted.within(Duration::from_millis(3500));
    wait_until(SOON, "the dead subscriptions are noticed", || {
        !all_subscribed()
    });
    doors.iter().for_each(|door| door.set(Mode::Pass));
    wait_until(SOON, "subscribed again", all_subscribed);
}

#[test]
fn a_primary_moved_by_hand_is_followed() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let (old, new) = (bed.server(0), bed.server(1));
    let mut client = proxy.connect();
    assert_eq!(client.node_port(), old.port());
    for sentinel in bed.sentinels() {
        sentinel.command(&["SENTINEL", "REMOVE", bed.name()]);
    }
    // Nobody names anybody, and the node is still master: no reason to cut anyone.
    holds_for(Duration::from_millis(1500), "sessions go on", || {
        client.node_port() == old.port()
    });
    let port = new.port().to_string();
    assert!(new.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    assert!(old.command(&["REPLICAOF", "127.0.0.1", &port]).is_ok());
    for sentinel in bed.sentinels() {
        let monitor = ["SENTINEL", "MONITOR", bed.name(), "127.0.0.1", &port, "2"];
        assert!(sentinel.command(&monitor).is_ok());
    }
    let done = Start::now();
    proxy.wait_primary(SOON, new.addr());
    done.within(Duration::from_secs(3));
    assert_eq!(client.node_port(), new.port());
}

#[test]
fn sentinels_are_learned_from_one_another() {
    let bed = Bed::usual();
    let one = [bed.sentinel(2).addr().to_string()];
    let proxy = Proxy::of(&one, bed.name()).start_ready();
    wait_until(SOON, "all three are known", || {
        proxy.status()["discovery"]["sentinels"]
            .as_array()
            .is_some_and(|all| all.len() == 3)
    });
    wait_until(SOON, "subscribed to all", || {
        proxy.status()["discovery"]["subscribed"] == 3
    });
    bed.sentinel(2).kill();
    bed.begin_failover(0);
    let new = bed.wait_promoted(bed.server(0).port());
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
}

#[test]
fn two_sets_behind_the_same_sentinels_are_told_apart() {
    let bed = Bed::usual();
    let other = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .name("other")
        .start();
    let port = other.server(0).port().to_string();
    for sentinel in bed.sentinels() {
        let monitor = ["SENTINEL", "MONITOR", "other", "127.0.0.1", &port, "2"];
        assert!(sentinel.command(&monitor).is_ok());
    }
    let addresses: Vec<_> = bed
        .sentinels()
        .iter()
        .map(|s| s.addr().to_string())
        .collect();
    let proxy = Proxy::of(&addresses, "other").start_ready();
    assert_eq!(proxy.connect().node_port(), other.server(0).port());
    let mine = Proxy::ready(&bed);
    let new = bed.failover();
    mine.wait_primary(SOON, new.addr());
    assert_eq!(proxy.generation(), 1);
    assert_eq!(
        Client::connect(proxy.addr()).node_port(),
        other.server(0).port()
    );
}
