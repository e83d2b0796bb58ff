//! Goal: a refusal that proves that nothing was executed never reaches a client as it stands. Method:
//! a server that calls itself a primary and refuses what it gets as a replica would.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::bed::wait_until;
use crate::client::{Client, command};
use crate::fakes::{FakeSentinel, FakeServer, Reaction};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
const READONLY: &str = "-READONLY You can't write against a read only replica.\r\n";
/// Longer than what is kept of one command.
const LARGE: usize = 200_000;

fn in_front_of(server: &FakeServer) -> (FakeSentinel, Proxy) {
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--sentinel-discovery", "off")
        .start_ready();
    (sentinel, proxy)
}

fn refusing(name: &'static str) -> FakeServer {
    FakeServer::start(move |words| match words[0].as_str() {
        it if it == name => Reaction::Reply(READONLY.into()),
        _ => Reaction::AsUsual,
    })
}

/// A client whose link, of its own, is there: what it sends is not kept meanwhile.
fn connected(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    // What nobody knows ties it to its link.
    client.call(&["NO.SUCH"]);
    assert_eq!(client.call(&["GET", "k"]), Value::Null);
    client
}

#[test]
fn a_large_command_that_was_refused_is_told_as_not_executed() {
    let server = refusing("SET");
    let (_sentinel, proxy) = in_front_of(&server);
    let mut client = connected(&proxy);
    let reply = client.call(&["SET", "k", &"v".repeat(LARGE)]);
    let error = reply.error().unwrap_or_default();
    assert!(error.starts_with("MASTERDOWN steadfast: "), "{reply:?}");
    assert!(error.ends_with("the command was NOT executed"), "{reply:?}");
    assert_eq!(client.call(&["GET", "k"]), Value::Null, "it lives on");
}

#[test]
fn a_transaction_with_a_large_command_that_was_refused_is_aborted() {
    let server = refusing("APPEND");
    let (_sentinel, proxy) = in_front_of(&server);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    let reply = client.call(&["APPEND", "k", &"v".repeat(LARGE)]);
    assert_eq!(reply.text(), "QUEUED");
    let reply = client.call(&["EXEC"]);
    let error = reply.error().unwrap_or_default();
    assert!(error.starts_with("EXECABORT"), "{reply:?}");
    assert_eq!(server.count("EXEC"), 0);
}

#[test]
fn what_was_sent_behind_a_large_refused_command_is_served() {
    let server = refusing("SET");
    let (_sentinel, proxy) = in_front_of(&server);
    let mut client = connected(&proxy);
    let mut bytes = command(&["SET", "k", &"v".repeat(LARGE)]);
    bytes.extend(command(&["GET", "k"]));
    client.send_raw(&bytes).unwrap();
    let first = client.reply().unwrap();
    assert!(first.error().is_some_and(|it| it.starts_with("MASTERDOWN")));
    let second = client.reply_within(Duration::from_secs(10)).unwrap();
    assert_eq!(second, Value::Null);
}

/// Answers the MULTIs it gets with these, one after the other; none is silence, in which it also
/// queues. The first INCR ends its connection.
fn answering_multi(answers: &'static [Option<&'static str>]) -> FakeServer {
    let asked = AtomicUsize::new(0);
    FakeServer::start(move |words| match words[0].as_str() {
        "MULTI" => {
            let nth = asked.fetch_add(1, Ordering::SeqCst);
            let answer = answers.get(nth).copied().flatten();
            answer.map_or(Reaction::Nothing, |text| Reaction::Reply(text.into()))
        }
        "SET" => match answers.get(asked.load(Ordering::SeqCst) - 1) {
            Some(Some(_)) => Reaction::Reply(b"+QUEUED\r\n".to_vec()),
            _ => Reaction::Nothing,
        },
        "INCR" => Reaction::ReplyAndClose(Vec::new()),
        _ => Reaction::AsUsual,
    })
}

const GRANTED: Option<&str> = Some("+OK\r\n");
const DENIED: Option<&str> = Some("-NOPERM this user has no permissions\r\n");

#[test]
fn a_queue_is_not_sent_again_where_its_transaction_is_denied() {
    let server = answering_multi(&[GRANTED, DENIED]);
    let (_sentinel, proxy) = in_front_of(&server);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    client.send(&["INCR", "n"]).unwrap();
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(server.count("MULTI"), 2);
    assert_eq!(server.count("SET"), 1, "by itself it would be executed");
    assert_eq!(server.count("INCR"), 1);
}

#[test]
fn a_pipelined_transaction_is_not_sent_again_where_it_is_denied() {
    let server = answering_multi(&[GRANTED, None, DENIED]);
    let (_sentinel, proxy) = in_front_of(&server);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert!(client.call(&["DISCARD"]).is_ok());
    let mut bytes = command(&["MULTI"]);
    bytes.extend(command(&["SET", "k", "v"]));
    bytes.extend(command(&["INCR", "n"]));
    client.send_raw(&bytes).unwrap();
    let denied = client.reply_within(SOON).unwrap();
    assert!(denied.error().is_some_and(|it| it.starts_with("NOPERM")));
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(server.count("MULTI"), 3);
    assert_eq!(server.count("INCR"), 1, "by itself it would be executed");
    assert_eq!(server.count("SET"), 1);
}

#[test]
fn a_queue_is_sent_again_once_its_transaction_is_granted() {
    let server = answering_multi(&[GRANTED, GRANTED]);
    let (_sentinel, proxy) = in_front_of(&server);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    client.send(&["INCR", "n"]).unwrap();
    wait_until(SOON, "all of it", || server.count("INCR") >= 2);
    let received = String::from_utf8_lossy(&server.received()).into_owned();
    // Cut again at its second INCR, it may be on its way a third time by now.
    let second = received.split("MULTI").nth(2).unwrap();
    let places = ["SET", "INCR"].map(|word| second.find(word).expect(word));
    assert!(places.is_sorted(), "{second}");
}
