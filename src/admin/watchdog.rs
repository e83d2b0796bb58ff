//! Notices loops that have stopped: discovery's, and each worker's. Pure.
//!
//! It counts looks, not time. A process that was frozen shows no sign of life for long either, and
//! nothing about it is stuck: its loops and these looks stood still together, and go on together.

use std::time::Duration;

/// How often whoever asks [`Watchdog`] looks. Every loop shows several signs of life in between.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks in a row without a sign of life are no hiccup.
const MISSES_MAX: u32 = 10;

/// What earlier looks have shown.
#[derive(Debug, Default)]
pub(super) struct Watchdog(Vec<Loop>);

#[derive(Debug, Default, Clone, Copy)]
struct Loop {
    beats: Option<u64>,
    misses: u32,
}

impl Watchdog {
    /// One look at the signs of life counted so far, as `Handle::beats` has them. Says what is stuck.
    pub(super) fn look(&mut self, beats: impl Iterator<Item = Option<u64>>) -> Option<String> {
        let known = std::mem::take(&mut self.0);
        let mut known = known.into_iter();
        self.0 = beats
            .map(|beats| known.next().unwrap_or_default().seen(beats))
            .collect();
        self.stuck()
    }

    fn stuck(&self) -> Option<String> {
        let (index, _) = self
            .0
            .iter()
            .enumerate()
            .find(|(_, one)| one.misses >= MISSES_MAX)?;
        let who = match index.checked_sub(1) {
            None => "discovery".to_owned(),
            Some(worker) => format!("worker {worker}"),
        };
        let seconds = LOOK_EVERY.as_secs() * u64::from(MISSES_MAX);
        Some(format!(
            "{who} has shown no sign of life for {seconds} s or more"
        ))
    }
}

impl Loop {
    /// One that has ended was told to: whether that was right is not asked here.
    fn seen(self, beats: Option<u64>) -> Self {
        let alive = beats.is_none() || beats != self.beats;
        let misses = if alive {
            0
        } else {
            self.misses.saturating_add(1)
        };
        Self { beats, misses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks `times` times at what stands still but for the loops that are `alive`.
    fn look(watchdog: &mut Watchdog, times: u64, alive: [bool; 3]) -> Option<String> {
        let mut said = None;
        for now in 1..=times {
            let beats = alive.map(|alive| Some(if alive { 100 + now } else { 7 }));
            said = watchdog.look(beats.into_iter());
        }
        said
    }

    #[test]
    fn a_loop_is_stuck_after_ten_looks_without_a_sign_of_life_and_no_sooner() {
        let mut watchdog = Watchdog::default();
        assert_eq!(look(&mut watchdog, 50, [true; 3]), None);
        // The first look at the new value is a sign of life.
        assert_eq!(look(&mut watchdog, 10, [true, true, false]), None);
        let said = look(&mut watchdog, 1, [true, true, false]).expect("stuck");
        assert!(said.starts_with("worker 1 "), "{said}");
        assert_eq!(look(&mut watchdog, 1, [true; 3]), None, "it goes on");
    }

    #[test]
    fn discovery_is_watched_as_well() {
        let said = look(&mut Watchdog::default(), 11, [false, true, true]).expect("stuck");
        assert!(said.starts_with("discovery "), "{said}");
    }

    #[test]
    fn a_worker_that_has_ended_is_not_stuck() {
        let mut watchdog = Watchdog::default();
        for now in 0..50 {
            let said = watchdog.look([Some(now), None].into_iter());
            assert_eq!(said, None);
        }
    }
}
