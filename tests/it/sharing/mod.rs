//! Goal: `--pool shared` turns many clients into a handful of connections, and nobody notices: each
//! gets its own replies, in order, with its own rights, whatever others do. Method: clients that know
//! what each reply must be, a server that counts connections, and neighbours that misbehave.

mod bulk;
mod busy;
mod crowd;
mod isolation;
mod pace;
mod reuse;
mod tagged;
mod transactions;
mod users;

use std::net::SocketAddr;
use std::time::Duration;

use crate::bed::{Bed, Node};
use crate::fakes::FakeSentinel;
use crate::proxy::{Builder, Proxy};

const SOON: Duration = Duration::from_secs(10);

fn sharing(bed: &Bed) -> Builder {
    Proxy::for_bed(bed).flag("--pool", "shared")
}

/// With one worker, whose links all clients share.
fn alone(bed: &Bed) -> Proxy {
    sharing(bed).flag("--workers", "1").start_ready()
}

/// As [`alone`], with nothing but what is at `address` for a primary.
fn in_front_of(address: SocketAddr) -> (FakeSentinel, Proxy) {
    let sentinel = FakeSentinel::start("mymaster", address, 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--pool", "shared")
        .flag("--workers", "1")
        .start_ready();
    (sentinel, proxy)
}

/// Connections of clients at a server, the one that asks included.
fn connections(server: &Node) -> usize {
    let listed = server.command(&["CLIENT", "LIST", "TYPE", "normal"]);
    listed.text().lines().count()
}

/// Connections a server was ever asked for.
fn asked_for(server: &Node) -> u64 {
    server.info("total_connections_received").parse().unwrap()
}
