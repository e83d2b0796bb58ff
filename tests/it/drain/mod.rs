//! Goal: an instance can be stopped, replaced or rebalanced while applications work, and none of them
//! notices more than a connection that was closed between two commands. Method: signals to the binary
//! under clients that count every acknowledgement, and under clients in the middle of something.

mod ages;
mod crowd;
mod held;
mod manager;
mod points;
mod rolling;
mod signals;

use std::time::Duration;

use crate::client::Client;
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

/// What the log says of the end: clients when it began, and those cut in the end.
#[track_caller]
fn told(proxy: &Proxy) -> (u64, u64) {
    assert_eq!(proxy.exit_code(SOON), Some(0));
    crate::bed::eventually(SOON, "the log tells of the end", || {
        let stopped = proxy.events("stopped");
        let stopped = stopped.first()?;
        Some((stopped["clients"].as_u64()?, stopped["cut"].as_u64()?))
    })
}

/// Waits until nobody is let in any more.
#[track_caller]
fn wait_closed(proxy: &Proxy) {
    // Before that, those who try would count as clients.
    crate::bed::wait_until(SOON, "it is to stop", || {
        !proxy.events("stopping").is_empty()
    });
    crate::bed::wait_until(SOON, "no client comes in", || {
        Client::try_connect(proxy.addr()).is_err()
    });
}
