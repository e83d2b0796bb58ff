//! Goal: what was executed is what was said to be, whatever breaks. Method: many clients pipeline
//! INCR of one counter with unique ECHO tokens in between, faults strike at random, and in the end
//! the counter lies between what was acknowledged and that plus what was called uncertain; every
//! token came to its own client, in order.
//!
//! `STEADFAST_SEED=n` replays a run; a soak strikes thirty times.

mod clients;
mod cuts;
mod faults;

use std::time::{Duration, Instant};

use clients::Crowd;
use faults::Striker;

use crate::bed::Bed;
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::soak::soak;

const CLIENTS: usize = 50;
/// Replication is asynchronous: what a node acknowledged this shortly before it died or froze may
/// have reached no replica, and nobody can do anything about that.
const UNREPLICATED: Duration = Duration::from_millis(50);

/// The seed of this run: told, or a new one each time.
fn seed() -> u64 {
    let told = std::env::var("STEADFAST_SEED").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| u64::from(since.subsec_nanos()))
    })
}

#[test]
fn random_faults_leave_the_count_where_it_was_said_to_be() {
    let seed = seed();
    eprintln!("STEADFAST_SEED={seed}");
    let bed = Bed::builder().failover_timeout(2000).start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "60s")
        .start_ready();
    let crowd = Crowd::gather(proxy.addr(), CLIENTS);
    let mut striker = Striker::new(&bed, &crowd, Rng::new(seed));
    let mut deaths = Vec::new();
    for _ in 0..soak(30, 4) {
        deaths.extend(striker.strike());
        crowd.wait_going(Instant::now());
    }
    let tally = crowd.disperse();
    let counted: u64 = bed
        .primary()
        .command(&["GET", clients::KEY])
        .text()
        .parse()
        .unwrap();
    let excused = tally.acknowledged_just_before(&deaths, UNREPLICATED);
    eprintln!(
        "seed {seed}: counted {counted}, excused {excused}, {}",
        tally.summary()
    );
    assert_eq!(tally.wrong, [""; 0], "seed {seed}");
    assert_eq!(tally.closed, [""; 0], "seed {seed}");
    let (said, unsure) = (tally.acks.len() as u64, tally.uncertain);
    assert!(
        counted <= said + unsure,
        "seed {seed}: {counted} is more than was said: twice"
    );
    assert!(
        counted + excused >= said,
        "seed {seed}: {counted} is less than was said: lost"
    );
}
