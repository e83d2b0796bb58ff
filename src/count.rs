//! Numbers with one writer and any readers: counts, and durations by size.
//!
//! The writer spends a plain load and a plain store, no locked instruction, and waits for nobody.
//! Whoever reads sums the writers up; what a number means is said where it is kept.

use std::ops::Deref;
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

/// Upper bounds of the buckets of a histogram.
pub type Bounds = [Duration; BOUNDS_LEN];
const BOUNDS_LEN: usize = 19;

/// Those of most: a round trip on one machine, to the longest hold.
pub static BOUNDS: Bounds = [
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
/// Those of what stays within the process: a few calls of the system, to a thread that has to wait.
pub static SHORT_BOUNDS: Bounds = [
    Duration::from_micros(1),
    Duration::from_nanos(2_500),
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
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
];
/// One for each bound, and one for what is longer than all.
const BUCKETS: usize = BOUNDS_LEN + 1;

fn bucket(bounds: &Bounds, duration: Duration) -> usize {
    bounds.partition_point(|bound| *bound < duration)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Durations by size, with one writer.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static Bounds,
    buckets: [Count; BUCKETS],
    nanos: Count,
}

impl Histogram {
    fn with(bounds: &'static Bounds) -> Self {
        Self {
            bounds,
            buckets: Default::default(),
            nanos: Count::default(),
        }
    }

    /// Counts one; only the writer may call it.
    pub fn observe(&self, duration: Duration) {
        if let Some(count) = self.buckets.get(bucket(self.bounds, duration)) {
            count.add(1);
        }
        self.nanos.add(nanos(duration));
    }

    /// What was counted so far.
    pub fn load(&self) -> Durations {
        Durations {
            bounds: self.bounds,
            buckets: self.buckets.each_ref().map(Count::load),
            nanos: self.nanos.load(),
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::with(&BOUNDS)
    }
}

/// A histogram with [`SHORT_BOUNDS`].
#[derive(Debug)]
pub struct ShortHistogram(Histogram);

impl Default for ShortHistogram {
    fn default() -> Self {
        Self(Histogram::with(&SHORT_BOUNDS))
    }
}

impl Deref for ShortHistogram {
    type Target = Histogram;

    fn deref(&self) -> &Histogram {
        &self.0
    }
}

/// Durations by size, as a plain value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    bounds: &'static Bounds,
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Histogram::default().load()
    }
}

impl Durations {
    /// Counts one.
    pub fn observe(&mut self, duration: Duration) {
        if let Some(count) = self.buckets.get_mut(bucket(self.bounds, duration)) {
            *count += 1;
        }
        self.nanos = self.nanos.wrapping_add(nanos(duration));
    }

    /// Both together; of one kind.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine = mine.wrapping_add(theirs);
        }
        self.nanos = self.nanos.wrapping_add(other.nanos);
        self
    }

    /// The bounds of the buckets.
    pub fn bounds(&self) -> &'static Bounds {
        self.bounds
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
        assert!(BOUNDS.is_sorted() && SHORT_BOUNDS.is_sorted());
    }

    #[test]
    fn a_short_histogram_tells_moments_apart() {
        let histogram = ShortHistogram::default();
        histogram.observe(Duration::from_micros(2));
        histogram.observe(Duration::from_micros(20));
        let seen = histogram.load();
        assert_eq!(seen.bounds(), &SHORT_BOUNDS);
        assert_eq!(seen.plus(&histogram.load()).buckets()[..5], [0, 2, 0, 0, 2]);
    }
}
