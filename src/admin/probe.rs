//! What the probes answer. Pure: values in, verdict out.
//!
//! | probe | passes | because |
//! |---|---|---|
//! | `/livez` | while discovery and every worker show signs of life | only a restart helps a stuck process; a lost primary or Sentinel is no reason for one |
//! | `/readyz` | as `--ready-policy` says, and never while draining; by default once a primary has been verified, and from then on | all copies lose the primary together: failing then would take every one of them out of its Service and refuse what should be held |
//! | `/startupz` | once a primary has been verified, or after `--startup-timeout` | a sidecar must not keep its application from starting for as long as the servers are down |

use std::borrow::Cow;
use std::time::Duration;

use crate::config::ReadyPolicy;

/// What the probes go by.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Primaries published since the start.
    pub(super) generation: u64,
    /// Time since the start.
    pub(super) uptime: Duration,
    /// How long there has been no primary to send commands to; none while there is one.
    pub(super) outage: Option<Duration>,
    /// What is missing, in discovery's words.
    pub(super) waiting_for: Option<String>,
    /// The process was asked to stop.
    pub(super) draining: bool,
    /// The loop that has stopped.
    pub(super) stuck: Option<String>,
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
    match (policy, facts.outage) {
        (ReadyPolicy::Started, _) => started(facts, startup_timeout),
        _ if facts.generation == 0 => Err(facts.lacking("no primary has been verified yet")),
        (ReadyPolicy::PrimaryWithin(limit), Some(outage)) if outage > limit => {
            let what = format!("no primary for {} s", outage.as_secs());
            Err(facts.lacking(&what))
        }
        _ => Ok("ready".into()),
    }
}

pub(super) fn started(facts: &Facts, timeout: Duration) -> Verdict {
    if facts.generation > 0 {
        Ok("started".into())
    } else if facts.uptime >= timeout {
        Ok("started, although no primary has been verified yet".into())
    } else {
        Err(facts.lacking("looking for the primary"))
    }
}

impl Facts {
    /// `what`, and what it hangs on. Others' words may be in that, and the answer is to be one line.
    fn lacking(&self, what: &str) -> Cow<'static, str> {
        let line = match &self.waiting_for {
            Some(cause) => format!("{what}; waiting for {cause}"),
            None => what.to_owned(),
        };
        line.replace(char::is_control, " ").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(30);

    fn facts(generation: u64, uptime_s: u64) -> Facts {
        let uptime = Duration::from_secs(uptime_s);
        Facts {
            generation,
            uptime,
            ..Facts::default()
        }
    }

    fn without_primary(generation: u64, outage_s: u64) -> Facts {
        let outage = Some(Duration::from_secs(outage_s));
        Facts {
            outage,
            ..facts(generation, 99)
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
    fn reasons_are_one_line_whatever_a_peer_says() {
        let waiting_for = Some("a Sentinel: bad\r\nX: y".to_owned());
        let facts = Facts {
            waiting_for,
            ..facts(0, 0)
        };
        let said = started(&facts, START).expect_err("not yet");
        assert_eq!(
            said,
            "looking for the primary; waiting for a Sentinel: bad  X: y"
        );
    }
}
