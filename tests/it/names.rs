//! Goal: names are followed when they move. Method: a private `/etc/hosts` for the processes of
//! the test, in a mount namespace of their own; needs root.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT, Start, wait_until};
use crate::fakes::FlakyProxy;
use crate::partition::{is_root, skip};
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

/// Makes `name` mean `ip` for everybody who sees `hosts`; in place, because it is bind-mounted.
fn point(hosts: &Path, name: &str, ip: &str) {
    fs::write(hosts, format!("127.0.0.1 localhost\n{ip} {name}\n")).unwrap();
}

#[test]
fn a_sentinel_name_that_moves_is_followed() {
    if !is_root() {
        return skip("names", "a private /etc/hosts needs root");
    }
    let bed = Bed::builder().sentinels(1).start();
    let hosts = bed.dir().join("hosts");
    let sentinel = bed.sentinel(0);
    let here = FlakyProxy::start_on(Ipv4Addr::new(127, 0, 0, 2), 0, sentinel.addr());
    let port = here.addr().port();
    // Nobody is there yet: the name comes up later than the proxy.
    point(&hosts, "sentinel.test", "127.0.0.4");
    let proxy = Proxy::of(&[format!("sentinel.test:{port}")], bed.name())
        .flag("--sentinel-discovery", "off")
        .hosts(&hosts)
        .start();
    wait_until(SOON, "it says why it waits", || proxy.gate_is("shut"));
    point(&hosts, "sentinel.test", "127.0.0.2");
    let moved = Start::now();
    proxy.wait_primary(SOON, bed.server(0).addr());
    moved.within(Duration::from_secs(3));
    let there = FlakyProxy::start_on(Ipv4Addr::new(127, 0, 0, 3), port, sentinel.addr());
    point(&hosts, "sentinel.test", "127.0.0.3");
    drop(here);
    wait_until(SOON, "it asks at the new place", || there.accepted() > 0);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
}

#[test]
fn a_primary_known_by_name_is_followed_to_its_new_address() {
    if !is_root() {
        return skip("names", "a private /etc/hosts needs root");
    }
    let dir = tempfile::tempdir().unwrap();
    let hosts = dir.path().join("hosts");
    point(&hosts, "primary.test", "127.0.0.1");
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .names(&hosts, "primary.test")
        .start();
    let proxy = Proxy::for_bed(&bed)
        .hosts(&hosts)
        .flag("--hold-timeout", "20s")
        .start_ready();
    let server = bed.server(0);
    let mut before = proxy.connect();
    assert_eq!(before.node_port(), server.port());
    server.kill();
    let door = FlakyProxy::start_on(Ipv4Addr::new(127, 0, 0, 2), server.port(), server.addr());
    point(&hosts, "primary.test", "127.0.0.2");
    server.restart();
    let moved = Start::now();
    // Only the new address counts: the other one is reached by the same server here.
    wait_until(SOON, "sessions go by the new address", || {
        let served = proxy
            .connect()
            .try_call(&["SET", "k", "v"])
            .is_ok_and(|reply| reply.is_ok());
        served && door.accepted() > 0
    });
    moved.within(Duration::from_secs(4));
}
