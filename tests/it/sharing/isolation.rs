//! What one client waits for, or does not read, is in nobody's way.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::{SOON, sharing};
use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;

/// A reply that waited for another client's would take longer than this.
const PROMPT: Duration = Duration::from_secs(3);
/// Longer than a link may be silent before others avoid it.
const SLOW_AFTER: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(10);

fn alone_on_a_worker(bed: &Bed) -> Proxy {
    sharing(bed).flag("--workers", "1").start_ready()
}

#[track_caller]
fn is_served_promptly(client: &mut Client) {
    let started = Instant::now();
    assert!(client.call(&["GET", "k"]).error().is_none());
    let took = started.elapsed();
    assert!(took < PROMPT, "{took:?}");
}

#[test]
fn writes_that_are_paused_do_not_hold_up_the_reads_of_others() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut readers: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    readers.iter_mut().for_each(is_served_promptly);
    let mut writers: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    writers.iter_mut().for_each(is_served_promptly);
    let pause = PAUSE.as_millis().to_string();
    let paused = Instant::now();
    assert!(
        bed.server(0)
            .command(&["CLIENT", "PAUSE", &pause, "WRITE"])
            .is_ok()
    );
    for writer in &mut writers {
        writer.send(&["SET", "k", "v"]).unwrap();
        // From then on its link is taken for slow.
        thread::sleep(SLOW_AFTER);
        readers.iter_mut().for_each(is_served_promptly);
    }
    assert!(paused.elapsed() < PAUSE, "it is not over yet");
    for writer in &mut writers {
        assert!(writer.reply().unwrap().is_ok());
    }
}

#[test]
fn a_blocked_call_does_not_hold_up_others() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut waiting: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    for client in &mut waiting {
        client.send(&["BLPOP", "queue", "0"]).unwrap();
    }
    let mut other = proxy.connect();
    is_served_promptly(&mut other);
    wait_until(SOON, "all wait", || {
        bed.server(0).info("blocked_clients") == "20"
    });
    is_served_promptly(&mut other);
    for nth in 0..20 {
        other.call(&["RPUSH", "queue", &nth.to_string()]);
    }
    let mut popped: Vec<i32> = waiting
        .iter_mut()
        .map(|client| client.reply().unwrap().at(1).parse().unwrap())
        .collect();
    popped.sort_unstable();
    assert_eq!(popped, (0..20).collect::<Vec<_>>());
}

#[test]
fn who_does_not_read_is_in_nobodys_way_and_is_closed_in_the_end() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut other = proxy.connect();
    let value = "v".repeat(200_000);
    other.call(&["SET", "large", &value]);
    let mut patient = proxy.connect();
    let mut greedy = proxy.connect();
    let mut reading = proxy.connect();
    // 10 MB, which are kept for it, and 200 MB, which are not.
    patient
        .send_raw(&command(&["GET", "large"]).repeat(50))
        .unwrap();
    greedy
        .send_raw(&command(&["GET", "large"]).repeat(1000))
        .unwrap();
    for _ in 0..50 {
        is_served_promptly(&mut other);
        assert_eq!(reading.call(&["ECHO", "mine"]).text(), "mine");
    }
    for _ in 0..50 {
        assert!(patient.reply().unwrap().text() == value);
    }
    is_served_promptly(&mut other);
    let peak = proxy.peak_rss_kib();
    assert!(peak < 200 * 1024, "{peak} KiB for clients that do not read");
    let mut got = 0;
    while greedy.reply().is_ok_and(|reply| reply.text() == value) {
        got += 1;
    }
    assert!(got <= 1000);
}

#[test]
fn a_large_value_is_in_nobodys_way() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut other = proxy.connect();
    is_served_promptly(&mut other);
    let value = "v".repeat(20_000_000);
    let whole = command(&["SET", "huge", &value]);
    let mut writer = proxy.connect();
    let (begun, rest) = whole.split_at(whole.len() / 2);
    writer.send_raw(begun).unwrap();
    is_served_promptly(&mut other);
    writer.send_raw(rest).unwrap();
    assert!(writer.reply().unwrap().is_ok());
    let mut reader = proxy.connect();
    reader.send(&["GET", "huge"]).unwrap();
    for _ in 0..20 {
        is_served_promptly(&mut other);
    }
    assert!(reader.reply().unwrap().text() == value);
    // Commands in front of it and behind it keep their places.
    let pipeline = [
        command(&["ECHO", "before"]),
        command(&["GET", "huge"]),
        command(&["ECHO", "between"]),
        whole,
        command(&["ECHO", "after"]),
    ];
    let mut client = proxy.connect();
    let mut sender = client.sender();
    let sending = thread::spawn(move || sender.write_all(&pipeline.concat()).unwrap());
    assert_eq!(client.reply().unwrap().text(), "before");
    assert!(client.reply().unwrap().text() == value);
    assert_eq!(client.reply().unwrap().text(), "between");
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().text(), "after");
    sending.join().unwrap();
}
