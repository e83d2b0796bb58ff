//! What one client waits for, or does not read, is in nobody's way.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use super::{SOON, asked_for, sharing};
use crate::bed::{Bed, Node, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

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

/// Whether a connection of the server waits for the end of a pause.
fn is_parked(server: &Node) -> bool {
    server
        .command(&["CLIENT", "LIST"])
        .text()
        .contains(" flags=b ")
}

#[test]
fn reads_sent_right_behind_a_paused_write_do_not_wait_for_it() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut writer = proxy.connect();
    let mut mixed = proxy.connect();
    let mut readers: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    let (mut seen, mut rescued) = (0, 0);
    for round in 0..3 {
        for (nth, reader) in readers.iter_mut().enumerate() {
            let value = format!("{round}/{nth}");
            assert!(reader.call(&["SET", &format!("k{nth}"), &value]).is_ok());
        }
        let pause = PAUSE.as_millis().to_string();
        let paused = Instant::now();
        assert!(
            bed.server(0)
                .command(&["CLIENT", "PAUSE", &pause, "WRITE"])
                .is_ok()
        );
        writer.send(&["SET", "k", "v"]).unwrap();
        mixed
            .send_raw(&[command(&["ECHO", "before"]), command(&["INCR", "n"])].concat())
            .unwrap();
        for (nth, reader) in readers.iter_mut().enumerate() {
            let key = format!("k{nth}");
            let three = [
                command(&["GET", &key]),
                command(&["STRLEN", &key]),
                command(&["GET", &key]),
            ];
            reader.send_raw(&three.concat()).unwrap();
        }
        for (nth, reader) in readers.iter_mut().enumerate() {
            let value = format!("{round}/{nth}");
            assert_eq!(reader.reply().unwrap().text(), value);
            assert_eq!(reader.reply().unwrap(), Value::Int(value.len() as i64));
            assert_eq!(reader.reply().unwrap().text(), value);
            seen += 1;
        }
        assert!(paused.elapsed() < PROMPT, "{:?}", paused.elapsed());
        rescued += usize::from(is_parked(bed.server(0)));
        assert!(bed.server(0).command(&["CLIENT", "UNPAUSE"]).is_ok());
        assert!(writer.reply().unwrap().is_ok());
        // What is not known to read only has waited in its place.
        assert_eq!(mixed.reply().unwrap().text(), "before");
        assert_eq!(mixed.reply().unwrap(), Value::Int(round + 1));
        // The replies that nobody waits for any more are in nobody's way.
        for nth in 0..200 {
            let (at, token) = (nth % readers.len(), format!("token {nth}"));
            assert_eq!(readers[at].call(&["ECHO", &token]).text(), token);
        }
    }
    assert_eq!((seen, rescued), (60, 3));
}

#[test]
fn a_client_that_gives_up_on_an_answer_costs_others_nothing() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut others: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    others.iter_mut().for_each(is_served_promptly);
    assert!(
        bed.server(0)
            .command(&["CLIENT", "PAUSE", "60000", "WRITE"])
            .is_ok()
    );
    for _ in 0..5 {
        let mut hasty = proxy.connect();
        hasty.send(&["SET", "k", "hasty"]).unwrap();
        assert!(hasty.reply_within(Duration::from_millis(100)).is_err());
        drop(hasty);
        others.iter_mut().for_each(is_served_promptly);
    }
    assert!(bed.server(0).command(&["CLIENT", "UNPAUSE"]).is_ok());
    for nth in 0..100 {
        let (at, token) = (nth % others.len(), format!("token {nth}"));
        assert_eq!(others[at].call(&["ECHO", &token]).text(), token);
    }
    let mut count = 0;
    // What was sent was sent, as it would have been without us.
    wait_until(SOON, "what was sent is executed", || {
        count += 1;
        others[count % 10].call(&["GET", "k"]).text() == "hasty"
    });
}

#[test]
fn a_slow_command_mixes_up_nothing() {
    let bed = Bed::lonely();
    let proxy = alone_on_a_worker(&bed);
    let mut others: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    others.iter_mut().for_each(is_served_promptly);
    let spin =
        "local t = redis.call('TIME')[1] + 1 while redis.call('TIME')[1] + 0 <= t do end return 7";
    let mut slow = proxy.connect();
    slow.send(&["EVAL", spin, "0"]).unwrap();
    for (nth, client) in others.iter_mut().enumerate() {
        client.send(&["ECHO", &format!("token {nth}")]).unwrap();
    }
    for (nth, client) in others.iter_mut().enumerate() {
        assert_eq!(client.reply().unwrap().text(), format!("token {nth}"));
    }
    assert_eq!(slow.reply().unwrap(), Value::Int(7));
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
fn who_does_not_read_is_in_nobodys_way() {
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
    // It has a link of its own by then, where the server waits for it.
    for _ in 0..1000 {
        assert!(greedy.reply().unwrap().text() == value);
    }
}

#[test]
fn who_does_not_read_more_than_may_be_kept_is_closed_and_nobody_else() {
    let bed = Bed::lonely();
    let limit = sharing(&bed).flag("--client-output-limit", "4MiB");
    let proxy = limit.flag("--workers", "1").start_ready();
    let mut others: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    let value = "v".repeat(1_000_000);
    assert!(others[0].call(&["SET", "large", &value]).is_ok());
    others.iter_mut().for_each(is_served_promptly);
    let before = asked_for(bed.server(0));
    let mut greedy = proxy.connect();
    greedy
        // A read would be asked for again, where the server keeps what is not taken.
        .send_raw(&command(&["GETEX", "large"]).repeat(60))
        .unwrap();
    wait_until(SOON, "it is closed", || {
        others.iter_mut().for_each(is_served_promptly);
        !proxy.events("client_too_slow").is_empty()
    });
    let mut got = 0;
    while greedy.reply().is_ok_and(|reply| reply.text() == value) {
        got += 1;
    }
    assert!(got < 60, "it got all of them");
    for nth in 0..100 {
        let (at, token) = (nth % others.len(), format!("token {nth}"));
        assert_eq!(others[at].call(&["ECHO", &token]).text(), token);
    }
    let dialled = asked_for(bed.server(0)) - before;
    // Heartbeats and this test have some of their own.
    assert!(dialled < 20, "{dialled} connections");
    let peak = proxy.peak_rss_kib();
    assert!(peak < 100 * 1024, "{peak} KiB");
}

#[test]
fn those_who_do_not_read_more_than_may_be_kept_for_all_are_closed_and_nobody_else() {
    let bed = Bed::lonely();
    let limit = sharing(&bed).flag("--max-output-bytes", "8MiB");
    let proxy = limit.flag("--workers", "1").start_ready();
    let mut other = proxy.connect();
    let value = "v".repeat(1_000_000);
    assert!(other.call(&["SET", "large", &value]).is_ok());
    // None of them comes near what one alone may leave unread: 64 MiB.
    let mut greedy: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    for client in &mut greedy {
        let asked = command(&["GETEX", "large"]).repeat(40);
        client.send_raw(&asked).unwrap();
    }
    wait_until(SOON, "some are closed", || {
        is_served_promptly(&mut other);
        !proxy.events("client_too_slow").is_empty()
    });
    let got_all = |client: &mut Client| (0..40).all(|_| client.reply().is_ok());
    let served = greedy.iter_mut().map(got_all).filter(|all| *all).count();
    assert!(served < greedy.len(), "all got all");
    is_served_promptly(&mut other);
    let peak = proxy.peak_rss_kib();
    assert!(peak < 100 * 1024, "{peak} KiB");
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
