//! Goal: after a failover a crowd may come back at once. Method: many idle sessions, a planned
//! failover, and all of them reconnecting the moment they are cut.

use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, FAILOVER_LIMIT};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::soak::soak;
use crate::value::Value;

const THREADS: usize = 8;

#[test]
fn a_crowd_returns_within_seconds() {
    let crowd = soak(5000, 800);
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let address = proxy.addr();
    let started: Vec<_> = (0..THREADS)
        .map(|_| {
            let share: Vec<_> = (0..crowd / THREADS).map(|_| proxy.connect()).collect();
            thread::spawn(move || come_back(share, address))
        })
        .collect();
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    let switched = Instant::now();
    for thread in started {
        let back = thread.join().unwrap();
        let late = back.saturating_duration_since(switched);
        assert!(
            late < Duration::from_secs(5),
            "the last came back {late:?} after the switch"
        );
    }
    assert!(proxy.is_alive());
}

/// Makes every client known to the server, waits until each is cut, reconnects it, and says when
/// the last one was served again.
fn come_back(mut clients: Vec<Client>, address: std::net::SocketAddr) -> Instant {
    for client in &mut clients {
        assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
    }
    for client in &mut clients {
        assert!(
            client.closed_within(FAILOVER_LIMIT).is_some(),
            "a session was not cut"
        );
    }
    for client in &mut clients {
        *client = Client::connect(address);
        client.send(&["PING"]).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.reply().unwrap(), Value::Simple("PONG".into()));
    }
    Instant::now()
}
