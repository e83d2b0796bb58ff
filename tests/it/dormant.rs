//! Goal: `--client-idle-timeout` closes whom a server's `timeout` would, and nobody else. Method: one
//! client for each reason to be silent, for several times that long.

use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;

/// How soon an idle client has to be gone, on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(1);
/// Several times the timeout.
const LONG: Duration = Duration::from_secs(4);

fn proxy(bed: &Bed) -> Proxy {
    Proxy::for_bed(bed)
        .flag("--client-idle-timeout", "1s")
        .start_ready()
}

#[track_caller]
fn is_closed(client: &mut Client, since: Instant) {
    let closed = client.closed_within(SOON).expect("it is closed");
    assert!(closed - since >= TIMEOUT, "after {:?}", closed - since);
}

#[track_caller]
fn is_open(client: &mut Client) {
    let heard = client.reply_within(Duration::from_millis(1));
    let error = heard.expect_err("nothing was said");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn who_is_silent_is_closed_whatever_it_did_before() {
    let bed = Bed::lonely();
    let proxy = proxy(&bed);
    let mut clients: Vec<_> = (0..5).map(|_| proxy.connect()).collect();
    let since = Instant::now();
    let [new, idle, own, queueing, half] = clients.as_mut_slice() else {
        unreachable!("five were made");
    };
    assert_eq!(idle.call(&["PING"]), Value::Simple("PONG".into()));
    assert!(own.call(&["SELECT", "1"]).is_ok());
    assert!(queueing.call(&["MULTI"]).is_ok());
    assert_eq!(queueing.call(&["SET", "k", "v"]).text(), "QUEUED");
    // More than is collected, so that the server has a part of it.
    half.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nthe rest never comes")
        .unwrap();
    for client in [new, idle, own, queueing, half] {
        is_closed(client, since);
    }
    assert_eq!(bed.primary().command(&["EXISTS", "k"]), Value::Int(0));
    assert!(!proxy.events("clients_overdue").is_empty());
}

#[test]
fn who_waits_or_listens_is_not() {
    let bed = Bed::lonely();
    let proxy = proxy(&bed);
    let [
        mut subscriber,
        mut modern,
        mut monitor,
        mut popper,
        mut waiter,
    ] = [(); 5].map(|()| proxy.connect());
    let mut busy = proxy.connect();
    subscriber.call(&["SUBSCRIBE", "news"]);
    modern.call(&["HELLO", "3"]);
    modern.call(&["PSUBSCRIBE", "n*"]);
    popper.send(&["BLPOP", "list", "0"]).unwrap();
    waiter.send(&["WAIT", "1", "0"]).unwrap();
    assert!(monitor.call(&["MONITOR"]).is_ok());
    let since = Instant::now();
    while since.elapsed() < LONG {
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(busy.call(&["GET", "k"]), Value::Null);
    }
    assert_eq!(busy.call(&["GET", "the end"]), Value::Null);
    // It hears what others say as well.
    while !monitor.reply().unwrap().text().contains("the end") {}
    for client in [&mut subscriber, &mut modern, &mut popper, &mut waiter] {
        is_open(client);
    }
    bed.primary().command(&["PUBLISH", "news", "hello"]);
    assert_eq!(subscriber.reply().unwrap().at(2), "hello");
    assert_eq!(modern.reply().unwrap().at(3), "hello");
    // It waited until now: its time begins with the answer.
    let since = Instant::now();
    bed.primary().command(&["RPUSH", "list", "x"]);
    assert_eq!(popper.reply().unwrap().at(1), "x");
    is_closed(&mut popper, since);
}

#[test]
fn whose_commands_are_held_is_not() {
    let bed = Bed::lonely();
    let proxy = proxy(&bed);
    let mut client = proxy.connect();
    bed.primary().freeze();
    crate::bed::wait_until(SOON, "the gate is shut", || !proxy.gate_is("open"));
    if client.send(&["SET", "k", "v"]).is_err() {
        // It had been idle for long enough.
        client = proxy.connect();
        client.send(&["SET", "k", "v"]).unwrap();
    }
    std::thread::sleep(LONG);
    is_open(&mut client);
    bed.primary().thaw();
    assert!(client.reply().unwrap().is_ok());
}

#[test]
fn without_the_flag_nobody_is_closed() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
    std::thread::sleep(LONG);
    is_open(&mut client);
}
