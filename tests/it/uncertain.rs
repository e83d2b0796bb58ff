//! Goal: what cannot be known is said as the operator wants it, and in bounds. Method: a server that
//! ends the connection instead of answering.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::bed::wait_until;
use crate::client::command;
use crate::fakes::{FakeSentinel, FakeServer, Reaction};
use crate::proxy::{Builder, Proxy};
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

fn in_front_of(server: &FakeServer) -> (FakeSentinel, Builder) {
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster");
    (sentinel, proxy.flag("--sentinel-discovery", "off"))
}

/// From the first SET on no command of a client is answered; the connection ends with INCR, and all
/// is well.
fn closing_on_incr() -> FakeServer {
    let silent = AtomicBool::new(false);
    FakeServer::start(move |words| match words[0].as_str() {
        "SET" => {
            silent.store(true, Ordering::SeqCst);
            Reaction::Nothing
        }
        "INCR" => {
            silent.store(false, Ordering::SeqCst);
            Reaction::ReplyAndClose(Vec::new())
        }
        "GET" if silent.load(Ordering::SeqCst) => Reaction::Nothing,
        _ => Reaction::AsUsual,
    })
}

/// A read that is answered, a write that is not, a read that is to be asked again, a write
/// with which the connection ends, and one that was on its way by then.
fn pipeline() -> Vec<u8> {
    let commands: [&[&str]; 5] = [
        &["GET", "before"],
        &["SET", "k", "v"],
        &["GET", "between"],
        &["INCR", "n"],
        &["LPUSH", "after", "x"],
    ];
    commands.iter().flat_map(|words| command(words)).collect()
}

#[test]
fn by_default_it_is_said_and_the_connection_goes_on() {
    let server = closing_on_incr();
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.start_ready();
    let mut client = proxy.connect();
    client.send_raw(&pipeline()).unwrap();
    assert_eq!(client.reply().unwrap(), Value::Null);
    for expected in ["UNCERTAIN", "", "UNCERTAIN"] {
        let reply = client.reply().unwrap();
        let error = reply.error().unwrap_or_default().to_owned();
        assert!(error.starts_with(expected) && error.is_empty() == expected.is_empty());
    }
    let last = client.reply().unwrap();
    assert!(
        last.error()
            .is_some_and(|error| error.starts_with("UNCERTAIN"))
    );
    assert_eq!(client.call(&["GET", "k"]), Value::Null);
    assert_eq!(proxy.status()["totals"]["uncertain"].as_u64(), Some(3));
}

#[test]
fn with_close_the_connection_ends_where_it_would_be_said() {
    let server = closing_on_incr();
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.flag("--on-uncertain", "close").start_ready();
    let mut client = proxy.connect();
    client.send_raw(&pipeline()).unwrap();
    assert_eq!(client.reply().unwrap(), Value::Null, "what came before");
    assert!(client.closed_within(SOON).is_some(), "then nothing more");
    assert_eq!(proxy.status()["totals"]["uncertain"].as_u64(), Some(3));
    let mut other = proxy.connect();
    assert_eq!(other.call(&["GET", "k"]), Value::Null);
    assert!(server.count("between") <= 1, "nobody waits for it");
}

#[test]
fn with_close_what_is_due_before_is_asked_again_and_delivered() {
    let server = FakeServer::start({
        let asked = AtomicUsize::new(0);
        move |words| match words[0].as_str() {
            "STRLEN" if asked.fetch_add(1, Ordering::SeqCst) == 0 => Reaction::Nothing,
            "STRLEN" => Reaction::Reply(b":7\r\n".to_vec()),
            "INCR" => Reaction::ReplyAndClose(Vec::new()),
            _ => Reaction::AsUsual,
        }
    });
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.flag("--on-uncertain", "close").start_ready();
    let mut client = proxy.connect();
    let commands: [&[&str]; 3] = [&["STRLEN", "k"], &["INCR", "n"], &["LPUSH", "after", "x"]];
    let bytes: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
    client.send_raw(&bytes).unwrap();
    assert_eq!(client.reply().unwrap(), Value::Int(7));
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(server.count("STRLEN"), 2);
}

#[test]
fn with_close_a_client_that_has_left_all_to_a_known_fate_stays() {
    let server = closing_on_incr();
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.flag("--on-uncertain", "close").start_ready();
    let mut known = proxy.connect();
    assert_eq!(known.call(&["GET", "k"]), Value::Null);
    let mut unknown = proxy.connect();
    unknown.send(&["INCR", "n"]).unwrap();
    assert!(unknown.closed_within(SOON).is_some());
    assert_eq!(known.call(&["GET", "k"]), Value::Null);
}

/// On a link that is shared a client has too few commands in flight for any of this.
const APART: (&str, &str) = ("--pool", "session");

/// Commands that a server swallows, more than are told of one by one.
fn flood(proxy: &Proxy, commands: usize) -> crate::client::Client {
    let mut client = proxy.connect();
    let one = command(&["SET", "k", "v"]);
    for _ in 0..commands / 1000 {
        client.send_raw(&one.repeat(1000)).unwrap();
    }
    client.send(&["INCR", "n"]).unwrap();
    client
}

#[test]
fn a_flood_of_what_cannot_be_known_ends_the_connection_and_costs_little() {
    let server = closing_on_incr();
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.flag(APART.0, APART.1).start_ready();
    let mut client = flood(&proxy, 400_000);
    assert!(client.closed_within(SOON).is_some());
    let peak = proxy.peak_rss_kib();
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(proxy.connect().call(&["GET", "k"]), Value::Null);
}

#[test]
fn a_large_pipeline_is_told_of_one_by_one() {
    let server = closing_on_incr();
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.flag(APART.0, APART.1).start_ready();
    let commands = 50_000;
    let mut client = flood(&proxy, commands);
    for _ in 0..=commands {
        let reply = client.reply().unwrap();
        let error = reply.error().unwrap_or_default().to_owned();
        assert!(error.starts_with("UNCERTAIN"), "{reply:?}");
    }
}

#[test]
fn what_was_in_flight_and_may_not_be_held_is_answered_for() {
    let server = FakeServer::start(|words| match words[0].as_str() {
        "STRLEN" => Reaction::Nothing,
        "INCR" => Reaction::ReplyAndClose(Vec::new()),
        _ => Reaction::AsUsual,
    });
    let (_sentinel, proxy) = in_front_of(&server);
    let proxy = proxy.flag("--max-held-bytes", "1KiB");
    let proxy = proxy.flag(APART.0, APART.1).start_ready();
    let mut client = proxy.connect();
    let reads = [
        command(&["STRLEN", &"a".repeat(600)]),
        command(&["STRLEN", &"b".repeat(600)]),
        command(&["INCR", "n"]),
    ];
    client.send_raw(&reads.concat()).unwrap();
    // The first finds room and waits for ever, as it did before; a neighbour is not concerned.
    assert_eq!(proxy.connect().call(&["GET", "k"]), Value::Null);
    let asked = |key: &str| server.count(&format!("STRLEN\r\n$600\r\n{key}"));
    wait_until(SOON, "asked again", || asked("a") == 2);
    assert_eq!(asked("b"), 1, "no room for it");
    assert_eq!(proxy.status()["totals"]["uncertain"].as_u64(), Some(2));
}
