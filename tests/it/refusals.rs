//! Goal: a refusal that proves that nothing was executed never reaches a client as it stands. Method:
//! a server that calls itself a primary and refuses what it gets as a replica would.

use std::time::Duration;

use crate::client::{Client, command};
use crate::fakes::{FakeSentinel, FakeServer, Reaction};
use crate::proxy::Proxy;
use crate::value::Value;

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

/// A client whose link is there: what it sends is not kept meanwhile.
fn connected(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
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
