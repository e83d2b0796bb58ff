//! Goal: what the process keeps for clients that wait is bounded, and nothing is lost by it.
//! Method: a primary that is taken away, and clients that send far more than may be kept.

use std::thread;
use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::command;
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
const BOUND: u64 = 256 * 1024;
/// Each worker may have read this much when the bound was not yet reached.
const READ_AT_ONCE: u64 = 64 * 1024;
const WORKERS: u64 = 2;
const CLIENTS: usize = 12;
const COMMANDS: usize = 1000;

fn held(proxy: &Proxy) -> u64 {
    proxy.status()["held_bytes"].as_u64().unwrap()
}

fn without_primary() -> (Bed, Proxy) {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "60s")
        .flag("--workers", WORKERS.to_string())
        .flag("--max-held-bytes", "256KiB")
        .start_ready();
    bed.primary().kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    (bed, proxy)
}

/// Sends as fast as it is read, and reads all replies.
fn push(proxy: &Proxy, nth: usize) -> thread::JoinHandle<Vec<Value>> {
    let mut client = proxy.connect();
    thread::spawn(move || {
        let element = "x".repeat(1000);
        let one = command(&["RPUSH", &format!("list{nth}"), &element]);
        client.send_raw(&one.repeat(COMMANDS)).unwrap();
        let reply = |_| client.reply_within(Duration::from_secs(60)).unwrap();
        (0..COMMANDS).map(reply).collect()
    })
}

#[test]
fn clients_that_wait_are_read_no_further_than_the_process_may_keep() {
    let (bed, proxy) = without_primary();
    assert_eq!(proxy.status()["max_held_bytes"].as_u64(), Some(BOUND));
    let clients: Vec<_> = (0..CLIENTS).map(|nth| push(&proxy, nth)).collect();
    wait_until(SOON, "the bound is reached", || held(&proxy) >= BOUND);
    crate::bed::holds_for(Duration::from_millis(700), "the bound holds", || {
        held(&proxy) <= BOUND + WORKERS * READ_AT_ONCE
    });
    bed.primary().restart();
    for client in clients {
        let replies = client.join().unwrap();
        for (n, reply) in (1..).zip(replies) {
            assert_eq!(reply, Value::Int(n));
        }
    }
    wait_until(SOON, "nothing is held any more", || held(&proxy) == 0);
}

#[test]
fn a_client_that_was_not_read_and_left_has_nothing_executed() {
    let (bed, proxy) = without_primary();
    let clients: Vec<_> = (0..CLIENTS).map(|nth| push(&proxy, nth)).collect();
    wait_until(SOON, "the bound is reached", || held(&proxy) >= BOUND);
    let mut leaver = proxy.connect();
    leaver.send(&["SET", "leaver", "was here"]).unwrap();
    let silence = leaver.reply_within(Duration::from_millis(300)).unwrap_err();
    assert_eq!(silence.kind(), std::io::ErrorKind::TimedOut);
    drop(leaver);
    bed.primary().restart();
    clients
        .into_iter()
        .for_each(|client| drop(client.join().unwrap()));
    assert_eq!(bed.primary().command(&["EXISTS", "leaver"]), Value::Int(0));
}

#[test]
fn what_a_client_that_leaves_no_longer_needs_is_another_s() {
    let (bed, proxy) = without_primary();
    let element = "x".repeat(1000);
    let bytes = command(&["RPUSH", "greedy", &element]).repeat(300);
    let mut greedy = proxy.connect();
    greedy.send_raw(&bytes).unwrap();
    wait_until(SOON, "the bound is reached", || held(&proxy) >= BOUND);
    let mut modest = proxy.connect();
    modest.send(&["INCR", "modest"]).unwrap();
    drop(greedy);
    wait_until(SOON, "only the other is held", || {
        (1..1000).contains(&held(&proxy))
    });
    bed.primary().restart();
    assert_eq!(modest.reply().unwrap(), Value::Int(1));
    assert_eq!(modest.call(&["EXISTS", "greedy"]), Value::Int(0));
}
