//! Goal: an iteration that goes on with a cursor of another node is said to be over, or counted.
//! Method: a real failover between two calls of SCAN and its kin.

use std::time::Duration;

use crate::bed::Bed;
use crate::client::Client;
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

fn fill(client: &mut Client) {
    for n in 0..600 {
        let n = n.to_string();
        client.call(&["SET", &format!("key:{n}"), &n]);
        client.call(&["SADD", "set", &format!("member {n}")]);
    }
}

/// The cursor to go on with.
#[track_caller]
fn scan(client: &mut Client, args: &[&str]) -> String {
    let reply = client.call(args);
    assert_eq!(reply.items().len(), 2, "{reply:?}");
    reply.at(0)
}

fn switch(bed: &Bed, proxy: &Proxy) {
    let new = bed.failover();
    proxy.wait_primary(SOON, new.addr());
}

fn outdated(proxy: &Proxy) -> u64 {
    proxy.status()["totals"]["outdated_cursors"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_cursor_of_another_node_is_refused() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    fill(&mut client);
    let cursor = scan(&mut client, &["SCAN", "0"]);
    assert_ne!(scan(&mut client, &["SCAN", &cursor]), "0");
    let members = scan(&mut client, &["SSCAN", "set", "0"]);
    let mut finished = proxy.connect();
    assert_eq!(scan(&mut finished, &["SCAN", "0", "COUNT", "5000"]), "0");
    switch(&bed, &proxy);
    for line in [&["SCAN", &cursor][..], &["SSCAN", "set", &members]] {
        let told = client.call(line);
        let error = told.error().unwrap_or_default();
        assert!(error.starts_with("ERR steadfast: this cursor"), "{told:?}");
    }
    assert_eq!(outdated(&proxy), 2);
    let cursor = scan(&mut client, &["SCAN", "0"]);
    assert_ne!(scan(&mut client, &["SCAN", &cursor]), "0");
    scan(&mut finished, &["SCAN", &cursor]);
    assert_eq!(outdated(&proxy), 2, "who had finished may go on anywhere");
}

#[test]
fn a_cursor_of_another_node_is_passed_on_and_counted_where_that_is_wished() {
    let bed = Bed::usual();
    let proxy = Proxy::for_bed(&bed)
        .flag("--scan-on-failover", "pass")
        .start_ready();
    let mut client = proxy.connect();
    fill(&mut client);
    let cursor = scan(&mut client, &["SCAN", "0"]);
    switch(&bed, &proxy);
    let next = scan(&mut client, &["SCAN", &cursor]);
    scan(&mut client, &["SCAN", &next]);
    assert_eq!(outdated(&proxy), 1);
}
