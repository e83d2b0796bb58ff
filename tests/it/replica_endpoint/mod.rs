//! Goal: who only reads is served by healthy replicas, each an equal share, through failovers, and
//! nothing that is sent there changes anything. Method: real replicas, killed, frozen and promoted,
//! behind the endpoint of `--replica-listen`.

mod balance;
mod failovers;
mod refusals;
mod standing_in;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::{Builder, Proxy};

const SOON: Duration = Duration::from_secs(60);
const READONLY: &str = "READONLY You can't write against a read only replica.";

/// A proxy in front of `bed` with a read-only endpoint.
fn reading(bed: &Bed) -> Builder {
    Proxy::for_bed(bed).flag("--replica-listen", "127.0.0.1:0")
}

/// Where clients connect that only read.
fn entrance(proxy: &Proxy) -> SocketAddr {
    proxy.listeners("replica_clients")[0]
}

fn connect(proxy: &Proxy) -> Client {
    Client::connect(entrance(proxy))
}

/// Starts `builder` and waits until so many replicas serve.
#[track_caller]
fn serving(builder: Builder, replicas: usize) -> Proxy {
    let proxy = builder.start_ready();
    wait_healthy(&proxy, replicas);
    proxy
}

/// What the proxy knows of replicas.
fn told(proxy: &Proxy) -> Json {
    proxy.status()["replicas"].clone()
}

#[track_caller]
fn wait_healthy(proxy: &Proxy, replicas: usize) {
    wait_until(SOON, &format!("{replicas} replicas are healthy"), || {
        told(proxy)["healthy"] == replicas
    });
}

/// How many of these clients each node serves.
#[track_caller]
fn spread(clients: &mut [Client]) -> BTreeMap<u16, usize> {
    let mut spread = BTreeMap::new();
    for client in clients {
        *spread.entry(client.node_port()).or_default() += 1;
    }
    spread
}

/// Whether `nodes` of them serve, each so many clients as the others, give or take a tenth.
fn is_even(spread: &BTreeMap<u16, usize>, nodes: usize) -> bool {
    let clients: usize = spread.values().sum();
    let mean = clients as f64 / nodes as f64;
    let near = |count: &usize| (*count as f64 - mean).abs() <= (mean / 10.0).max(1.0);
    spread.len() == nodes && spread.values().all(near)
}

/// Waits until they are spread evenly over `nodes`, and returns how.
#[track_caller]
fn wait_even(clients: &mut [Client], nodes: usize) -> BTreeMap<u16, usize> {
    let started = Instant::now();
    loop {
        let spread = spread(clients);
        if is_even(&spread, nodes) {
            return spread;
        }
        let late = started.elapsed() > SOON;
        assert!(!late, "not even over {nodes} nodes: {spread:?}");
    }
}
