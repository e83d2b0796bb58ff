//! Whether the process is full, so that new clients are better sent to another one.
//!
//! From `--max-clients` on each client is turned away, and in between no more than a few places are free:
//! who says so at once sends clients into the next refusal. So it counts as full until a tenth of all
//! places is free.

use std::sync::atomic::{AtomicBool, Ordering};

/// One of so many places is to be free again.
const FREE_OF: u64 = 10;

/// What the last look has shown.
#[derive(Debug, Default)]
pub(super) struct Fullness(AtomicBool);

impl Fullness {
    /// Whether it is full, with so many `clients` and `most` that may be connected.
    pub(super) fn look(&self, clients: u64, most: u64) -> bool {
        let free_again = clients <= most.saturating_sub(most.div_ceil(FREE_OF));
        let was_full = self.0.load(Ordering::Relaxed);
        let is_full = clients >= most || (was_full && !free_again);
        self.0.store(is_full, Ordering::Relaxed);
        is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(most: u64, seen: &[(u64, bool)]) {
        let fullness = Fullness::default();
        for (clients, full) in seen {
            assert_eq!(fullness.look(*clients, most), *full, "{clients} of {most}");
        }
    }

    #[test]
    fn who_was_full_is_so_until_a_tenth_is_free() {
        check(
            100,
            &[
                (99, false),
                (100, true),
                (99, true),
                (91, true),
                (90, false),
                (99, false),
                (101, true),
            ],
        );
        check(1, &[(0, false), (1, true), (0, false)]);
        check(20, &[(20, true), (19, true), (18, false)]);
    }
}
