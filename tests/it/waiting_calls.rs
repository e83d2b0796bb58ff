//! Goal: what a client sends after a call that waits is executed after it, also when that call has to
//! be asked again. Method: both in one write, a link or a primary lost while the call waits, and a look
//! at what the node has by then.

use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: std::time::Duration = std::time::Duration::from_secs(10);

fn pop_then_log(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    let mut bytes = command(&["BLPOP", "jobs", "0"]);
    bytes.extend(command(&["RPUSH", "log", "after"]));
    bytes.extend(command(&["LRANGE", "log", "0", "-1"]));
    client.send_raw(&bytes).unwrap();
    client
}

fn wait_blocked(bed: &Bed) {
    wait_until(SOON, "the call waits", || {
        bed.primary().info("blocked_clients") == "1"
    });
}

/// Nothing after the call has been executed; once it is answered, all is.
fn ends_in_order(bed: &Bed, mut client: Client) {
    let primary = bed.primary();
    assert_eq!(primary.command(&["LLEN", "log"]), Value::Int(0));
    primary.command(&["RPUSH", "jobs", "one"]);
    let popped = client.reply_within(SOON).unwrap();
    assert_eq!((popped.at(0), popped.at(1)), ("jobs".into(), "one".into()));
    assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(1));
    assert_eq!(client.reply_within(SOON).unwrap().at(0), "after");
}

#[test]
fn what_follows_a_call_that_waits_is_not_executed_before_it() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let client = pop_then_log(&proxy);
    wait_blocked(&bed);
    ends_in_order(&bed, client);
}

#[test]
fn it_waits_over_a_lost_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let client = pop_then_log(&proxy);
    wait_blocked(&bed);
    bed.primary().cut_links();
    wait_blocked(&bed);
    ends_in_order(&bed, client);
}

#[test]
fn it_waits_over_a_planned_failover() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let client = pop_then_log(&proxy);
    wait_blocked(&bed);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    wait_until(SOON, "the call waits again", || {
        new.info("blocked_clients") == "1"
    });
    assert_eq!(new.command(&["LLEN", "log"]), Value::Int(0));
    new.command(&["RPUSH", "jobs", "one"]);
    let mut client = client;
    let popped = client.reply_within(SOON).unwrap();
    assert_eq!(popped.at(1), "one");
    assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(1));
}

/// A client that is gone waits for nothing.
#[test]
fn a_client_that_leaves_takes_what_follows_with_it() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let client = pop_then_log(&proxy);
    wait_blocked(&bed);
    drop(client);
    wait_until(SOON, "nobody waits any more", || {
        bed.primary().info("blocked_clients") == "0"
    });
    assert_eq!(bed.primary().command(&["LLEN", "log"]), Value::Int(0));
}
