//! What the probes answer. Pure: values in, verdict out.
//!
//! | probe | passes | because |
//! |---|---|---|
//! | `/livez` | while discovery and every worker show signs of life | only a restart helps a stuck process; a lost primary or Sentinel is no reason for one |
//! | `/readyz` | as `--ready-policy` says, and never while draining, or full; by default once a primary has been verified, and from then on | all copies lose the primary together: failing then would take every one of them out of its Service and refuse what should be held |
//! | `/startupz` | once a primary has been verified, or after `--startup-timeout` | a sidecar must not keep its application from starting for as long as the servers are down |
//!
//! Of several endpoints all are waited for until `--startup-timeout`, so that a new version with one
//! that cannot work is noticed before the old one goes; from then on one that serves is enough, so that
//! one primary that is down does not take the clients of all others their way.

use std::borrow::Cow;
use std::time::Duration;

use crate::config::ReadyPolicy;

/// What the probes go by.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Each front; never none.
    pub(super) fronts: Vec<FrontFacts>,
    /// Time since the start.
    pub(super) uptime: Duration,
    /// The process was asked to stop.
    pub(super) draining: bool,
    /// As many clients are connected as may be, or nearly so since then.
    pub(super) full: bool,
    /// The loop that has stopped.
    pub(super) stuck: Option<String>,
}

/// What they go by of one front.
#[derive(Debug, Clone, Default)]
pub(super) struct FrontFacts {
    /// What it is called.
    pub(super) name: String,
    /// Primaries published since the start.
    pub(super) generation: u64,
    /// How long there has been no primary to send commands to; none while there is one.
    pub(super) outage: Option<Duration>,
    /// What is missing, in discovery's words.
    pub(super) waiting_for: Option<String>,
}

/// Passed, or not, with the reason in one line.
pub(super) type Verdict = Result<Cow<'static, str>, Cow<'static, str>>;

pub(super) fn live(facts: &Facts) -> Verdict {
    match &facts.stuck {
        None => Ok("live".into()),
        Some(stuck) => Err(stuck.clone().into()),
    }
}

pub(super) fn ready(facts: &Facts, policy: ReadyPolicy, startup_timeout: Duration) -> Verdict {
    if facts.draining {
        return Err("draining: the process was asked to stop".into());
    }
    if facts.full {
        return Err(
            "full: as many clients as --max-clients allows are or were just connected".into(),
        );
    }
    if policy == ReadyPolicy::Started {
        return started(facts, startup_timeout);
    }
    let verified = facts.fronts.iter().filter(|front| front.generation > 0);
    let enough = match facts.uptime < startup_timeout {
        true => facts.fronts.len(),
        false => 1,
    };
    if verified.count() < enough {
        let unverified = |front: &FrontFacts| front.generation == 0;
        return Err(facts.lacking(unverified, "no primary has been verified yet"));
    }
    let ReadyPolicy::PrimaryWithin(limit) = policy else {
        return Ok("ready".into());
    };
    // Who never had one lacks it since the start, which is longer than any outage.
    let outages = facts.fronts.iter().map(|front| match front.generation {
        0 => Some(facts.uptime),
        _ => front.outage,
    });
    match outages.min().flatten() {
        Some(outage) if outage > limit => {
            let what = format!("no primary for {} s", outage.as_secs());
            Err(facts.lacking(|_| true, &what))
        }
        _ => Ok("ready".into()),
    }
}

pub(super) fn started(facts: &Facts, timeout: Duration) -> Verdict {
    if facts.fronts.iter().all(|front| front.generation > 0) {
        Ok("started".into())
    } else if facts.uptime >= timeout {
        Ok("started, although no primary has been verified yet".into())
    } else {
        let unverified = |front: &FrontFacts| front.generation == 0;
        Err(facts.lacking(unverified, "looking for the primary"))
    }
}

impl Facts {
    /// `what` is true of the fronts that are `concerned`, and what it hangs on. Others' words may be in
    /// that, and the answer is to be one line.
    fn lacking(&self, concerned: impl Fn(&FrontFacts) -> bool, what: &str) -> Cow<'static, str> {
        let of_one = |front: &FrontFacts| {
            let line = match &front.waiting_for {
                Some(cause) => format!("{what}; waiting for {cause}"),
                None => what.to_owned(),
            };
            of_front(&front.name, self.fronts.len(), &line)
        };
        let all = self.fronts.iter().filter(|front| concerned(front));
        let all: Vec<_> = all.map(of_one).collect();
        all.join(", ").replace(char::is_control, " ").into()
    }
}

/// `what` is said of the front called `name`, which need not be named where it is the only one.
pub(super) fn of_front(name: &str, fronts: usize, what: &str) -> String {
    match fronts {
        1 => what.to_owned(),
        _ => format!("{name}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(30);

    fn facts(generation: u64, uptime_s: u64) -> Facts {
        with(vec![front(generation, None)], uptime_s)
    }

    fn without_primary(generation: u64, outage_s: u64) -> Facts {
        with(vec![front(generation, Some(outage_s))], 99)
    }

    fn front(generation: u64, outage_s: Option<u64>) -> FrontFacts {
        FrontFacts {
            name: format!("g{generation}"),
            generation,
            outage: outage_s.map(Duration::from_secs),
            waiting_for: None,
        }
    }

    fn with(fronts: Vec<FrontFacts>, uptime_s: u64) -> Facts {
        Facts {
            fronts,
            uptime: Duration::from_secs(uptime_s),
            ..Facts::default()
        }
    }

    #[track_caller]
    fn check_ready(facts: &Facts, policy: ReadyPolicy, expected: bool) {
        let said = ready(facts, policy, START);
        assert_eq!(said.is_ok(), expected, "{policy:?} of {facts:?}: {said:?}");
    }

    #[test]
    fn a_start_passes_with_a_primary_or_after_a_while() {
        assert!(started(&facts(0, 29), START).is_err());
        assert!(started(&facts(0, 30), START).is_ok());
        assert!(started(&facts(1, 0), START).is_ok());
        assert!(started(&facts(0, 0), Duration::ZERO).is_ok());
    }

    #[test]
    fn only_a_stuck_loop_ends_life() {
        assert!(live(&facts(0, 0)).is_ok());
        assert!(live(&without_primary(3, 1_000)).is_ok());
        let stuck = Facts {
            stuck: Some("worker 1".to_owned()),
            ..facts(1, 1)
        };
        assert_eq!(live(&stuck), Err("worker 1".into()));
    }

    #[test]
    fn readiness_goes_by_its_policy() {
        use ReadyPolicy::{PrimaryOnce, PrimaryWithin, Started};
        let within = PrimaryWithin(Duration::from_secs(60));
        for (facts, once, started, within_minute) in [
            (facts(0, 0), false, false, false),
            (without_primary(0, 99), false, true, false),
            (facts(1, 1), true, true, true),
            (without_primary(1, 60), true, true, true),
            (without_primary(1, 61), true, true, false),
        ] {
            check_ready(&facts, PrimaryOnce, once);
            check_ready(&facts, Started, started);
            check_ready(&facts, within, within_minute);
        }
    }

    #[test]
    fn nobody_is_ready_who_is_leaving() {
        let leaving = Facts {
            draining: true,
            ..facts(1, 1)
        };
        for policy in [ReadyPolicy::Started, ReadyPolicy::PrimaryOnce] {
            check_ready(&leaving, policy, false);
        }
        assert!(live(&leaving).is_ok());
    }

    #[test]
    fn nobody_is_ready_who_is_full_and_that_ends_no_life() {
        let full = Facts {
            full: true,
            ..facts(1, 1)
        };
        for policy in [ReadyPolicy::Started, ReadyPolicy::PrimaryOnce] {
            check_ready(&full, policy, false);
        }
        assert!(live(&full).is_ok() && started(&full, START).is_ok());
    }

    #[test]
    fn reasons_are_one_line_whatever_a_peer_says() {
        let mut facts = facts(0, 0);
        facts.fronts[0].waiting_for = Some("a Sentinel: bad\r\nX: y".to_owned());
        let said = started(&facts, START).expect_err("not yet");
        assert_eq!(
            said,
            "looking for the primary; waiting for a Sentinel: bad  X: y"
        );
    }

    #[test]
    fn one_bad_front_delays_the_others_and_no_more() {
        use ReadyPolicy::{PrimaryOnce, PrimaryWithin, Started};
        let both = |one, other| vec![front(one, None), front(other, Some(90))];
        let within = PrimaryWithin(Duration::from_secs(60));
        for (facts, once, within_minute) in [
            (with(both(1, 1), 0), true, true),
            (with(both(1, 0), 29), false, false),
            (with(both(1, 0), 30), true, true),
            (with(both(0, 0), 30), false, false),
            (with(both(1, 0), 9999), true, true),
            (
                with(vec![front(1, Some(90)), front(0, Some(99))], 99),
                true,
                false,
            ),
        ] {
            check_ready(&facts, PrimaryOnce, once);
            check_ready(&facts, within, within_minute);
        }
        let bad = with(both(1, 0), 29);
        check_ready(&bad, Started, false);
        let said = ready(&bad, PrimaryOnce, START).expect_err("not yet");
        assert_eq!(said, "g0: no primary has been verified yet");
    }
}
