//! How long a published gate may be believed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A deadline shared by all snapshots of one generation.
#[derive(Debug)]
pub(super) struct Lease {
    base: Instant,
    until_ms: AtomicU64,
}

impl Lease {
    pub(super) fn new(base: Instant) -> Self {
        Self {
            base,
            until_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn valid(&self, now: Instant) -> bool {
        self.millis(now) < self.until_ms.load(Ordering::SeqCst)
    }

    pub(super) fn extend(&self, until: Instant) {
        self.until_ms
            .fetch_max(self.millis(until), Ordering::SeqCst);
    }

    pub(super) fn end(&self) -> Instant {
        self.base + Duration::from_millis(self.until_ms.load(Ordering::SeqCst))
    }
}
