//! Whether a failover may be under way: then a primary that says it is one must not be believed
//! at once. Pure: events, poll flags and a plain time in, an opinion out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::election::{FRESH, Millis};
use super::event::Event;
use crate::net::HostPort;

/// How long a step counts whose end was never heard of.
const STEP_MEMORY: Millis = 10_000;
/// The least wait once a failover may be under way.
const WAIT_MIN: Millis = 3_000;

/// What each Sentinel showed of a failover.
#[derive(Debug, Default)]
pub(super) struct Underway {
    /// The last step heard of, with no end since.
    steps: BTreeMap<HostPort, Millis>,
    /// When a poll last showed a failover or an objectively down primary, with no better since.
    troubled: BTreeMap<HostPort, Millis>,
    /// When any sign was last there.
    last_sign: Option<Millis>,
}

impl Underway {
    /// A Sentinel published something at `now`.
    pub(super) fn event(&mut self, from: &HostPort, event: Event, now: Millis) {
        match event {
            Event::Step => {
                self.steps.insert(from.clone(), now);
                self.last_sign = Some(now);
            }
            Event::Aborted | Event::Done => {
                self.steps.remove(from);
            }
            Event::Hint => {}
        }
    }

    /// A poll sent at `now` showed a failover, or none.
    pub(super) fn polled(&mut self, from: &HostPort, in_trouble: bool, now: Millis) {
        if in_trouble {
            self.troubled.insert(from.clone(), now);
            self.last_sign = Some(now);
        } else {
            self.troubled.remove(from);
        }
    }

    /// Something else cast doubt on the primary at `now`.
    pub(super) fn doubt(&mut self, now: Millis) {
        self.last_sign = Some(now);
    }

    /// A Sentinel is no longer asked.
    pub(super) fn forget(&mut self, from: &HostPort) {
        self.steps.remove(from);
        self.troubled.remove(from);
    }

    /// The failover is over for us: its result was published.
    pub(super) fn concluded(&mut self) {
        *self = Self::default();
    }

    /// Whether a gate shut at `shut_at` may open in place at `now`. At the latest after `longest`,
    /// because a failover that comes to nothing must not keep a living primary from serving.
    pub(super) fn may_open(&self, shut_at: Millis, now: Millis, longest: Duration) -> bool {
        let waited = now.saturating_sub(shut_at);
        if self.is_likely(now) {
            return u128::from(waited) >= longest.as_millis().max(u128::from(WAIT_MIN));
        }
        let signs = self
            .last_sign
            .is_some_and(|at| at.saturating_add(WAIT_MIN) >= shut_at);
        !signs || waited >= WAIT_MIN
    }

    /// Whether there are signs of a failover at `now`.
    pub(super) fn is_likely(&self, now: Millis) -> bool {
        let within = |memory: Millis| move |at: &Millis| now.saturating_sub(*at) <= memory;
        self.steps.values().any(within(STEP_MEMORY)) || self.troubled.values().any(within(FRESH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(15);

    fn sentinel(port: u16) -> HostPort {
        HostPort::new("10.0.0.5", port)
    }

    #[test]
    fn opens_at_once_without_signs() {
        assert!(Underway::default().may_open(1_000, 1_000, HOLD));
    }

    #[test]
    fn waits_for_the_abort_and_at_least_three_seconds() {
        let mut underway = Underway::default();
        underway.event(&sentinel(1), Event::Step, 1_000);
        underway.event(&sentinel(2), Event::Aborted, 1_100);
        assert!(
            underway.is_likely(1_200),
            "another Sentinel's abort is not this one's"
        );
        underway.event(&sentinel(1), Event::Aborted, 1_500);
        assert!(!underway.is_likely(1_600));
        assert!(!underway.may_open(900, 1_600, HOLD));
        assert!(underway.may_open(900, 3_900, HOLD));
        assert!(underway.may_open(60_000, 60_000, HOLD), "long past");
    }

    #[test]
    fn flags_hold_it_shut_until_they_go_or_the_hold_ends() {
        let mut underway = Underway::default();
        for now in (1_000..20_000).step_by(1_000) {
            underway.polled(&sentinel(1), true, now);
            assert_eq!(underway.may_open(1_000, now, HOLD), now >= 16_000, "{now}");
        }
        underway.polled(&sentinel(1), false, 8_000);
        assert!(underway.may_open(1_000, 8_000, HOLD));
        underway.polled(&sentinel(2), true, 9_000);
        underway.forget(&sentinel(2));
        assert!(!underway.is_likely(9_000));
    }

    #[test]
    fn a_step_without_an_end_is_forgotten() {
        let mut underway = Underway::default();
        underway.event(&sentinel(1), Event::Step, 1_000);
        assert!(underway.is_likely(11_000));
        assert!(!underway.is_likely(11_001));
        underway.event(&sentinel(1), Event::Step, 12_000);
        underway.concluded();
        assert!(underway.may_open(12_000, 12_000, HOLD));
    }
}
