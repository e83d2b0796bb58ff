//! What clients get there.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bed::{Bed, wait_until};
use crate::client::command;
use crate::proxy::Proxy;
use crate::value::Value;
use crate::writer::{Writer, executed_twice};

use super::{at, cli, connect, directory};

const SOON: Duration = Duration::from_secs(60);
/// Longer than any planned failover may hold a command, on a machine that is busy with other tests.
const HELD: Duration = Duration::from_secs(30);

#[test]
fn redis_cli_finds_a_server_there() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let _proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    let say = |args: &[&str]| {
        let output = cli(&path).args(args).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(say(&["SET", "k", "two words"]), "OK");
    assert_eq!(say(&["GET", "k"]), "two words");
    assert!(say(&["-3", "HELLO", "3"]).starts_with("server"));
    assert_eq!(bed.primary().command(&["GET", "k"]).text(), "two words");
}

#[test]
fn large_and_many_and_half_closed_and_gone() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let _proxy = at(Proxy::for_bed(&bed), &path).start_ready();

    let mut client = connect(&path);
    let body = "v".repeat(8 << 20);
    assert!(client.call(&["SET", "big", &body]).is_ok());
    for _ in 0..3 {
        assert!(client.call(&["GET", "big"]) == Value::Bulk(body.clone().into_bytes()));
    }

    let pipeline: Vec<u8> = (0..5000).flat_map(|_| command(&["INCR", "n"])).collect();
    client.send_raw(&pipeline).unwrap();
    client.shutdown_write();
    for expected in 1..=5000 {
        assert_eq!(client.reply().unwrap(), Value::Int(expected));
    }
    assert!(client.closed_within(SOON).is_some());

    for number in 0..200 {
        let mut client = connect(&path);
        client.send(&["INCR", &format!("gone:{number}")]).unwrap();
    }
    let server = bed.primary();
    let kept = || server.command(&["EXISTS", "gone:0"]) == Value::Int(1);
    wait_until(SOON, "what was sent before the end is done", || {
        kept() && server.command(&["DBSIZE"]) == Value::Int(202)
    });
}

#[test]
fn a_reader_that_pauses_gets_all_of_it_later() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let _proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    let mut slow = connect(&path);
    let body = "v".repeat(1 << 20);
    assert!(slow.call(&["SET", "big", &body]).is_ok());
    // Far more than the socket takes; others are served meanwhile.
    for _ in 0..16 {
        slow.send(&["GET", "big"]).unwrap();
    }
    let mut neighbour = connect(&path);
    assert_eq!(neighbour.call(&["PING"]).text(), "PONG");
    for _ in 0..16 {
        assert!(slow.reply().unwrap() == Value::Bulk(body.clone().into_bytes()));
    }
}

#[test]
fn a_blocked_client_that_leaves_is_blocked_no_longer() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let _proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    let mut client = connect(&path);
    client.send(&["BLPOP", "list", "0"]).unwrap();
    let blocked = || bed.primary().info("blocked_clients");
    wait_until(SOON, "blocked", || blocked() == "1");
    drop(client);
    wait_until(SOON, "no longer blocked", || blocked() == "0");
}

#[test]
fn everybody_stays_through_a_planned_failover() {
    let bed = Bed::usual();
    let (_dir, path) = directory();
    let proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    let old = bed.primary();
    let mut subscriber = connect(&path);
    subscriber.call(&["SUBSCRIBE", "news"]);
    let mut popper = connect(&path);
    popper.send(&["BLPOP", "queue", "0"]).unwrap();
    let writers: Vec<_> = (0..3)
        .map(|i| Writer::start_at_unix_socket(&path, &format!("w{i}")))
        .collect();

    let begun = Instant::now();
    bed.begin_failover(0);
    let new = bed.wait_promoted(old.port());
    proxy.wait_primary(SOON, new.addr());
    writers.iter().for_each(|writer| writer.wait_acks(50));
    for account in writers.into_iter().map(Writer::stop) {
        assert!(account.errors.is_empty(), "{:?}", account.errors);
        assert_eq!(account.closes.len(), 0, "nobody is closed");
        assert_eq!(account.lost_since(new, begun), [""; 0]);
        assert!(account.longest_gap() < HELD);
    }
    assert_eq!(executed_twice(new), [""; 0]);

    let mut other = connect(&path);
    assert_eq!(other.call(&["RPUSH", "queue", "job"]), Value::Int(1));
    assert_eq!(popper.reply().unwrap().at(1), "job");
    assert_eq!(other.call(&["PUBLISH", "news", "hello"]), Value::Int(1));
    assert_eq!(subscriber.reply().unwrap().at(2), "hello");
}

#[test]
fn one_too_many_is_told_so() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let proxy = at(Proxy::for_bed(&bed), &path)
        .flag("--max-clients", "1")
        .start_ready();
    let mut first = connect(&path);
    assert_eq!(first.call(&["PING"]).text(), "PONG");
    let told = connect(&path).reply().unwrap();
    assert_eq!(told.error(), Some("ERR max number of clients reached"));
    drop(first);
    wait_until(SOON, "there is room again", || {
        proxy.status()["totals"]["clients"] == 0
    });
    assert_eq!(connect(&path).call(&["PING"]).text(), "PONG");
}

#[test]
fn a_tls_hello_is_turned_away_at_once() {
    let bed = Bed::lonely();
    let (_dir, path) = directory();
    let proxy = at(Proxy::for_bed(&bed), &path).start_ready();
    let mut client = connect(&path);
    client
        .send_raw(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03")
        .unwrap();
    assert!(client.closed_within(SOON).is_some());
    wait_until(SOON, "it is logged", || {
        let told = proxy.events("tls_on_plain_port");
        told.iter().any(|fields| fields["peer"] == "a Unix socket")
    });
}
