//! After a failover all links come back at once; with TLS that must not cost the new primary a full
//! handshake for each.

use super::all_legs;
use crate::bed::{Bed, FAILOVER_LIMIT};
use crate::client::Client;
use crate::pki::Secured;
use crate::proxy::Proxy;

const CLIENTS: usize = 200;
/// Not all resume: dials that are under way before the first ticket has come, 64 at once and a
/// second wave where the machine is busy, have nothing to resume.
const FULL_MAX: usize = CLIENTS * 3 / 4;

#[test]
fn a_failover_makes_no_stampede_of_full_handshakes() {
    let by = Secured::new();
    let bed = Bed::builder().alone().secured(&by).start();
    let proxy = all_legs(Proxy::for_bed(&bed), &by)
        .flag("--workers", "1")
        // A link for each client: so many handshakes are what a stampede is.
        .flag("--pool", "session")
        .flag("--log-level", "debug")
        .start_ready();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| proxy.connect()).collect();
    let all_served = |clients: &mut Vec<Client>| {
        for client in clients.iter_mut() {
            client.send(&["INCR", "n"]).unwrap();
        }
        for client in clients {
            assert!(client.reply().unwrap().error().is_none());
        }
    };
    all_served(&mut clients);
    let old = bed.primary().addr();
    let recorder = bed.record();
    bed.begin_failover(0);
    let new = recorder.first_named(old, 0).address;
    proxy.wait_primary(FAILOVER_LIMIT, new);
    all_served(&mut clients);
    let links: Vec<_> = proxy
        .events("tls_secured")
        .into_iter()
        .filter(|secured| secured["peer"] == new.to_string())
        .collect();
    let full = links.iter().filter(|link| link["resumed"] == false).count();
    eprintln!("{full} full handshakes of {}", links.len());
    assert!(links.len() >= CLIENTS, "{}", links.len());
    assert!(full <= FULL_MAX, "{full} full handshakes");
}
