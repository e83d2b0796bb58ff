//! How many bytes of one sort the process keeps, over all workers, and how many it may.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A count, and its bound.
#[derive(Debug)]
pub struct Budget {
    now: AtomicUsize,
    most: usize,
}

impl Budget {
    /// None yet, and so many at most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let now = AtomicUsize::new(0);
        Self { now, most }
    }

    /// Bytes kept at this moment.
    #[must_use]
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// Bytes that may be kept.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    pub(super) fn is_reached(&self) -> bool {
        self.now() >= self.most
    }

    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.now())
    }

    /// A client for whom `before` bytes were kept now has `after`.
    pub(super) fn change(&self, before: usize, after: usize) {
        if after >= before {
            self.now.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.now.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
