//! What is known of the replicas, as plain values for `/status` and `/metrics`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

/// The replicas and how the read-only endpoint uses them, replaced as a whole whenever it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReplicasStatus {
    /// Replicas that may serve.
    pub healthy: usize,
    /// The primary stands in, because there is none (`--replica-fallback primary`).
    pub fallback: bool,
    /// Each of them that is known.
    pub replicas: Vec<ReplicaStatus>,
}

/// One replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReplicaStatus {
    /// Where it listens.
    pub address: String,
    /// It may serve.
    pub healthy: bool,
    /// It is behind by no more than this; none where it may not serve.
    pub lag_ms: Option<u64>,
    /// Clients that are led to it.
    pub clients: u64,
    /// Why it may not serve.
    pub reason: Option<String>,
}

/// Shared read access to the newest [`ReplicasStatus`].
pub type ReplicasHandle = Arc<ArcSwap<ReplicasStatus>>;
