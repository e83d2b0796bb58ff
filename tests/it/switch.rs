//! Goal: when the primary changes, every client of the old one is moved at once and stays open,
//! nothing acknowledged afterwards is lost, and a new connection lands on the new primary.
//! Method: real failovers under load; the old primary lives and stays writable for ten seconds.

use std::time::{Duration, Instant};

use crate::bed::{Bed, FAILOVER_LIMIT, Node, Start, eventually, holds_for, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;
use crate::writer::{Writer, executed_twice};

const SOON: Duration = Duration::from_secs(60);
/// From a Sentinel's first word to the last move, on a machine that is busy with other tests.
const MOVE_LIMIT: Duration = Duration::from_millis(1500);

/// A pause of a thread that it notices for certain.
const NOTICED_PAUSE: Duration = Duration::from_millis(180);

/// A new connection that is served, and by which node.
#[track_caller]
fn served_by(proxy: &Proxy) -> u16 {
    eventually(SOON, "a new connection is served", || {
        let mut client = Client::try_connect(proxy.addr()).ok()?;
        let reply = client.try_call(&["CONFIG", "GET", "port"]).ok()?;
        reply.at(1).parse().ok()
    })
}

/// Waits until `proxy` serves from a primary other than `old`, and returns it.
#[track_caller]
fn moved<'a>(bed: &'a Bed, proxy: &Proxy, old: &Node) -> &'a Node {
    let address = eventually(FAILOVER_LIMIT, "the proxy moves", || {
        let now = proxy.primary().filter(|address| *address != old.addr())?;
        proxy.gate_is("open").then_some(now)
    });
    bed.server_at(address)
}

#[test]
fn a_planned_failover_loses_nothing_acknowledged_after_it() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let recorder = bed.record();
    let writers: Vec<_> = (0..4)
        .map(|i| Writer::start(proxy.addr(), &format!("w{i}")))
        .collect();
    bed.begin_failover(0);
    let named = recorder.first_named(old.addr(), 0);
    let new = moved(&bed, &proxy, old);
    writers.iter().for_each(|writer| writer.wait_acks(50));
    // The old primary would still take writes: that nobody uses it is the point.
    assert_eq!(old.role(), "master");
    for account in writers.into_iter().map(Writer::stop) {
        assert_eq!(account.demotion_errors(), [""; 0]);
        assert_eq!(account.closes.len(), 0, "every session goes on");
        assert_eq!(account.lost_since(new, named.at + MOVE_LIMIT), [""; 0]);
    }
    assert_eq!(executed_twice(new), [""; 0]);
    assert_eq!(served_by(&proxy), new.port());
    assert_eq!(proxy.generation(), 2);
}

#[test]
fn a_crash_moves_everybody_to_the_new_primary() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let writer = Writer::start(proxy.addr(), "w");
    let killed = Instant::now();
    old.kill();
    let new = moved(&bed, &proxy, old);
    writer.wait_acks(50);
    let account = writer.stop();
    assert_eq!(account.demotion_errors(), [""; 0]);
    assert_eq!(account.lost_since(new, killed), [""; 0]);
    assert_eq!(executed_twice(new), [""; 0]);
    assert_eq!(served_by(&proxy), new.port());
    old.restart();
    holds_for(
        Duration::from_secs(2),
        "the returned node gets nobody",
        || proxy.connect().node_port() != old.port(),
    );
}

#[test]
fn a_frozen_primary_gets_nothing_when_it_wakes() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let mut waiting = proxy.connect();
    assert!(waiting.call(&["SET", "k", "before"]).is_ok());
    let writer = Writer::start(proxy.addr(), "w");
    let frozen = Instant::now();
    old.freeze();
    waiting.send(&["SET", "k", "while frozen"]).unwrap();
    let new = moved(&bed, &proxy, old);
    let told = waiting.reply_within(SOON).unwrap();
    let uncertain = told
        .error()
        .is_some_and(|text| text.starts_with("UNCERTAIN"));
    assert!(uncertain, "{told:?}");
    assert_eq!(waiting.node_port(), new.port());
    old.thaw();
    wait_until(SOON, "the old node is awake", || old.role() == "master");
    for _ in 0..100 {
        assert_eq!(proxy.connect().node_port(), new.port());
    }
    writer.wait_acks(50);
    let account = writer.stop();
    assert_eq!(account.demotion_errors(), [""; 0]);
    assert_eq!(account.lost_since(new, frozen), [""; 0]);
    assert_eq!(executed_twice(new), [""; 0]);
}

#[test]
fn a_blocked_client_goes_on_waiting_and_is_never_told_unblocked() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let mut popper = proxy.connect();
    popper.send(&["BRPOP", "queue", "0"]).unwrap();
    wait_until(SOON, "the server counts it", || {
        old.info("blocked_clients") == "1"
    });
    bed.begin_failover(0);
    let new = moved(&bed, &proxy, old);
    wait_until(SOON, "it waits there", || {
        new.info("blocked_clients") == "1"
    });
    new.command(&["RPUSH", "queue", "job"]);
    assert_eq!(popper.reply().unwrap().at(1), "job");
}

#[test]
fn a_subscriber_goes_on_hearing() {
    for hello in ["2", "3"] {
        let bed = Bed::usual();
        let proxy = Proxy::ready(&bed);
        let old = bed.primary();
        let mut subscriber = proxy.connect();
        subscriber.call(&["HELLO", hello]);
        assert_eq!(subscriber.call(&["SUBSCRIBE", "news"]).at(0), "subscribe");
        bed.begin_failover(0);
        let new = moved(&bed, &proxy, old);
        let publish = || new.command(&["PUBLISH", "news", "hello"]);
        wait_until(SOON, "subscribed there", || publish() == Value::Int(1));
        assert_eq!(subscriber.reply().unwrap().at(2), "hello");
    }
}

#[test]
fn a_paused_old_primary_does_not_hold_writers_back() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let started = Start::now();
    let writer = Writer::start(proxy.addr(), "w");
    assert!(old.command(&["CLIENT", "PAUSE", "22000", "WRITE"]).is_ok());
    bed.begin_failover(0);
    moved(&bed, &proxy, old);
    writer.wait_acks(10);
    // Without an acknowledgement.
    let gap = writer.stop().longest_gap();
    started.took(gap, Duration::from_secs(5));
}

#[test]
fn two_primaries_and_only_one_is_used() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    old.freeze();
    let new = moved(&bed, &proxy, old);
    old.thaw();
    wait_until(SOON, "both say master", || old.role() == "master");
    // The danger is over when a Sentinel has demoted the old one, eight seconds later or more.
    let mut in_danger = 0;
    while in_danger < 300 && old.role() == "master" {
        assert_eq!(proxy.connect().node_port(), new.port());
        in_danger += 1;
    }
    assert!(in_danger >= 30, "the danger was over after {in_danger}");
}

#[test]
fn a_crash_a_fast_return_and_then_a_demotion() {
    let bed = Bed::builder().down_after(3000).start();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    old.kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    old.restart();
    assert_eq!(served_by(&proxy), old.port());
    bed.server(1).wait_link_up();
    bed.server(2).wait_link_up();
    bed.begin_failover(1);
    let new = bed.wait_promoted(old.port());
    let promoted = Start::now();
    moved(&bed, &proxy, old);
    promoted.within(Duration::from_millis(2500));
    assert_eq!(served_by(&proxy), new.port());
}

#[test]
fn a_proxy_that_slept_through_a_failover_acknowledges_nothing_from_the_old_node() {
    // Often shorter than the lease, which alone would not do: a thread must notice its own pause.
    acknowledges_nothing_it_slept_through(Bed::wait_named);
}

#[test]
fn a_proxy_that_slept_through_a_promotion_acknowledges_nothing_from_the_old_node() {
    // Nobody names the new primary yet: that a failover is under way has to be asked for.
    acknowledges_nothing_it_slept_through(|_, _| ());
}

/// From before a planned failover begins until its promotion and what `slept` waits for.
fn acknowledges_nothing_it_slept_through(slept: fn(&Bed, &Node)) {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let mut clients: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        assert!(client.call(&["SET", "k", "before"]).is_ok());
    }
    let frozen = Instant::now();
    proxy.freeze();
    let new = bed.failover();
    slept(&bed, new);
    // Sentinels that were kept waiting are quicker than the shortest pause that is noticed.
    std::thread::sleep(NOTICED_PAUSE.saturating_sub(frozen.elapsed()));
    for (index, client) in clients.iter_mut().enumerate() {
        client
            .send(&["SET", &format!("slept:{index}"), "1"])
            .unwrap();
    }
    proxy.thaw();
    let mut acknowledged = Vec::new();
    for (index, client) in clients.iter_mut().enumerate() {
        if client.reply().is_ok_and(|reply| reply.is_ok()) {
            acknowledged.push(format!("slept:{index}"));
        }
    }
    assert_eq!(old.role(), "master", "the test took longer than the danger");
    for key in &acknowledged {
        assert_eq!(
            new.command(&["EXISTS", key]),
            Value::Int(1),
            "{key} is lost"
        );
    }
    assert_eq!(served_by(&proxy), new.port());
}

#[test]
fn a_chain_of_failovers_is_followed_each_time() {
    let bed = Bed::builder().failover_timeout(2000).start();
    let proxy = Proxy::ready(&bed);
    // The second failover comes after the first epoch has been held for ten seconds: long enough
    // for a majority that is only slow to look like one that means it.
    for round in 2..4 {
        let old = bed.primary();
        let new = bed.failover();
        proxy.wait_primary(FAILOVER_LIMIT, new.addr());
        assert_eq!(served_by(&proxy), new.port());
        assert_eq!(proxy.generation(), round);
        bed.wait_named(new);
        wait_until(Duration::from_secs(20), "the old node follows", || {
            old.role() == "slave"
        });
        old.wait_link_up();
        assert_eq!(proxy.generation(), round, "it went back and forth");
    }
}
