//! Looking up the configured Sentinel names, again and again: pods and Services move, and one name
//! may stand for many Sentinels.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::signal::{Signal, jitter};
use crate::net::HostPort;

/// How often a name is looked up, and how long one look-up may take.
const INTERVAL: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(5);

/// Looks `seed` up for ever. Ends only when nobody listens any more.
pub(super) async fn follow(seed: HostPort, out: mpsc::Sender<Signal>) {
    loop {
        let result = match timeout(LIMIT, seed.resolve()).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(format!("the name cannot be looked up: {error}")),
            Err(_) => Err(format!("the name cannot be looked up within {LIMIT:?}")),
        };
        let signal = Signal::Resolved {
            seed: seed.clone(),
            result,
        };
        if out.send(signal).await.is_err() {
            return;
        }
        sleep(jitter(INTERVAL * 9 / 10, INTERVAL)).await;
    }
}
