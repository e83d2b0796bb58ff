//! Waiting for conditions, never for time.

use std::thread;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(5);

/// Asks `probe` until it gives a value; panics with `what` when `limit` has passed without one.
#[track_caller]
pub(crate) fn eventually<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            started.elapsed() < limit,
            "within {limit:?} it did not happen: {what}"
        );
        thread::sleep(STEP);
    }
}

/// Waits until `probe` is true; panics with `what` when `limit` has passed before.
#[track_caller]
pub(crate) fn wait_until(limit: Duration, what: &str, mut probe: impl FnMut() -> bool) {
    eventually(limit, what, || probe().then_some(()));
}

/// Asserts that `probe` stays true for as long as `span`.
#[track_caller]
pub(crate) fn holds_for(span: Duration, what: &str, mut probe: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < span {
        assert!(
            probe(),
            "after {:?} it was no longer so: {what}",
            started.elapsed()
        );
        thread::sleep(STEP);
    }
}
