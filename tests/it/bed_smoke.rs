//! Goal: the tools of the other tests do what they say. Method: use them without the proxy.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::time::Duration;

use crate::bed::{Bed, Process, wait_until};
use crate::client::{Client, is_close};
use crate::fakes::{FakeSentinel, FakeServer, FlakyProxy, Manner, Mode, Reaction};
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_killed_primary_is_replaced_and_the_recorder_sees_it() {
    let bed = Bed::usual();
    let old = bed.primary();
    assert!(old.command(&["SET", "k", "v"]).is_ok());
    assert_eq!(old.command(&["WAIT", "2", "5000"]), Value::Int(2));
    let recorder = bed.record();
    old.kill();
    let named = recorder.first_named(old.addr(), 0);
    let new = bed.server_at(named.address);
    assert_eq!(new.role(), "master");
    assert_eq!(new.command(&["GET", "k"]), Value::Bulk(b"v".into()));
    bed.wait_named(new);
    let sdown = recorder.first_event("+sdown").unwrap();
    let switch = recorder.first_event("+switch-master").unwrap();
    assert!(sdown.at < named.at && sdown.at < switch.at);
    assert!(
        switch.payload.starts_with("mymaster 127.0.0.1"),
        "{switch:?}"
    );
    old.restart();
    wait_until(
        Duration::from_secs(20),
        "the old primary follows the new",
        || old.role() == "slave",
    );
}

#[test]
fn a_planned_failover_leaves_the_old_primary_writable() {
    let bed = Bed::builder()
        .requirepass("secret")
        .sentinel_password("other")
        .start();
    let old = bed.primary();
    let new = bed.failover();
    assert!(old.command(&["SET", "k", "lost"]).is_ok());
    bed.wait_named(new);
    assert_eq!(bed.primary().port(), new.port());
    let stranger = Client::connect(new.addr()).call(&["GET", "k"]);
    assert!(stranger.error().unwrap().starts_with("NOAUTH"));
}

#[test]
fn a_frozen_node_answers_again_after_the_thaw() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let node = bed.primary();
    let mut client = node.connect();
    node.freeze();
    client.send(&["PING"]).unwrap();
    let silence = client.reply_within(Duration::from_millis(200)).unwrap_err();
    assert_eq!(silence.kind(), ErrorKind::TimedOut);
    node.thaw();
    assert_eq!(client.reply().unwrap(), Value::Simple("PONG".into()));
    assert_eq!(client.raw(), b"+PONG\r\n");
    node.kill();
    assert!(client.closed_within(SOON).is_some());
}

#[test]
fn a_fake_sentinel_says_what_it_is_told() {
    let primary = "127.0.0.1:4000".parse().unwrap();
    let fake = FakeSentinel::start("mymaster", primary, 7);
    let mut client = Client::connect(fake.addr());
    let ask = ["SENTINEL", "get-master-addr-by-name", "mymaster"];
    assert_eq!(client.call(&ask).at(1), "4000");
    fake.name_primary("", 0, 8);
    assert_eq!(
        (client.call(&ask).at(0), client.call(&ask).at(1)),
        (String::new(), "0".into())
    );
    let master = client.call(&["SENTINEL", "MASTER", "mymaster"]).fields();
    assert_eq!(master["config-epoch"], "8");
    assert!(client.call(&["SENTINEL", "MASTER", "x"]).error().is_some());
    assert_eq!(
        client.call(&["SUBSCRIBE", "+switch-master"]).at(0),
        "subscribe"
    );
    wait_until(SOON, "it counts the subscriber", || fake.subscribers() == 1);
    fake.publish("+switch-master", "mymaster 1.1.1.1 1 2.2.2.2 2");
    assert_eq!(client.reply().unwrap().at(1), "+switch-master");
    fake.behave(Manner::Slow(Duration::from_millis(50)));
    assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
    fake.behave(Manner::Silent);
    client.send(&["PING"]).unwrap();
    assert!(client.reply_within(Duration::from_millis(100)).is_err());
    fake.behave(Manner::Close);
    client.send(&["PING"]).unwrap();
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(fake.heard()[0], ask);
}

#[test]
fn a_fake_server_cuts_a_reply_and_remembers_bytes() {
    let server = FakeServer::start(|words| match words[0].as_str() {
        "GET" => Reaction::ReplyAndClose(b"$10\r\nabc".to_vec()),
        "DEL" => Reaction::Reply(b":3\r\n".to_vec()),
        "LATER" => Reaction::Nothing,
        _ => Reaction::AsUsual,
    });
    let mut client = Client::connect(server.addr());
    assert_eq!(client.call(&["ROLE"]).at(0), "master");
    assert_eq!(client.call(&["DEL", "x"]), Value::Int(3));
    client.send(&["LATER"]).unwrap();
    let error = client.try_call(&["GET", "k"]).unwrap_err();
    assert!(is_close(&error), "{error}");
    assert_eq!(server.count("$3\r\nDEL\r\n"), 1);
}

#[test]
fn a_flaky_proxy_passes_swallows_and_cuts() {
    let server = FakeServer::start(|_| Reaction::AsUsual);
    let flaky = FlakyProxy::start(server.addr());
    let mut plain = Client::connect(flaky.addr());
    let mut subscribed = Client::connect(flaky.addr());
    assert_eq!(plain.call(&["PING"]), Value::Simple("PONG".into()));
    assert!(subscribed.call(&["SUBSCRIBE", "x"]).is_ok());
    flaky.set(Mode::SwallowSubscribed);
    assert_eq!(plain.call(&["PING"]), Value::Simple("PONG".into()));
    subscribed.send(&["PING"]).unwrap();
    assert!(subscribed.reply_within(Duration::from_millis(100)).is_err());
    flaky.set(Mode::Swallow);
    plain.send(&["PING"]).unwrap();
    assert!(plain.reply_within(Duration::from_millis(100)).is_err());
    flaky.set(Mode::Cut);
    assert!(plain.closed_within(SOON).is_some() && subscribed.closed_within(SOON).is_some());
    assert_eq!(flaky.accepted(), 2);
}

#[test]
fn a_reset_and_a_half_close_reach_the_other_side() {
    let server = FakeServer::start(|_| Reaction::AsUsual);
    let mut client = Client::connect(server.addr());
    assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
    client.shutdown_write();
    assert!(client.closed_within(SOON).is_some());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::connect(listener.local_addr().unwrap());
    let (mut other_end, _) = listener.accept().unwrap();
    client.reset();
    let error = other_end.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_dropped_process_is_gone_even_when_stopped() {
    let mut sleeper = std::process::Command::new("sleep");
    let process = Process::spawn(sleeper.arg("600")).unwrap();
    let proc_dir = format!("/proc/{}", process.pid());
    process.signal(rustix::process::Signal::STOP);
    assert!(std::fs::exists(&proc_dir).unwrap());
    drop(process);
    assert!(!std::fs::exists(&proc_dir).unwrap());
}
