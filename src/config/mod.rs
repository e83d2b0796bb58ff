//! Settings: what the operator asked for, validated once and passed around as plain values.

mod secret;

pub use secret::{Credentials, Secret};

use std::time::Duration;

use crate::net::HostPort;

/// Everything `steadfast run` needs, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Sentinels to start from.
    pub sentinels: Vec<HostPort>,
    /// Sentinel's name for the monitored set.
    pub primary_name: String,
    /// Where clients connect.
    pub listen: Vec<HostPort>,
    /// Admin HTTP address; none turns it off.
    pub admin_listen: Option<HostPort>,
    /// Log in to Sentinels with this.
    pub sentinel_credentials: Option<Credentials>,
    /// Steadfast's own role checks on data nodes.
    pub control_credentials: Option<Credentials>,
    /// Log in upstream on behalf of clients.
    pub login: Option<Credentials>,
    /// What clients must present when Steadfast logs in for them.
    pub client_password: Option<Secret>,
    /// How long commands wait for a primary.
    pub hold_timeout: HoldTimeout,
    /// Bytes held for one client before its socket is read no further.
    pub max_held_bytes_per_client: usize,
    /// Bytes queued towards one client that does not read before it is closed.
    pub client_output_limit: usize,
    /// Limit on one dial.
    pub connect_timeout: Duration,
    /// Limit on one heartbeat.
    pub heartbeat_timeout: Duration,
    /// How often each Sentinel is asked.
    pub poll_interval: Duration,
    /// Learn further Sentinels from those configured.
    pub sentinel_discovery: bool,
    /// What to do when no Sentinel can be reached.
    pub on_sentinel_loss: OnSentinelLoss,
    /// Data threads.
    pub workers: usize,
    /// Clients at the same time.
    pub max_clients: usize,
}

/// `--hold-timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldTimeout {
    /// From Sentinel's down-after: clamp(down-after + 10 s, 15 s, 60 s).
    Auto,
    /// This long; zero fails at once.
    Fixed(Duration),
}

/// `--on-sentinel-loss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSentinelLoss {
    /// The last verified primary keeps serving while it says it is one.
    Serve,
    /// Commands stop after a bound.
    Fence,
}
