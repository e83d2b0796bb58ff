//! How much of its time the machine withholds. A test that says "within two seconds" means two
//! seconds in which its processes could run; on a busy machine the clock on the wall says more.
//!
//! A thread sleeps in short steps and adds up how much longer than asked each of them took. It
//! judges no lower bound: whoever waits too short a time was not delayed by anybody.
//!
//! The unit tests of discovery, which work on real servers too, use it as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(1);
/// What a step takes longer on an idle machine.
const USUAL: Duration = Duration::from_millis(1);

static WITHHELD: AtomicU64 = AtomicU64::new(0);
/// What is remembered of its own, to tell one long pause from many short ones.
const LONG: Duration = Duration::from_millis(100);
/// How often the sum is remembered.
const SAMPLE: Duration = Duration::from_millis(100);

static LONG_ONES: Mutex<Vec<(Instant, Duration)>> = Mutex::new(Vec::new());
static SAMPLES: Mutex<Vec<(Instant, Duration)>> = Mutex::new(Vec::new());
static CLOCK: OnceLock<thread::JoinHandle<()>> = OnceLock::new();

/// A moment from which time is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    at: Instant,
    withheld: Duration,
}

#[allow(
    dead_code,
    reason = "those who share this file have no use for all of it"
)]
impl Start {
    /// Now.
    pub(crate) fn now() -> Self {
        watch();
        Self {
            at: Instant::now(),
            withheld: withheld(),
        }
    }

    /// The time since, as the clock on the wall has it.
    pub(crate) fn elapsed(&self) -> Duration {
        self.at.elapsed()
    }

    /// Which part of the time since the machine withheld, in hundredths.
    pub(crate) fn withheld_percent(&self) -> u128 {
        let withheld = withheld().saturating_sub(self.withheld);
        withheld.as_nanos() * 100 / self.at.elapsed().as_nanos().max(1)
    }

    /// The longest time that the process did not run at all since then, as far as it is worth telling.
    #[allow(
        dead_code,
        reason = "some of those who share this file have no use for it"
    )]
    pub(crate) fn longest_pause(&self) -> Duration {
        let long = LONG_ONES.lock().unwrap_or_else(PoisonError::into_inner);
        let since = long.iter().filter(|(end, _)| *end >= self.at);
        since.map(|(_, pause)| *pause).max().unwrap_or_default()
    }

    /// Asserts that less than `limit` has passed, not counting what the machine withheld.
    #[track_caller]
    pub(crate) fn within(&self, limit: Duration) {
        self.took(self.at.elapsed(), limit);
    }

    /// Asserts that `took`, measured by other means since, is less than `limit`, not counting what
    /// the machine withheld.
    #[track_caller]
    pub(crate) fn took(&self, took: Duration, limit: Duration) {
        let withheld = withheld().saturating_sub(self.withheld);
        assert!(
            took < limit + withheld,
            "{took:?}, of which the machine withheld {withheld:?}, is not within {limit:?}"
        );
        if took >= limit {
            eprintln!("{took:?} instead of {limit:?}: the machine withheld {withheld:?}");
        }
    }
}

/// Begins to count, unless that has begun.
pub(crate) fn watch() {
    CLOCK.get_or_init(|| thread::spawn(count));
}

/// How much the machine withheld since `at`, a moment after counting had begun.
#[allow(dead_code, reason = "as above")]
pub(crate) fn withheld_since(at: Instant) -> Duration {
    let samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    let before = samples.iter().rev().find(|(then, _)| *then <= at);
    withheld().saturating_sub(before.map_or(Duration::ZERO, |(_, sum)| *sum))
}

fn withheld() -> Duration {
    Duration::from_nanos(WITHHELD.load(Ordering::Relaxed))
}

fn count() {
    let mut sampled = Instant::now();
    sample(sampled);
    loop {
        let began = Instant::now();
        thread::sleep(STEP);
        let late = began.elapsed().saturating_sub(STEP);
        if late > USUAL {
            let nanos = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
            WITHHELD.fetch_add(nanos, Ordering::Relaxed);
        }
        if late > LONG {
            let mut long = LONG_ONES.lock().unwrap_or_else(PoisonError::into_inner);
            long.push((Instant::now(), late));
        }
        if sampled.elapsed() >= SAMPLE {
            sampled = Instant::now();
            sample(sampled);
        }
    }
}

fn sample(now: Instant) {
    let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    samples.push((now, withheld()));
}
