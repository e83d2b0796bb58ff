//! Finds and watches the primary.

pub mod connection;
pub mod election;
pub mod error;
pub mod event;
mod framing;
pub mod message;
mod status;

pub use status::{SentinelStatus, Status, StatusHandle};

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::topology::{Publisher, Report};

/// Runs discovery for the life of the process; never returns.
pub async fn run(
    _config: Arc<Config>,
    _publisher: Publisher,
    _reports: mpsc::Receiver<Report>,
    _status: StatusHandle,
) -> std::convert::Infallible {
    std::future::pending().await
}
