//! After a failover all links come back at once; with TLS that must not cost the new primary a full
//! handshake for each.

use std::net::SocketAddr;

use super::all_legs;
use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::client::Client;
use crate::metrics::Scrape;
use crate::pki::Secured;
use crate::proxy::Proxy;

const CLIENTS: usize = 200;
/// Not all resume at a node that is new: dials that are under way before the first ticket has come, 64
/// at once and a second wave where the machine is busy, have nothing to resume.
const FULL_MAX: usize = CLIENTS * 3 / 4;
/// At a node seen before there are tickets from the beginning: 128 are kept, and each link brings new
/// ones for those that come after it.
const FULL_AGAIN_MAX: usize = CLIENTS / 4;

/// One link for each client: so many handshakes are what a stampede is.
fn proxy_with_links_of_their_own(bed: &Bed, by: &Secured) -> Proxy {
    all_legs(Proxy::for_bed(bed), by)
        .flag("--workers", "1")
        .flag("--pool", "session")
        .flag("--log-level", "debug")
        .start_ready()
}

fn all_served(clients: &mut [Client]) {
    for client in clients.iter_mut() {
        client.send(&["INCR", "n"]).unwrap();
    }
    for client in clients {
        assert!(client.reply().unwrap().error().is_none());
    }
}

/// A planned failover, to the one other node there is.
fn switch(bed: &Bed, proxy: &Proxy) -> SocketAddr {
    let old = bed.primary().addr();
    bed.begin_failover(0);
    let new = bed.wait_promoted(old.port()).addr();
    proxy.wait_primary(FAILOVER_LIMIT, new);
    new
}

/// Handshakes with data nodes so far, full ones and resumed ones, as `/metrics` has them.
fn handshakes(proxy: &Proxy) -> (usize, usize) {
    let scrape = Scrape::of(proxy);
    let of = |kind| {
        let labels = [("leg", "upstream"), ("kind", kind)];
        scrape.count("steadfast_tls_handshakes_total", &labels)
    };
    (of("full"), of("resumed"))
}

#[test]
fn a_failover_makes_no_stampede_of_full_handshakes() {
    let by = Secured::new();
    let bed = Bed::builder().alone().secured(&by).start();
    let proxy = proxy_with_links_of_their_own(&bed, &by);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| proxy.connect()).collect();
    all_served(&mut clients);
    let old = bed.primary().addr();
    let recorder = bed.record();
    bed.begin_failover(0);
    let new = recorder.first_named(old, 0).address;
    proxy.wait_primary(FAILOVER_LIMIT, new);
    all_served(&mut clients);
    let secured = || {
        let all = proxy.events("tls_secured").into_iter();
        all.filter(|secured| secured["peer"] == new.to_string())
    };
    wait_until(FAILOVER_LIMIT, "the log tells of every link", || {
        secured().count() >= CLIENTS
    });
    let links: Vec<_> = secured().collect();
    let full = links.iter().filter(|link| link["resumed"] == false).count();
    eprintln!("{full} full handshakes of {}", links.len());
    assert!(full <= FULL_MAX, "{full} full handshakes");
}

#[test]
fn most_links_to_a_node_seen_before_are_resumed_and_the_figures_say_so() {
    let by = Secured::new();
    let bed = Bed::builder().alone().replicas(1).secured(&by).start();
    let proxy = proxy_with_links_of_their_own(&bed, &by);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| proxy.connect()).collect();
    all_served(&mut clients);
    let first = bed.primary().addr();
    switch(&bed, &proxy);
    all_served(&mut clients);
    // The old primary is to be a replica again before it can be chosen.
    wait_until(FAILOVER_LIMIT, "the old primary follows", || {
        bed.is_quiet() && bed.server_at(first).role() == "slave"
    });
    bed.wait_whole();
    let (full_before, resumed_before) = handshakes(&proxy);
    assert!(full_before > 0, "somebody was new");
    assert_eq!(switch(&bed, &proxy), first);
    all_served(&mut clients);
    let (full, resumed) = handshakes(&proxy);
    let (full, resumed) = (full - full_before, resumed - resumed_before);
    eprintln!("back at a node seen before: {full} full handshakes, {resumed} resumed");
    assert!(full + resumed >= CLIENTS, "{full} and {resumed}");
    assert!(full <= FULL_AGAIN_MAX, "{full} full handshakes");
}
