//! Commands that wait for a primary when the process is asked to stop.

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;

use super::{SOON, told, wait_closed};

/// A proxy whose primary is gone, and a client whose command waits for it.
fn outage(bed: &Bed, drain_timeout: &str) -> (Proxy, Client) {
    let proxy = Proxy::for_bed(bed)
        .flag("--hold-timeout", "600s")
        .flag("--drain-timeout", drain_timeout)
        .start_ready();
    let mut client = proxy.connect();
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    bed.primary().kill();
    wait_until(SOON, "the loss is noticed", || proxy.gate_is("shut"));
    client.send(&["SET", "held", "1"]).unwrap();
    let held = || proxy.status()["totals"]["held"] == 1;
    wait_until(SOON, "it is held", held);
    (proxy, client)
}

#[test]
fn a_held_command_is_executed_when_the_primary_is_back_in_time() {
    let bed = Bed::lonely();
    let (proxy, mut client) = outage(&bed, "600s");
    proxy.terminate();
    wait_closed(&proxy);
    bed.primary().restart();
    assert!(client.reply_within(SOON).unwrap().is_ok());
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (1, 0));
}

#[test]
fn a_held_command_fails_in_the_end_and_is_never_executed() {
    let bed = Bed::lonely();
    let (proxy, mut client) = outage(&bed, "3s");
    proxy.terminate();
    let reply = client.reply_within(SOON).unwrap();
    assert!(reply.is_error("MASTERDOWN"), "{reply:?}");
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (1, 1));
    bed.primary().restart();
    assert_eq!(bed.primary().command(&["EXISTS", "held"]), Value::Int(0));
}
