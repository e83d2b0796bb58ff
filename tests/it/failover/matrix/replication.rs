//! WAIT counts what this session wrote, so on another link it may not count what it finds there.

use super::stage::{SOON, is};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;

/// With every replica frozen, nobody can have received anything new.
#[track_caller]
fn earns_nothing<'a>(client: &mut Client, replicas: impl Iterator<Item = &'a Node> + Clone) {
    replicas.clone().for_each(Node::freeze);
    is(&client.call(&["WAIT", "1", "300"]), "0");
    replicas.for_each(Node::thaw);
}

/// A write that replicas have received is counted, if not by every means.
#[track_caller]
fn earns(client: &mut Client) {
    wait_until(SOON, "a replica is counted", || {
        client.call(&["INCR", "k"]);
        client.call(&["WAIT", "1", "1000"]).text() != "0"
    });
}

#[test]
fn wait_counts_nobody_it_did_not_reach_after_a_failover() {
    let bed = Bed::builder().down_after(4000).start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    earns(&mut client);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    let others = (0..3).map(|index| bed.server(index));
    let others = others.filter(|node| node.port() != new.port());
    earns_nothing(&mut client, others);
    earns(&mut client);
}

#[test]
fn wait_counts_nobody_it_did_not_reach_after_a_killed_link() {
    let bed = Bed::builder().down_after(4000).start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    earns(&mut client);
    let primary = bed.primary();
    primary.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    earns_nothing(&mut client, (1..3).map(|index| bed.server(index)));
    earns(&mut client);
}
