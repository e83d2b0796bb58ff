//! Goal: after a failover a crowd may come back at once. Method: many idle sessions, a planned
//! failover, and all of them asking for something the moment it is over.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, FAILOVER_LIMIT, Start};
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
    let switched_for_all = Arc::new(Barrier::new(THREADS + 1));
    let started: Vec<_> = (0..THREADS)
        .map(|_| {
            let share: Vec<_> = (0..crowd / THREADS).map(|_| proxy.connect()).collect();
            let switched = switched_for_all.clone();
            thread::spawn(move || come_back(share, &switched))
        })
        .collect();
    switched_for_all.wait();
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    let (switched, measured) = (Instant::now(), Start::now());
    switched_for_all.wait();
    for thread in started {
        let back = thread.join().unwrap();
        let late = back.saturating_duration_since(switched);
        measured.took(late, Duration::from_secs(5));
    }
    assert!(proxy.is_alive());
}

/// Makes every client known to the server, waits for the switch, has all ask at once, and says when
/// the last one was served.
fn come_back(mut clients: Vec<Client>, switched: &Barrier) -> Instant {
    for client in &mut clients {
        assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
    }
    switched.wait();
    switched.wait();
    for client in &mut clients {
        client.send(&["PING"]).unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.reply().unwrap(), Value::Simple("PONG".into()));
    }
    Instant::now()
}
