//! Numbers with one writer and any readers: counts, and durations by size.
//!
//! The writer spends a plain load and a plain store, no locked instruction, and waits for nobody.
//! Whoever reads sums the writers up; what a number means is said where it is kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One number with one writer.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds; only the writer may call it.
    pub fn add(&self, n: u64) {
        self.set(self.load().wrapping_add(n));
    }

    /// Takes away; only the writer may call it.
    pub fn sub(&self, n: u64) {
        self.set(self.load().wrapping_sub(n));
    }

    /// Replaces the value; only the writer may call it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value of this moment.
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets of every histogram: a round trip on one machine, to the longest hold.
pub const BOUNDS: [Duration; 19] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// One for each bound, and one for what is longer than all.
const BUCKETS: usize = BOUNDS.len() + 1;

fn bucket(duration: Duration) -> usize {
    BOUNDS.partition_point(|bound| *bound < duration)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Durations by size, with one writer.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Count; BUCKETS],
    nanos: Count,
}

impl Histogram {
    /// Counts one; only the writer may call it.
    pub fn observe(&self, duration: Duration) {
        if let Some(count) = self.buckets.get(bucket(duration)) {
            count.add(1);
        }
        self.nanos.add(nanos(duration));
    }

    /// What was counted so far.
    pub fn load(&self) -> Durations {
        Durations {
            buckets: self.buckets.each_ref().map(Count::load),
            nanos: self.nanos.load(),
        }
    }
}

/// Durations by size, as a plain value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Durations {
    /// Counts one.
    pub fn observe(&mut self, duration: Duration) {
        if let Some(count) = self.buckets.get_mut(bucket(duration)) {
            *count += 1;
        }
        self.nanos = self.nanos.wrapping_add(nanos(duration));
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine = mine.wrapping_add(theirs);
        }
        self.nanos = self.nanos.wrapping_add(other.nanos);
        self
    }

    /// How many are in each bucket, the last one being for what is longer than all bounds.
    pub fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_takes_it() {
        let histogram = Histogram::default();
        let (least, most) = (BOUNDS[0], BOUNDS[BOUNDS.len() - 1]);
        for duration in [Duration::ZERO, least, least * 2, most, most * 2] {
            histogram.observe(duration);
        }
        let seen = histogram.load();
        assert_eq!(seen.buckets()[..2], [2, 1]);
        assert_eq!(seen.buckets()[BOUNDS.len() - 1..], [1, 1]);
        assert_eq!(seen.sum(), least * 3 + most * 3);
        assert_eq!(seen.clone().plus(&seen).sum(), seen.sum() * 2);
    }

    #[test]
    fn the_bounds_grow() {
        assert!(BOUNDS.is_sorted());
    }
}
