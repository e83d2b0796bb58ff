//! What workers did to the sessions of a primary, for the line that is logged when it changes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the process began; the difference of two tells of what lies between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Links closed because the primary changed.
    pub links_closed: u64,
    /// Sessions whose commands wait at this moment.
    pub held: u64,
    /// Commands sent again, or waiting for that.
    pub resent: u64,
    /// Commands answered UNCERTAIN.
    pub uncertain: u64,
}

impl Tally {
    /// What was added since `earlier`; what is held is held now.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            links_closed: self.links_closed.saturating_sub(earlier.links_closed),
            held: self.held,
            resent: self.resent.saturating_sub(earlier.resent),
            uncertain: self.uncertain.saturating_sub(earlier.uncertain),
        }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, next| Self {
            links_closed: sum.links_closed + next.links_closed,
            held: sum.held + next.held,
            resent: sum.resent + next.resent,
            uncertain: sum.uncertain + next.uncertain,
        })
    }
}

/// One worker's, as it last told.
#[derive(Debug, Default)]
pub(super) struct Told {
    links_closed: AtomicU64,
    held: AtomicU64,
    resent: AtomicU64,
    uncertain: AtomicU64,
    /// How often it told.
    times: AtomicU64,
}

impl Told {
    pub(super) fn store(&self, tally: Tally) {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.links_closed
            .store(tally.links_closed, Ordering::Relaxed);
        self.held.store(tally.held, Ordering::Relaxed);
        self.resent.store(tally.resent, Ordering::Relaxed);
        self.uncertain.store(tally.uncertain, Ordering::Relaxed);
    }

    pub(super) fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    pub(super) fn load(&self) -> Tally {
        Tally {
            links_closed: self.links_closed.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            resent: self.resent.load(Ordering::Relaxed),
            uncertain: self.uncertain.load(Ordering::Relaxed),
        }
    }
}
