//! Finds and watches the primary, and publishes it.
//!
//! ```text
//!   seeds ---------> roster --> sentinel (polls)        \
//!   (name look-up)      |  \--> subscription (events)    > signals --> task --> steering, heartbeat, --> Publisher
//!                       |       watch (node roles)      /               |       following
//!                       +<---- learned peers <--------------------------+     election, underway,
//!                                                                             inquiry, handover,
//!                                                                             spelling (pure)
//! ```
//!
//! Beside it `replicas` chooses who serves the read-only endpoint, where there is one.
//!
//! Every peer has a task and time limits of its own, so one that never answers delays nobody. The
//! main loop never waits for a peer. It never ends, whatever a Sentinel says or does not say, and
//! it knows nothing of clients or links.

#[doc(hidden)]
pub mod check;
mod commands;
pub mod connection;
mod counts;
pub mod earshot;
pub mod election;
pub mod error;
pub mod event;
mod following;
mod framing;
mod handover;
mod hearing;
mod heartbeat;
mod inquiry;
pub mod message;
mod picture;
mod probe;
pub mod replicas;
mod roster;
mod seeds;
mod sentinel;
mod signal;
mod spelling;
mod status;
mod steering;
mod subscription;
mod task;
pub(crate) mod underway;
mod upkeep;
mod watch;
mod watches;

pub use counts::{Counts, EVENTS, REJECTIONS};
pub use framing::BadFrame;
pub use status::{Failovers, SentinelStatus, Status, StatusHandle, Switch};

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::topology::{Publisher, Report};

/// Runs discovery for the life of the process; never returns. Dropping the future stops all its
/// tasks. Who looks after replicas is told of them by the `outlook`.
pub async fn run(
    config: Arc<Config>,
    publisher: Publisher,
    reports: mpsc::Receiver<Report>,
    status: StatusHandle,
    outlook: Option<replicas::Teller>,
) -> std::convert::Infallible {
    task::run(config, publisher, reports, status, outlook).await
}

#[cfg(test)]
mod tests;
