//! How many handshakes of a leg there were, and how many of them resumed a session of before.
//!
//! Any thread counts: a handshake costs so much that one shared number more is nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use rustls::HandshakeKind;

/// Handshakes of one leg that were completed.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    full: AtomicU64,
    resumed: AtomicU64,
}

/// So many handshakes, as a plain value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HandshakeCounts {
    /// With certificates and signatures.
    pub full: u64,
    /// Of those who knew each other.
    pub resumed: u64,
}

impl Handshakes {
    /// One more was completed.
    pub(super) fn note(&self, kind: Option<HandshakeKind>) {
        let count = match kind {
            Some(HandshakeKind::Resumed) => &self.resumed,
            _ => &self.full,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Those of so far.
    pub(super) fn load(&self) -> HandshakeCounts {
        HandshakeCounts {
            full: self.full.load(Ordering::Relaxed),
            resumed: self.resumed.load(Ordering::Relaxed),
        }
    }
}
