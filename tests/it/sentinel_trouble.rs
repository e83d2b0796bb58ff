//! Goal: Sentinels that lie, disagree, hang or vanish move nobody to the wrong node and cut
//! nobody off the right one. Method: scripted Sentinels beside real ones, and real ones killed.

use std::thread;
use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT, Start, holds_for, wait_until};
use crate::fakes::{FakeSentinel, FakeServer, Manner, Reaction};
use crate::proxy::{Builder, Proxy};
use crate::value::Value;
use crate::writer::Writer;

const SOON: Duration = Duration::from_secs(60);

/// A proxy that asks `first` before the Sentinels of `bed`.
fn behind(first: &FakeSentinel, bed: &Bed) -> Builder {
    let mut addresses = vec![first.addr().to_string()];
    addresses.extend(bed.sentinels().iter().map(|s| s.addr().to_string()));
    Proxy::of(&addresses, bed.name())
}

#[test]
fn a_sentinel_that_never_learns_is_outvoted() {
    let bed = Bed::usual();
    let old = bed.server(0);
    let stubborn = FakeSentinel::start(bed.name(), old.addr(), 0);
    let proxy = behind(&stubborn, &bed).start_ready();
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    holds_for(Duration::from_secs(3), "no flapping", || {
        proxy.connect().node_port() == new.port() && proxy.generation() == 2
    });
}

#[test]
fn a_sentinel_that_names_an_isolated_master_is_outvoted() {
    let bed = Bed::usual();
    let old = bed.server(0);
    let stubborn = FakeSentinel::start(bed.name(), old.addr(), 0);
    let proxy = behind(&stubborn, &bed).start_ready();
    old.kill();
    let new = bed.wait_promoted(old.port());
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    old.restart();
    holds_for(
        Duration::from_secs(3),
        "no session reaches the old node",
        || proxy.connect().node_port() == new.port(),
    );
    assert_eq!(old.role(), "master", "the test took longer than the danger");
    assert_eq!(proxy.generation(), 2);
}

#[test]
fn two_sentinels_that_disagree_cause_one_switch() {
    let (old, new) = (
        FakeServer::start(|_| Reaction::AsUsual),
        FakeServer::start(|_| Reaction::AsUsual),
    );
    let stale = FakeSentinel::start("mymaster", old.addr(), 1);
    let fresh = FakeSentinel::start("mymaster", old.addr(), 1);
    let addresses = [stale.addr().to_string(), fresh.addr().to_string()];
    let proxy = Proxy::of(&addresses, "mymaster").start_ready();
    assert_eq!(proxy.primary(), Some(old.addr()));
    wait_until(SOON, "subscribed", || fresh.subscribers() > 0);
    fresh.name_primary("127.0.0.1", new.addr().port(), 2);
    let (from, to) = (old.addr().port(), new.addr().port());
    fresh.publish(
        "+switch-master",
        &format!("mymaster 127.0.0.1 {from} 127.0.0.1 {to}"),
    );
    proxy.wait_primary(SOON, new.addr());
    let before = old.count("$3\r\nSET\r\n");
    holds_for(Duration::from_secs(4), "one switch and no flapping", || {
        proxy.connect().call(&["SET", "k", "v"]).is_ok() && proxy.generation() == 2
    });
    assert_eq!(old.count("$3\r\nSET\r\n"), before);
}

#[test]
fn an_event_for_another_set_or_with_a_false_address_moves_nobody() {
    let server = FakeServer::start(|_| Reaction::AsUsual);
    let decoy = FakeServer::start(|_| Reaction::AsUsual);
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster").start_ready();
    wait_until(SOON, "subscribed", || sentinel.subscribers() > 0);
    let (from, to) = (server.addr().port(), decoy.addr().port());
    for text in [
        format!("another 127.0.0.1 {from} 127.0.0.1 {to}"),
        format!("mymaster 127.0.0.1 {from} 127.0.0.1 {to}"),
        "mymaster".to_owned(),
        String::new(),
        "mymaster a b c d e f g".to_owned(),
    ] {
        sentinel.publish("+switch-master", &text);
    }
    let heard = sentinel.heard().len();
    wait_until(SOON, "it asked again", || {
        sentinel.heard().len() > heard + 3
    });
    assert_eq!(proxy.primary(), Some(server.addr()));
    assert!(proxy.connect().call(&["SET", "k", "v"]).is_ok());
    assert_eq!(decoy.count("SET"), 0);
}

#[test]
fn impossible_answers_are_refused() {
    let server = FakeServer::start(|_| Reaction::AsUsual);
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster").start_ready();
    for (host, port) in [("", 0), ("", server.addr().port()), ("127.0.0.1", 0)] {
        sentinel.name_primary(host, port, 99);
        let heard = sentinel.heard().len();
        wait_until(SOON, "it asked again", || {
            sentinel.heard().len() > heard + 3
        });
        assert_eq!(proxy.primary(), Some(server.addr()));
        assert!(proxy.connect().call(&["SET", "k", "v"]).is_ok());
    }
    assert_eq!(proxy.generation(), 1);
}

#[test]
fn a_named_node_that_is_a_replica_gets_nobody() {
    let bed = Bed::builder()
        .replicas(1)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let wrong = FakeSentinel::start("mymaster", bed.server(1).addr(), 5);
    let proxy = Proxy::of(&[wrong.addr().to_string()], "mymaster")
        .flag("--hold-timeout", "1s")
        .start();
    wait_until(SOON, "the Sentinel was asked", || !wrong.heard().is_empty());
    let reply = proxy.connect().call(&["SET", "k", "v"]);
    assert!(
        reply
            .error()
            .is_some_and(|text| text.starts_with("MASTERDOWN")),
        "{reply:?}"
    );
    assert_eq!(proxy.primary(), None);
    wrong.name_primary("127.0.0.1", bed.server(0).port(), 6);
    proxy.wait_primary(SOON, bed.server(0).addr());
}

#[test]
fn bad_manners_of_a_sentinel_are_survived() {
    let server = FakeServer::start(|_| Reaction::AsUsual);
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster").start_ready();
    for manner in [
        Manner::Close,
        Manner::Silent,
        Manner::Slow(Duration::from_millis(400)),
    ] {
        sentinel.behave(manner);
        holds_for(Duration::from_millis(1500), "served all the same", || {
            thread::sleep(Duration::from_millis(50));
            proxy.connect().call(&["SET", "k", "v"]).is_ok()
        });
    }
    sentinel.behave(Manner::Answer);
    wait_until(SOON, "subscribed again", || {
        proxy.status()["discovery"]["subscribed"] == 1
    });
    assert_eq!(proxy.generation(), 1);
}

#[test]
fn without_sentinels_the_last_primary_serves_on() {
    let bed = Bed::usual();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "30s")
        .start_ready();
    let old = bed.primary();
    let writer = Writer::start(proxy.addr(), "w");
    for sentinel in bed.sentinels() {
        sentinel.kill();
    }
    wait_until(SOON, "it says that it is degraded", || {
        proxy.status()["discovery"]["degraded"] == true
    });
    holds_for(Duration::from_secs(2), "served", || {
        proxy.connect().node_port() == old.port() && proxy.is_alive()
    });
    let account = writer.stop();
    assert!(
        account.closes.is_empty() && account.errors.is_empty(),
        "the writer was disturbed"
    );
    old.kill();
    let mut held = proxy.connect();
    held.send(&["SET", "k", "v"]).unwrap();
    wait_until(SOON, "the loss is noticed", || proxy.gate_is("shut"));
    for sentinel in bed.sentinels() {
        sentinel.restart();
    }
    assert!(held.reply().unwrap().is_ok());
    let new = bed.server_at(proxy.primary().unwrap());
    assert_ne!(new.port(), old.port());
    assert_eq!(new.command(&["GET", "k"]), Value::Bulk(b"v".into()));
}

#[test]
fn a_sentinel_that_hangs_delays_nobody() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    bed.sentinel(0).freeze();
    bed.begin_failover(1);
    let new = bed.wait_promoted(bed.server(0).port());
    let promoted = Start::now();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    promoted.within(Duration::from_secs(2));
    let asked = Start::now();
    assert_eq!(proxy.connect().node_port(), new.port());
    asked.within(Duration::from_millis(500));
}

#[test]
fn sentinels_that_restart_all_the_time_disturb_nobody() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut old_session = proxy.connect();
    for round in 0..9 {
        bed.sentinel(round % 3).restart();
        assert!(old_session.call(&["INCR", "rounds"]).error().is_none());
        assert!(proxy.connect().call(&["INCR", "rounds"]).error().is_none());
    }
    assert_eq!(proxy.generation(), 1);
    assert_eq!(old_session.call(&["GET", "rounds"]).text(), "18");
}
