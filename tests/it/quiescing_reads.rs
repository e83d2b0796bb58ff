//! Goal: while a planned failover is prepared only what may change something waits. Method: a failover
//! whose candidate is frozen, so that the preparation takes its whole timeout and comes to nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, FAILOVER_LIMIT, Start, holds_for, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

/// How long a Sentinel waits for the promotion.
const FAILOVER_TIMEOUT_MS: u32 = 5000;
/// Far below that, far above what a busy machine adds to one read.
const READ_PAUSE: Duration = Duration::from_millis(700);
const WRITE_PAUSE: Duration = Duration::from_millis(1400);

fn stuck_bed() -> Bed {
    Bed::builder()
        .alone()
        .failover_timeout(FAILOVER_TIMEOUT_MS)
        .line_of(1, "replica-priority 1")
        .start()
}

fn stuck() -> (Bed, Proxy) {
    let bed = stuck_bed();
    let proxy = Proxy::ready(&bed);
    (bed, proxy)
}

fn begin(bed: &Bed, proxy: &Proxy) {
    bed.server(1).freeze();
    bed.begin_failover(0);
    wait_until(FAILOVER_LIMIT, "it is noticed", || {
        proxy.gate_is("quiescing")
    });
}

fn end(bed: &Bed, proxy: &Proxy) {
    bed.server(1).kill();
    wait_until(FAILOVER_LIMIT, "it is given up", || proxy.gate_is("open"));
}

/// A client that is being served.
fn served(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    assert_eq!(client.call(&["GET", "k"]).error(), None);
    client
}

/// The longest time from one answer to the next until it is to stop.
fn longest_pause(
    mut client: Client,
    words: &'static [&'static str],
    stop: &AtomicBool,
) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let reply = client.call(words);
        assert_eq!(reply.error(), None);
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    longest
}

#[test]
fn readers_do_not_pause_for_what_writers_wait_for() {
    let (bed, proxy) = stuck();
    let stop = AtomicBool::new(false);
    let started = Start::now();
    thread::scope(|scope| {
        // Who comes only while a failover is prepared gets no link before its end.
        let (reads, writes) = (served(&proxy), served(&proxy));
        let reader = scope.spawn(|| longest_pause(reads, &["GET", "k"], &stop));
        let writer = scope.spawn(|| longest_pause(writes, &["INCR", "n"], &stop));
        begin(&bed, &proxy);
        holds_for(WRITE_PAUSE, "it is not over", || proxy.gate_is("quiescing"));
        end(&bed, &proxy);
        stop.store(true, Ordering::SeqCst);
        let (read, written) = (reader.join().unwrap(), writer.join().unwrap());
        assert!(written > WRITE_PAUSE, "writers waited {written:?}");
        started.took(read, READ_PAUSE);
    });
}

#[test]
fn a_read_behind_a_held_write_waits_with_it() {
    let (bed, proxy) = stuck();
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "k", "old"]).is_ok());
    begin(&bed, &proxy);
    let commands: [&[&str]; 5] = [
        &["GET", "k"],
        &["STRLEN", "k"],
        &["SET", "k", "newer"],
        &["GET", "k"],
        &["PING"],
    ];
    let bytes: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
    client.send_raw(&bytes).unwrap();
    assert_eq!(client.reply().unwrap().text(), "old");
    assert_eq!(client.reply().unwrap(), Value::Int(3));
    let held = client.reply_within(Duration::from_millis(200)).unwrap_err();
    assert_eq!(held.kind(), std::io::ErrorKind::TimedOut);
    client.send(&["STRLEN", "k"]).unwrap();
    let held = client.reply_within(Duration::from_millis(200)).unwrap_err();
    assert_eq!(held.kind(), std::io::ErrorKind::TimedOut);
    end(&bed, &proxy);
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().text(), "newer");
    assert_eq!(client.reply().unwrap().text(), "PONG");
    assert_eq!(client.reply().unwrap(), Value::Int(5));
}

#[test]
fn what_does_not_simply_read_waits_whatever_it_comes_as() {
    let (bed, proxy) = stuck();
    let large = "x".repeat(200_000);
    let waiting: [Vec<u8>; 5] = [
        command(&["SET", "large", &large]),
        b"INCR inline\r\n".to_vec(),
        command(&["EVAL", "return 1", "0"]),
        command(&["MULTI"]),
        command(&["PUBLISH", "c", "m"]),
    ];
    let mut clients: Vec<_> = waiting
        .iter()
        .map(|bytes| {
            let mut client = proxy.connect();
            assert_eq!(client.call(&["GET", "k"]), Value::Null);
            (client, bytes)
        })
        .collect();
    begin(&bed, &proxy);
    for (client, bytes) in &mut clients {
        let mut both = command(&["EXISTS", "k"]);
        both.extend_from_slice(bytes);
        client.send_raw(&both).unwrap();
        assert_eq!(client.reply().unwrap(), Value::Int(0));
    }
    for (client, bytes) in &mut clients {
        let held = client.reply_within(Duration::from_millis(30));
        let start = String::from_utf8_lossy(bytes.get(..20).unwrap_or(bytes));
        assert!(held.is_err(), "{start:?} got {held:?}");
    }
    end(&bed, &proxy);
    for (client, _) in &mut clients {
        assert_eq!(client.reply().unwrap().error(), None);
    }
}

#[test]
fn a_hold_of_zero_fails_at_once_while_a_failover_is_prepared() {
    let bed = stuck_bed();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "0s")
        .start_ready();
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "k", "old"]).is_ok());
    begin(&bed, &proxy);
    let asked = Start::now();
    let refused = client.call(&["SET", "k", "new"]);
    assert!(refused.is_error("MASTERDOWN"), "{refused:?}");
    asked.within(WRITE_PAUSE);
    bed.server(1).kill();
}
