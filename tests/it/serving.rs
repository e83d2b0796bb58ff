//! Goal: in quiet times nobody can tell that a proxy is there. Method: a healthy bed, raw bytes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::bed::{Bed, holds_for, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

fn small() -> (Bed, Proxy) {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    (bed, proxy)
}

#[test]
fn replies_come_in_order_byte_for_byte() {
    let (bed, proxy) = small();
    let commands: [&[&str]; 8] = [
        &["SET", "k", "a\r\nb"],
        &["GET", "k"],
        &["GET", "absent"],
        &["INCR", "n"],
        &["NOSUCH", "x"],
        &["RPUSH", "l", "1", "2", ""],
        &["LRANGE", "l", "0", "-1"],
        &["OBJECT", "ENCODING", "n"],
    ];
    let pipeline: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
    let ask = |mut client: Client| -> Vec<Vec<u8>> {
        client.send_raw(&pipeline).unwrap();
        let read = |_: &&[&str]| {
            client.reply().unwrap();
            client.raw().to_vec()
        };
        commands.iter().map(read).collect()
    };
    let through = ask(proxy.connect());
    bed.primary().command(&["FLUSHALL"]);
    assert_eq!(through, ask(bed.primary().connect()));
}

#[test]
fn a_command_may_arrive_one_byte_at_a_time() {
    let (_bed, proxy) = small();
    let mut client = proxy.connect();
    for byte in command(&["SET", "slow", "coach"]) {
        client.send_raw(&[byte]).unwrap();
    }
    assert!(client.reply().unwrap().is_ok());
    client.send_raw(b"PING\r\n").unwrap();
    assert_eq!(client.reply().unwrap(), Value::Simple("PONG".into()));
}

#[test]
fn connection_state_belongs_to_one_client() {
    let (_bed, proxy) = small();
    let (mut one, mut two) = (proxy.connect(), proxy.connect());
    assert!(one.call(&["SELECT", "3"]).is_ok());
    assert!(one.call(&["SET", "k", "three"]).is_ok());
    assert_eq!(two.call(&["GET", "k"]), Value::Null);
    assert!(one.call(&["WATCH", "k"]).is_ok());
    assert!(one.call(&["MULTI"]).is_ok());
    assert_eq!(one.call(&["GET", "k"]), Value::Simple("QUEUED".into()));
    assert_eq!(two.call(&["PING"]), Value::Simple("PONG".into()));
    assert_eq!(
        one.call(&["EXEC"]),
        Value::Array(vec![Value::Bulk(b"three".into())])
    );
    assert!(matches!(two.call(&["HELLO", "3"]), Value::Map(_)));
    assert_eq!(two.call(&["GET", "k"]), Value::Null);
    two.call(&["GET", "k"]);
    assert_eq!(two.raw(), b"_\r\n");
    one.call(&["GET", "absent"]);
    assert_eq!(one.raw(), b"$-1\r\n");
}

#[test]
fn a_thousand_writes_whose_clients_leave_at_once_are_all_executed() {
    let (bed, proxy) = small();
    for number in 0..1000 {
        let mut client = proxy.connect();
        client.send(&["INCR", &format!("gone:{number}")]).unwrap();
    }
    let server = bed.primary();
    wait_until(SOON, "all were executed", || {
        server.command(&["DBSIZE"]) == Value::Int(1000)
    });
    for number in [0, 499, 999] {
        assert_eq!(
            server.command(&["GET", &format!("gone:{number}")]).text(),
            "1"
        );
    }
}

#[test]
fn a_half_closed_client_still_gets_every_reply() {
    let (_bed, proxy) = small();
    let mut client = proxy.connect();
    let pipeline: Vec<u8> = (0..500).flat_map(|_| command(&["INCR", "n"])).collect();
    client.send_raw(&pipeline).unwrap();
    client.shutdown_write();
    for expected in 1..=500 {
        assert_eq!(client.reply().unwrap(), Value::Int(expected));
    }
    assert!(client.closed_within(SOON).is_some());
}

#[test]
fn quiet_subscribers_and_poppers_stay_and_hear() {
    let (bed, proxy) = small();
    let (mut subscriber, mut popper) = (proxy.connect(), proxy.connect());
    assert_eq!(subscriber.call(&["SUBSCRIBE", "news"]).at(0), "subscribe");
    popper.send(&["BLPOP", "queue", "0"]).unwrap();
    let quiet = Duration::from_secs(4);
    let pause = subscriber.reply_within(quiet).unwrap_err();
    assert_eq!(pause.kind(), std::io::ErrorKind::TimedOut);
    let pause = popper.reply_within(Duration::from_millis(1)).unwrap_err();
    assert_eq!(pause.kind(), std::io::ErrorKind::TimedOut);
    let server = bed.primary();
    assert_eq!(server.command(&["PUBLISH", "news", "hello"]), Value::Int(1));
    assert_eq!(subscriber.reply().unwrap().at(2), "hello");
    server.command(&["RPUSH", "queue", "job"]);
    assert_eq!(popper.reply().unwrap().at(1), "job");
}

#[test]
fn a_large_value_passes_and_is_never_held_whole() {
    const SIZE: usize = 64 << 20;
    let (_bed, proxy) = small();
    let mut client = proxy.connect();
    client.call(&["PING"]);
    let base = proxy.rss_kib();
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(proxy.rss_kib(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        let body = vec![b'v'; SIZE];
        client
            .send_raw(format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${SIZE}\r\n").as_bytes())
            .unwrap();
        client.send_raw(&body).unwrap();
        client.send_raw(b"\r\n").unwrap();
        let stored = client.reply();
        let read = client.try_call(&["GET", "big"]);
        done.store(true, Ordering::Relaxed);
        assert!(stored.unwrap().is_ok());
        assert!(
            read.unwrap() == Value::Bulk(body),
            "the value came back changed"
        );
    });
    let above = peak.into_inner().saturating_sub(base);
    assert!(
        above < 40 * 1024,
        "{above} KiB above its base of {base} KiB"
    );
}

#[test]
fn a_connection_without_a_command_never_reaches_the_server() {
    let (bed, proxy) = small();
    let count = || {
        bed.primary()
            .info("total_connections_received")
            .parse::<u64>()
            .unwrap()
    };
    let before = count();
    for _ in 0..100 {
        drop(proxy.connect());
    }
    assert!(proxy.connect().call(&["PING"]).error().is_none());
    let more = count() - before;
    assert!(
        more < 20,
        "{more} connections for one command and 100 probes"
    );
}

#[test]
fn descriptors_return_when_clients_vanish() {
    let (bed, proxy) = small();
    proxy.connect().call(&["PING"]);
    let links = || {
        bed.primary()
            .info("connected_clients")
            .parse::<usize>()
            .unwrap()
    };
    let (descriptors, connected) = (proxy.descriptors(), links());
    for round in 0..200 {
        let mut client = proxy.connect();
        match round % 3 {
            0 => client.send(&["BLPOP", "never", "0"]).unwrap(),
            1 => assert_eq!(client.call(&["SUBSCRIBE", "x"]).at(0), "subscribe"),
            _ => client.send_raw(b"*2\r\n$3\r\nGET\r\n$100\r\nhal").unwrap(),
        }
        client.reset();
    }
    wait_until(SOON, "descriptors are as before", || {
        proxy.descriptors() <= descriptors + 2
    });
    wait_until(SOON, "the server's clients are as before", || {
        links() <= connected + 2
    });
}

#[test]
fn words_of_demotion_inside_values_mean_nothing() {
    let (_bed, proxy) = small();
    let mut client = proxy.connect();
    let text = "-READONLY You can't write against a read only replica.\r\n";
    assert!(client.call(&["SET", "-READONLY", text]).is_ok());
    assert_eq!(client.call(&["GET", "-READONLY"]), Value::Bulk(text.into()));
    let error = client.call(&[
        "EVAL",
        "return redis.error_reply('MY -READONLY error')",
        "0",
    ]);
    assert_eq!(error.error(), Some("MY -READONLY error"));
    holds_for(Duration::from_millis(500), "nothing happened", || {
        proxy.generation() == 1
    });
    assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
}

#[test]
fn a_transaction_with_a_refused_command_is_not_executed() {
    let bed = Bed::builder().replicas(0).sentinels(1).start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    client.call(&["MULTI"]);
    assert_eq!(client.call(&["SET", "k", "1"]).text(), "QUEUED");
    let refused = client.call(&["SYNC"]);
    assert!(
        refused.error().unwrap().contains("steadfast"),
        "{refused:?}"
    );
    let end = client.call(&["EXEC"]);
    assert!(
        end.error().is_some_and(|e| e.starts_with("EXECABORT")),
        "{end:?}"
    );
    assert_eq!(client.call(&["EXISTS", "k"]).text(), "0");
}

#[test]
fn a_large_subscribe_inside_a_transaction_is_refused_too() {
    let bed = Bed::builder().replicas(0).sentinels(1).start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    client.call(&["MULTI"]);
    let (first, second) = ("a".repeat(100_000), "b".repeat(100_000));
    client.send(&["SUBSCRIBE", &first, &second]).unwrap();
    let refused = client.reply().unwrap();
    assert!(
        refused.error().unwrap().contains("steadfast"),
        "{refused:?}"
    );
}
