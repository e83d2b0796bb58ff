//! `--max-connection-age`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bed::{Bed, wait_until};
use crate::proxy::Proxy;

use super::SOON;
use super::crowd::{CLIENTS, Crowd, check};

#[test]
fn old_connections_are_closed_between_two_commands() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--max-connection-age", "1s")
        .start_ready();
    let (mut idle, mut listener) = (proxy.connect(), proxy.connect());
    assert_eq!(idle.call(&["PING"]).text(), "PONG");
    assert_eq!(listener.call(&["SUBSCRIBE", "news"]).at(1), "news");
    let address = proxy.addr();
    let connections = Arc::new(AtomicU64::new(0));
    let choose = {
        let connections = connections.clone();
        move || {
            connections.fetch_add(1, Ordering::Relaxed);
            Some(address)
        }
    };
    let crowd = Crowd::start(Arc::new(choose));
    let enough = 3 * CLIENTS as u64;
    wait_until(SOON, "each has connected again and again", || {
        connections.load(Ordering::Relaxed) >= enough
    });
    let all = crowd.stop();
    check(&all, &bed);
    assert!(idle.closed_within(SOON).is_some());
    // It has never been at a safe point.
    bed.primary().command(&["PUBLISH", "news", "still here"]);
    assert_eq!(listener.reply_within(SOON).unwrap().at(2), "still here");
}
