//! Goal: WAIT never counts a replica for what it may not have, whatever became of the link.
//! Method: real replicas, a link that is killed, and a user who may not publish.

use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

#[track_caller]
fn earns(client: &mut Client) {
    wait_until(SOON, "a replica is counted", || {
        client.call(&["INCR", "k"]);
        client.call(&["WAIT", "1", "1000"]).text() != "0"
    });
}

fn kill_links(bed: &Bed) {
    let kill = ["CLIENT", "KILL", "TYPE", "normal"];
    bed.server(0).command(&kill);
}

#[test]
fn who_may_not_publish_is_told_that_nobody_is_known_to_have_it() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let rules = ["on", ">p", "~*", "&*", "+@all", "-publish"];
    let user = [&["ACL", "SETUSER", "u"][..], &rules].concat();
    assert!(bed.server(0).command(&user).is_ok());
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "u", "p"]).is_ok());
    earns(&mut client);
    kill_links(&bed);
    for _ in 0..2 {
        assert_eq!(client.call(&["WAIT", "1", "100"]).text(), "0");
    }
    earns(&mut client);
}

#[test]
fn after_a_killed_link_the_replicas_that_have_all_are_counted() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    earns(&mut client);
    kill_links(&bed);
    let mut listener = bed.server(0).connect();
    listener.call(&["SUBSCRIBE", "__steadfast__:offset"]);
    for _ in 0..2 {
        assert_ne!(client.call(&["WAIT", "1", "5000"]).text(), "0");
    }
    assert_eq!(listener.reply().unwrap().at(1), "__steadfast__:offset");
    assert_eq!(listener.call(&["PING"]).at(0), "pong", "it was asked once");
}
