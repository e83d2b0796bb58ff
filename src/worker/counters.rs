//! Counts of one worker, written by it alone and summed by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// One worker's counters. A cache line of its own per worker, so that counting costs no sharing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    /// Clients connected now.
    pub clients: Count,
    /// Clients ever accepted.
    pub clients_total: Count,
    /// Links to the primary open now.
    pub links: Count,
    /// Those of them that several clients may use, as of a moment ago.
    pub links_shared: Count,
    /// Those of them that wait for a client, as of a moment ago.
    pub links_pooled: Count,
    /// Links ever opened.
    pub links_total: Count,
    /// Commands received.
    pub commands: Count,
    /// Sessions whose commands wait for a primary now.
    pub held: Count,
    /// Commands answered with our own MASTERDOWN.
    pub refused: Count,
    /// Commands that may or may not have been executed.
    pub uncertain: Count,
    /// Commands sent again after their link was lost.
    pub resent: Count,
    /// Links that were made what a lost one had been.
    pub restored: Count,
    /// Iterations that went on with a cursor of another primary, or were refused to.
    pub outdated_cursors: Count,
    /// Links closed because the primary changed.
    pub links_closed_by_switch: Count,
    /// Signs of life.
    pub pulses: Count,
    /// Clients that were still there when the time to drain was over.
    pub cut_by_drain: Count,
    /// Clients asked to go because their connection was old.
    pub aged: Count,
}

/// One number with one writer.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds; only the owning worker may call it (a plain load and store, no locked instruction).
    pub fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// Takes away; only the owning worker may call it.
    pub fn sub(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(n),
            Ordering::Relaxed,
        );
    }

    /// Makes it `n`; only the owning worker may call it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value of this moment.
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
