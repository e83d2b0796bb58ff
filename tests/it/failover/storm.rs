//! A crowd of idle sessions: none of them is lost at a failover, and all may speak at once after it.

use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, FAILOVER_LIMIT};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::soak::soak;

const THREADS: usize = 8;
/// Everybody is served again within this.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_crowd_stays_and_is_served_again_within_seconds() {
    let crowd = soak(5000, 800);
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let share = |_| -> Vec<Client> { (0..crowd / THREADS).map(|_| proxy.connect()).collect() };
    let mut shares: Vec<_> = (0..THREADS).map(share).collect();
    shares.iter_mut().flatten().for_each(served);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    let switched = Instant::now();
    thread::scope(|scope| {
        for share in &mut shares {
            scope.spawn(|| {
                for client in &mut *share {
                    client.send(&["INCR", "crowd"]).unwrap();
                }
                share.iter_mut().for_each(replied);
            });
        }
    });
    let late = switched.elapsed();
    assert!(
        late < LIMIT,
        "the last was served {late:?} after the switch"
    );
    let expected = (2 * (crowd / THREADS) * THREADS).to_string();
    assert_eq!(new.command(&["GET", "crowd"]).text(), expected);
}

fn served(client: &mut Client) {
    client.send(&["INCR", "crowd"]).unwrap();
    replied(client);
}

fn replied(client: &mut Client) {
    let reply = client.reply().expect("a session was closed");
    assert_eq!(reply.error(), None);
}
