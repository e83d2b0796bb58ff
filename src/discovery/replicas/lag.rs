//! How far a replica is behind, as time: how long ago the primary was where the replica is now.
//!
//! The primary's replication offset is noted with the moment it was asked for. A replica that has
//! executed as much as that has every write the primary had acknowledged before that moment, whatever
//! the clocks and the pace of writes are. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Moments remembered. They are as far apart as the longest lag asked for divided by this, or as the
/// primary is asked.
const MOMENTS_MAX: usize = 128;

/// Where one primary was, and when.
#[derive(Debug)]
pub(super) struct Course {
    /// Oldest first; neither moments nor offsets go down.
    moments: VecDeque<(Instant, i64)>,
    gap_min: Duration,
}

impl Course {
    /// Of a primary nothing is known of, for lags up to `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        let shares = u32::try_from(MOMENTS_MAX / 2).unwrap_or(1);
        Self {
            moments: VecDeque::new(),
            gap_min: longest / shares,
        }
    }

    /// Forgets all: there is another primary, or its offsets began anew.
    pub(super) fn begin_anew(&mut self) {
        self.moments.clear();
    }

    /// The primary answered a question sent at `at` with `offset`.
    pub(super) fn note(&mut self, at: Instant, offset: i64) {
        match self.moments.back() {
            Some((_, known)) if offset < *known => self.begin_anew(),
            Some((then, _)) if at < *then => return,
            _ => {}
        }
        // The newest is always kept as it is; of two that are too near to it the later one goes.
        let crowded = |newer: &VecDeque<(Instant, i64)>| {
            let before_last = newer
                .len()
                .checked_sub(2)
                .and_then(|index| newer.get(index));
            let last = newer.back();
            before_last
                .zip(last)
                .is_some_and(|((before, _), (last, _))| {
                    last.saturating_duration_since(*before) < self.gap_min
                })
        };
        if crowded(&self.moments) {
            self.moments.pop_back();
        }
        self.moments.push_back((at, offset));
        if self.moments.len() > MOMENTS_MAX {
            self.moments.pop_front();
        }
    }

    /// How far a replica was behind that answered a question sent at `at` with `offset`: no more than
    /// this. None where it has less than all that is remembered, or nothing is.
    pub(super) fn lag(&self, at: Instant, offset: i64) -> Option<Duration> {
        let reached = self
            .moments
            .iter()
            .rev()
            .find(|(_, known)| *known <= offset);
        reached.map(|(then, _)| at.saturating_duration_since(*then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn course(offsets: &[i64]) -> (Course, Instant) {
        let (mut course, began) = (Course::new(10 * SECOND), Instant::now());
        for (second, offset) in (0..).zip(offsets) {
            course.note(began + SECOND * second, *offset);
        }
        (course, began)
    }

    #[test]
    fn a_replica_is_as_late_as_the_primary_was_there_before() {
        let (course, began) = course(&[10, 20, 30, 40]);
        let lag = |offset| course.lag(began + 4 * SECOND, offset);
        assert_eq!(lag(40), Some(SECOND));
        assert_eq!(lag(99), Some(SECOND), "it answered later than the primary");
        assert_eq!(lag(39), Some(2 * SECOND));
        assert_eq!(lag(10), Some(4 * SECOND));
        assert_eq!(lag(9), None, "longer than anything is remembered");
    }

    #[test]
    fn who_asks_late_is_told_of_a_longer_lag() {
        let (course, began) = course(&[10]);
        assert_eq!(course.lag(began, 10), Some(Duration::ZERO));
        assert_eq!(course.lag(began + 9 * SECOND, 10), Some(9 * SECOND));
        assert_eq!(Course::new(SECOND).lag(began, 10), None);
    }

    #[test]
    fn an_offset_that_goes_down_is_another_stream() {
        let (mut course, began) = course(&[10, 20]);
        course.note(began + 2 * SECOND, 5);
        assert_eq!(course.lag(began + 3 * SECOND, 15), Some(SECOND));
        assert_eq!(course.lag(began + 3 * SECOND, 4), None);
        course.begin_anew();
        assert_eq!(course.lag(began + 3 * SECOND, 15), None);
    }

    #[test]
    fn many_moments_are_thinned_out_and_the_newest_stays() {
        let longest = 1000 * SECOND;
        let (mut course, began) = (Course::new(longest), Instant::now());
        for tick in 0..4000_u32 {
            course.note(began + SECOND * tick / 2, i64::from(tick));
            assert!(course.moments.len() <= MOMENTS_MAX);
        }
        let now = began + SECOND * 2000;
        assert_eq!(course.lag(now, 3999), Some(SECOND / 2));
        let half = course.lag(now, 2100).expect("remembered");
        assert!(half >= SECOND * 950 && half <= SECOND * 970, "{half:?}");
    }
}
