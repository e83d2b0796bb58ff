//! Goal: a transaction is executed as a whole or not at all, and is never said to be what it is not.
//! Method: links and primaries that are lost at every point between MULTI and the reply to EXEC.

use crate::bed::{Bed, wait_until};
use crate::client::command;
use crate::fakes::{FakeServer, Reaction};
use crate::hold::impatient;
use crate::proxy::{Proxy, in_front_of};
use crate::restoring::more_than_kept;
use crate::value::Value;

const SOON: std::time::Duration = std::time::Duration::from_secs(60);

fn demote(bed: &Bed) {
    let port = bed.server(1).port().to_string();
    let demoted = bed.server(0).command(&["REPLICAOF", "127.0.0.1", &port]);
    assert!(demoted.is_ok());
}

fn promote(bed: &Bed, proxy: &Proxy) {
    assert!(bed.server(0).command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    proxy.wait_primary(SOON, bed.server(0).addr());
}

#[test]
fn a_queue_the_server_found_fault_with_is_not_executed_on_another_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    assert!(client.call(&["NOSUCHCOMMAND"]).error().is_some());
    bed.primary().cut_links();
    let reply = client.call(&["EXEC"]);
    assert!(reply.is_error("EXECABORT"), "{reply:?}");
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}

#[test]
fn a_transaction_that_was_given_up_is_not_begun_again() {
    let (bed, proxy) = impatient();
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    demote(&bed);
    // The server discards it and says why; there is no primary until the hold is over.
    let reply = client.call(&["EXEC"]);
    assert!(reply.is_error("EXECABORT steadfast"), "{reply:?}");
    promote(&bed, &proxy);
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}

#[test]
fn what_follows_a_refused_multi_is_not_executed_by_itself() {
    let (bed, proxy) = impatient();
    let mut client = proxy.connect();
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
    demote(&bed);
    wait_until(SOON, "the demotion is noticed", || proxy.gate_is("shut"));
    client.send(&["MULTI"]).unwrap();
    let _refused_or_not = client.reply().unwrap();
    promote(&bed, &proxy);
    client.send(&["SET", "k", "v"]).unwrap();
    client.send(&["EXEC"]).unwrap();
    let _about_set = client.reply().unwrap();
    let reply = client.reply().unwrap();
    assert!(reply.is_error("EXECABORT"), "{reply:?}");
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}

#[test]
fn an_exec_that_was_written_is_uncertain_however_much_was_in_flight() {
    let server = FakeServer::start(|words| match words[0].as_str() {
        "MULTI" => Reaction::AsUsual,
        "SET" | "EXEC" => Reaction::Nothing,
        "INCR" => Reaction::ReplyAndClose(Vec::new()),
        _ => Reaction::AsUsual,
    });
    let (_sentinel, proxy) = in_front_of(server.addr());
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    let set = command(&["SET", "k", "v"]);
    let (_, more) = more_than_kept(&"v".repeat(1000));
    let count = 2;
    let mut bytes = set.repeat(count);
    bytes.extend(command(&["EXEC"]));
    bytes.extend(more);
    bytes.extend(command(&["INCR", "k"]));
    client.send_raw(&bytes).unwrap();
    for _ in 0..count {
        assert_eq!(client.reply().unwrap().text(), "QUEUED");
    }
    let reply = client.reply().unwrap();
    assert!(reply.is_error("UNCERTAIN"), "{reply:?}");
    let reply = client.reply().unwrap();
    assert!(reply.is_error("UNCERTAIN"), "{reply:?}");
}

#[test]
fn what_a_large_transaction_set_is_not_forgotten() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SELECT", "5"]).text(), "QUEUED");
    let large = "v".repeat(200_000);
    assert_eq!(client.call(&["SET", "k", &large]).text(), "QUEUED");
    assert_eq!(client.call(&["EXEC"]).items().len(), 2);
    bed.primary().cut_links();
    let _ = client.try_call(&["SET", "probe", "v"]);
    assert_eq!(bed.primary().command(&["EXISTS", "probe"]), Value::Int(0));
}

#[test]
fn a_large_part_of_a_lost_transaction_is_no_reason_to_close() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let large = "v".repeat(200_000);
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", &large]).text(), "QUEUED");
    bed.primary().cut_links();
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    assert_eq!(client.call(&["SET", "k", &large]).text(), "QUEUED");
    assert!(client.call(&["EXEC"]).is_error("EXECABORT"));
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}
