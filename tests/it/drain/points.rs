//! Clients in the middle of something when the process is asked to stop.

use std::io::ErrorKind;
use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

use super::{SOON, told, wait_closed};

/// Longer than anything here takes, and than a test would wait.
const LONG: &str = "600s";

/// A proxy that gives clients all the time they need.
fn patient(bed: &Bed) -> Proxy {
    Proxy::for_bed(bed)
        .flag("--drain-timeout", LONG)
        .start_ready()
}

/// Asks the process to stop and waits until a client that does nothing is closed: from then on each is
/// closed at its first safe point.
#[track_caller]
fn stop(proxy: &Proxy, mut idle: Client) {
    proxy.terminate();
    assert!(idle.closed_within(SOON).is_some());
    wait_closed(proxy);
}

/// Whether nothing at all has come, not even the end.
fn is_silent(client: &mut Client) -> bool {
    let nothing = client.reply_within(Duration::from_millis(300));
    nothing.is_err_and(|error| error.kind() == ErrorKind::TimedOut)
}

fn idle(proxy: &Proxy) -> Client {
    let mut idle = proxy.connect();
    assert_eq!(idle.call(&["PING"]).text(), "PONG");
    idle
}

#[test]
fn a_transaction_is_finished_first() {
    let bed = Bed::lonely();
    let proxy = patient(&bed);
    let (mut open, mut watcher) = (proxy.connect(), proxy.connect());
    assert!(open.call(&["MULTI"]).is_ok());
    assert!(watcher.call(&["WATCH", "w"]).is_ok());
    stop(&proxy, idle(&proxy));
    assert!(is_silent(&mut open) && is_silent(&mut watcher));
    assert_eq!(open.call(&["INCR", "n"]).text(), "QUEUED");
    assert_eq!(open.call(&["EXEC"]), Value::Array(vec![Value::Int(1)]));
    assert!(open.closed_within(SOON).is_some());
    assert!(watcher.call(&["MULTI"]).is_ok());
    assert_eq!(watcher.call(&["INCR", "w"]).text(), "QUEUED");
    assert_eq!(watcher.call(&["EXEC"]), Value::Array(vec![Value::Int(1)]));
    assert!(watcher.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (3, 0));
}

#[test]
fn a_blocked_client_gets_its_element_first() {
    let bed = Bed::lonely();
    let proxy = patient(&bed);
    let mut popper = proxy.connect();
    popper.send(&["BLPOP", "list", "0"]).unwrap();
    let blocked = || bed.primary().info("blocked_clients") == "1";
    wait_until(SOON, "blocked", blocked);
    stop(&proxy, idle(&proxy));
    assert!(is_silent(&mut popper));
    bed.primary().command(&["RPUSH", "list", "kept"]);
    assert_eq!(popper.reply_within(SOON).unwrap().at(1), "kept");
    assert!(popper.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (2, 0));
}

#[test]
fn a_subscriber_goes_on_hearing_until_it_unsubscribes() {
    let bed = Bed::lonely();
    let proxy = patient(&bed);
    let mut listener = proxy.connect();
    assert_eq!(listener.call(&["SUBSCRIBE", "news"]).at(1), "news");
    stop(&proxy, idle(&proxy));
    bed.primary().command(&["PUBLISH", "news", "still here"]);
    assert_eq!(listener.reply_within(SOON).unwrap().at(2), "still here");
    assert!(is_silent(&mut listener));
    assert_eq!(listener.call(&["UNSUBSCRIBE"]).at(1), "news");
    assert!(listener.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (2, 0));
}

#[test]
fn a_pipeline_is_received_and_answered_first() {
    let bed = Bed::lonely();
    let proxy = patient(&bed);
    let mut client = proxy.connect();
    let incr = command(&["INCR", "n"]);
    let (begun, rest) = incr.split_at(incr.len() - 3);
    let mut first = incr.repeat(3);
    first.extend_from_slice(begun);
    client.send_raw(&first).unwrap();
    for n in 1..=3 {
        assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(n));
    }
    stop(&proxy, idle(&proxy));
    assert!(is_silent(&mut client));
    let mut second = rest.to_vec();
    second.extend(incr.repeat(200));
    client.send_raw(&second).unwrap();
    for n in 4..=204 {
        assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(n));
    }
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (2, 0));
}

#[test]
fn a_client_that_only_just_connected_is_served_once() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--drain-timeout", LONG)
        .start_ready();
    // What the kernel has completed the handshake of, nobody may have accepted yet.
    let mut new: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    for client in &mut new {
        client.send(&["INCR", "n"]).unwrap();
    }
    proxy.terminate();
    for client in &mut new {
        assert!(matches!(client.reply_within(SOON).unwrap(), Value::Int(_)));
        assert!(client.closed_within(SOON).is_some());
    }
    assert_eq!(told(&proxy).1, 0);
    assert_eq!(bed.primary().command(&["GET", "n"]).text(), "10");
}

#[test]
fn what_comes_after_the_end_is_not_executed() {
    let bed = Bed::lonely();
    let proxy = patient(&bed);
    let mut client = idle(&proxy);
    proxy.terminate();
    assert!(client.closed_within(SOON).is_some());
    // It has not seen the end, as it were.
    let _ = client.send(&["SET", "late", "1"]);
    assert!(client.reply_within(SOON).is_err());
    assert_eq!(told(&proxy), (1, 0));
    assert_eq!(bed.primary().command(&["EXISTS", "late"]), Value::Int(0));
}

#[test]
fn whoever_is_left_at_the_timeout_is_cut() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--drain-timeout", "2s")
        .start_ready();
    let (mut open, mut listener, mut popper) = (proxy.connect(), proxy.connect(), proxy.connect());
    assert!(open.call(&["MULTI"]).is_ok());
    assert_eq!(listener.call(&["SUBSCRIBE", "news"]).at(1), "news");
    popper.send(&["BLPOP", "list", "0"]).unwrap();
    let blocked = || bed.primary().info("blocked_clients") == "1";
    wait_until(SOON, "blocked", blocked);
    proxy.terminate();
    assert_eq!(told(&proxy), (3, 3));
    for client in [&mut open, &mut listener, &mut popper] {
        assert!(client.closed_within(SOON).is_some());
    }
    wait_until(SOON, "no longer blocked", || !blocked());
}

/// Sends a write that the server answers only shortly before the time to drain is over. Whether it was
/// answered, and what the log says of the end then.
fn answered_at_the_last_moment(bed: &Bed) -> (bool, (u64, u64)) {
    const TIMEOUT: &str = "4s";
    // What is still held is given up half a second before the end.
    const PAUSE_MS: &str = "3650";
    let proxy = Proxy::for_bed(bed)
        .flag("--drain-timeout", TIMEOUT)
        .start_ready();
    let mut client = idle(&proxy);
    proxy.terminate();
    wait_until(SOON, "it drains", || !proxy.events("stopping").is_empty());
    let pause = ["CLIENT", "PAUSE", PAUSE_MS, "WRITE"];
    assert!(bed.primary().command(&pause).is_ok());
    let sent = client.send(&["SET", "k", "v"]);
    let answered = sent.is_ok() && client.reply_within(SOON).is_ok_and(|reply| reply.is_ok());
    (answered, told(&proxy))
}

#[test]
fn whoever_is_let_go_in_the_last_half_second_is_not_cut() {
    // Where the machine is busy an answer may come too late, or the client be let go before it asks.
    const TRIES: usize = 10;
    let bed = Bed::lonely();
    let seen: Vec<_> = (0..TRIES)
        .map(|_| answered_at_the_last_moment(&bed))
        .take_while(|seen| *seen != (true, (1, 0)))
        .collect();
    assert!(seen.len() < TRIES, "{seen:?}");
}
