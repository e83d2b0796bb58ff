//! Goal: while there is no primary, commands wait, and the end of the wait is said truthfully.
//! Method: a primary that is taken away without a failover, because down-after is a minute.

use std::time::Duration;

use crate::bed::{Bed, Start, free_port, holds_for, wait_until};
use crate::client::Client;
use crate::fakes::{FakeSentinel, FakeServer, FlakyProxy, Reaction};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

/// A proxy that gives up soon, in front of a primary that can be demoted by hand.
pub(crate) fn impatient() -> (Bed, Proxy) {
    let bed = Bed::builder()
        .replicas(1)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "1s")
        .start_ready();
    (bed, proxy)
}

#[test]
fn after_the_hold_the_error_says_that_nothing_was_executed() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "2s")
        .start_ready();
    bed.primary().kill();
    let mut client = proxy.connect();
    let asked = Start::now();
    let reply = client.call(&["SET", "k", "v"]);
    let waited = asked.elapsed();
    assert_eq!(
        reply.error(),
        Some(
            "MASTERDOWN steadfast: no primary for 'mymaster' after 2s; the command was NOT executed"
        )
    );
    assert!(waited > Duration::from_millis(1000), "only {waited:?}");
    asked.took(waited, Duration::from_millis(4000));
}

#[test]
fn the_hold_belongs_to_the_outage_not_to_the_command() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "1s")
        .start_ready();
    bed.primary().kill();
    assert!(proxy.connect().call(&["GET", "k"]).error().is_some());
    let asked = Start::now();
    let late = proxy.connect().call(&["GET", "k"]);
    assert!(late.is_error("MASTERDOWN steadfast"), "{late:?}");
    asked.within(Duration::from_millis(700));
}

#[test]
fn a_hold_of_zero_fails_at_once() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "0s")
        .start_ready();
    bed.primary().kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    let asked = Start::now();
    let reply = proxy.connect().call(&["SET", "k", "v"]);
    assert!(reply.is_error("MASTERDOWN steadfast"), "{reply:?}");
    asked.within(Duration::from_millis(500));
}

#[test]
fn who_goes_during_an_outage_is_let_go_at_once() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut served = proxy.connect();
    assert!(served.call(&["SET", "k", "v"]).is_ok());
    bed.primary().kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    for mut client in [served, proxy.connect()] {
        client.send(&["QUIT"]).unwrap();
        assert!(client.reply_within(Duration::from_secs(2)).unwrap().is_ok());
        assert!(client.closed_within(SOON).is_some());
    }
}

#[test]
fn a_held_command_is_served_when_the_primary_is_back() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "20s")
        .start_ready();
    let server = bed.primary();
    server.kill();
    let mut client = proxy.connect();
    client.send(&["INCR", "k"]).unwrap();
    let held = client.reply_within(Duration::from_millis(700)).unwrap_err();
    assert_eq!(held.kind(), std::io::ErrorKind::TimedOut);
    server.restart();
    assert_eq!(client.reply().unwrap(), Value::Int(1));
    assert_eq!(proxy.primary(), Some(server.addr()));
}

#[test]
fn a_held_command_whose_client_left_is_not_executed() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "20s")
        .start_ready();
    let server = bed.primary();
    server.kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    let mut leaver = proxy.connect();
    leaver.send(&["SET", "leaver", "was here"]).unwrap();
    let mut stayer = proxy.connect();
    stayer.send(&["SET", "stayer", "is here"]).unwrap();
    let held = leaver.reply_within(Duration::from_millis(300)).unwrap_err();
    assert_eq!(held.kind(), std::io::ErrorKind::TimedOut);
    drop(leaver);
    server.restart();
    assert!(stayer.reply().unwrap().is_ok());
    assert_eq!(
        server.command(&["EXISTS", "leaver", "stayer"]),
        Value::Int(1)
    );
    assert_eq!(stayer.call(&["EXISTS", "leaver"]), Value::Int(0));
}

#[test]
fn it_may_start_before_everything_else() {
    let port = free_port();
    let later = [format!("127.0.0.1:{port}")];
    let proxy = Proxy::of(&later, "mymaster")
        .flag("--hold-timeout", "30s")
        .flag("--sentinel-discovery", "off")
        .start();
    let mut early = proxy.connect();
    early.send(&["SET", "early", "bird"]).unwrap();
    holds_for(Duration::from_millis(1500), "alive, gate shut", || {
        proxy.is_alive() && proxy.gate_is("shut")
    });
    let bed = Bed::builder().replicas(0).sentinels(1).start();
    let started = Start::now();
    let _door = FlakyProxy::start_on([127, 0, 0, 1].into(), port, bed.sentinel(0).addr());
    assert!(early.reply().unwrap().is_ok());
    started.within(Duration::from_secs(3));
    wait_until(SOON, "ready", || proxy.is_ready());
}

#[test]
fn a_reboot_that_loads_its_data_is_waited_for() {
    let bed = Bed::builder()
        .replicas(1)
        .down_after(30_000)
        .server_line("loading-process-events-interval-bytes 1024")
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "20s")
        .start_ready();
    let server = bed.primary();
    assert!(server.command(&["DEBUG", "POPULATE", "2000"]).is_ok());
    assert!(server.command(&["SET", "kept", "1"]).is_ok());
    assert!(server.command(&["SAVE"]).is_ok());
    // A millisecond for each key.
    server.append_config("key-load-delay 1000");
    server.restart();
    let loading = server.command(&["GET", "kept"]);
    assert!(
        loading
            .error()
            .is_some_and(|text| text.starts_with("LOADING")),
        "{loading:?}"
    );
    let mut client = proxy.connect();
    assert_eq!(client.call(&["INCR", "kept"]), Value::Int(2));
    assert_eq!(client.node_port(), server.port());
    assert_eq!(proxy.generation(), 1, "nobody switched");
}

#[test]
fn a_primary_that_comes_back_empty_is_reported() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "20s")
        .start_ready();
    let server = bed.primary();
    server.command(&["SET", "k", "v"]);
    // It can only miss what it has met: let a few heartbeats pass.
    let beats = || {
        server
            .info("total_commands_processed")
            .parse::<u64>()
            .unwrap()
    };
    let before = beats();
    wait_until(SOON, "heartbeats pass", || {
        std::thread::sleep(Duration::from_millis(500));
        beats() > before + 15
    });
    server.restart();
    assert_eq!(proxy.connect().call(&["DBSIZE"]), Value::Int(0));
    wait_until(SOON, "the log warns of the restart", || {
        let restarted = |line: &String| line.contains("WARN") && line.contains("restarted");
        proxy.log().iter().any(restarted)
    });
}

#[test]
fn when_nobody_is_primary_nobody_is_served_and_nothing_spins() {
    let (bed, proxy) = impatient();
    let (first, second) = (bed.server(0), bed.server(1));
    let port = second.port().to_string();
    assert!(first.command(&["REPLICAOF", "127.0.0.1", &port]).is_ok());
    wait_until(SOON, "the demotion is noticed", || proxy.gate_is("shut"));
    let before = proxy.cpu_ticks();
    let span = Duration::from_secs(2);
    holds_for(span, "the gate stays shut", || {
        std::thread::sleep(Duration::from_millis(100));
        proxy.gate_is("shut")
    });
    let used = proxy.cpu_ticks() - before;
    assert!(used < 60, "{used} ticks of CPU time in {span:?}");
    let reply = proxy.connect().call(&["GET", "k"]);
    assert!(reply.is_error("MASTERDOWN"), "{reply:?}");
    assert!(first.command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    proxy.wait_primary(SOON, first.addr());
    assert!(proxy.connect().call(&["SET", "k", "v"]).is_ok());
}

#[test]
fn the_first_command_after_an_outage_that_outlasted_the_hold_is_served() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "1s")
        .start_ready();
    let server = bed.primary();
    server.kill();
    let mut client = proxy.connect();
    let refused = client.call(&["INCR", "k"]);
    assert!(refused.error().is_some(), "{refused:?}");
    server.restart();
    proxy.wait_ready();
    assert_eq!(client.call(&["INCR", "k"]), Value::Int(1));
}

#[test]
fn a_doubt_that_nobody_settles_ends_with_the_hold() {
    let server = FakeServer::start(|_| Reaction::AsUsual);
    let honest = FakeSentinel::start("mymaster", server.addr(), 1);
    let liar = FakeSentinel::start("mymaster", server.addr(), 1);
    let addresses = [honest.addr().to_string(), liar.addr().to_string()];
    let proxy = Proxy::of(&addresses, "mymaster")
        .flag("--hold-timeout", "3s")
        .start_ready();
    liar.name_primary("127.0.0.1", free_port(), 9);
    std::thread::sleep(Duration::from_millis(1500));
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    // Longer than what discovery takes for a pause, shorter than the lease.
    proxy.freeze();
    std::thread::sleep(Duration::from_millis(1250));
    proxy.thaw();
    std::thread::sleep(Duration::from_millis(2000));
    wait_until(SOON, "the only primary serves again", || {
        let answer = Client::try_connect(proxy.addr()).and_then(|mut client| {
            client.send(&["SET", "k", "v"])?;
            client.reply_within(Duration::from_millis(500))
        });
        answer.is_ok_and(|reply| reply.is_ok())
    });
}

#[test]
fn a_held_shutdown_never_reaches_the_next_primary() {
    let bed = Bed::builder().down_after(1_000).start();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary().port();
    bed.primary().kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    let mut client = proxy.connect();
    client.send(&["SET", "k", "held"]).unwrap();
    client.send(&["SHUTDOWN", "NOSAVE"]).unwrap();
    let new = bed.wait_promoted(old);
    assert!(client.reply().unwrap().is_ok());
    let reply = client.reply().unwrap();
    assert!(reply.is_error("MASTERDOWN steadfast"), "{reply:?}");
    assert_eq!(new.command(&["GET", "k"]).text(), "held");
    assert_eq!(client.call(&["GET", "k"]).text(), "held");
}

#[test]
fn dials_that_fail_are_told_by_the_time_the_command_waited() {
    let bed = Bed::lonely();
    let password = bed.dir().join("password");
    std::fs::write(&password, "wrong\n").unwrap();
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "nobody")
        .flag("--password-file", &password)
        .flag("--hold-timeout", "1s")
        .start_ready();
    std::thread::sleep(Duration::from_secs(4));
    let reply = proxy.connect().call(&["GET", "k"]);
    let text = reply.error().unwrap();
    assert!(text.contains(" after 1s"), "{text}");
}
