//! A fresh look around: after a silence, or after the process itself did not run, nothing that is
//! remembered proves that the primary still is one. First every Sentinel is asked again, then the
//! node; only what was *sent* after the look began counts, because replies may have waited in
//! socket buffers.

use std::time::Duration;

use tokio::time::Instant;

use super::roster::Round;

/// How long the Sentinels are waited for once one has answered, and in any case.
const ROUND_LIMIT: Duration = Duration::from_secs(1);
const SILENT_LIMIT: Duration = Duration::from_millis(2_500);
/// How long a concluded round stays fresh while something else still forbids to believe.
const ROUND_FRESH: Duration = Duration::from_secs(1);

/// One look around.
#[derive(Debug)]
pub(super) struct Inquiry {
    since: Instant,
    /// When the round of polls was found to have come to its end.
    concluded: Option<Instant>,
    /// Begun because the process did not run: then no choice is made before its end either.
    pub(super) after_gap: bool,
}

impl Inquiry {
    /// Begins now; the caller has the Sentinels asked.
    pub(super) fn begin(now: Instant, after_gap: bool) -> Self {
        Self {
            since: now,
            concluded: None,
            after_gap,
        }
    }

    /// When it began.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Takes note of how far the round has come.
    pub(super) fn observe(&mut self, round: Round, now: Instant) {
        let waited = now.saturating_duration_since(self.since);
        let over =
            round.complete || (round.answered && waited >= ROUND_LIMIT) || waited >= SILENT_LIMIT;
        if over && self.concluded.is_none() {
            self.concluded = Some(now);
        }
    }

    /// Whether the round has come to its end.
    pub(super) fn is_concluded(&self) -> bool {
        self.concluded.is_some()
    }

    /// Whether the round ended so long ago that it has to be repeated.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.concluded
            .is_some_and(|at| now.saturating_duration_since(at) > ROUND_FRESH)
    }

    /// Whether a heartbeat sent at `sent` may be believed.
    pub(super) fn believes(&self, sent: Instant) -> bool {
        self.concluded.is_some_and(|at| sent >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(complete: bool, answered: bool) -> Round {
        Round { complete, answered }
    }

    #[test]
    fn believes_only_what_was_sent_after_the_round() {
        let start = Instant::now();
        let ms = |millis| start + Duration::from_millis(millis);
        let mut inquiry = Inquiry::begin(start, true);
        inquiry.observe(round(false, true), ms(999));
        assert!(!inquiry.is_concluded());
        inquiry.observe(round(true, true), ms(1_000));
        assert!(!inquiry.believes(ms(999)));
        assert!(inquiry.believes(ms(1_000)));
        assert!(!inquiry.is_stale(ms(2_000)));
        assert!(inquiry.is_stale(ms(2_001)));
    }

    #[test]
    fn waits_longer_when_no_sentinel_answers_at_all() {
        let start = Instant::now();
        let ms = |millis| start + Duration::from_millis(millis);
        let mut one = Inquiry::begin(start, false);
        one.observe(round(false, true), ms(1_000));
        assert!(one.is_concluded());
        let mut none = Inquiry::begin(start, false);
        none.observe(round(false, false), ms(2_499));
        assert!(!none.is_concluded());
        none.observe(round(false, false), ms(2_500));
        assert!(none.is_concluded());
    }
}
