//! What the probes answer. Pure: values in, verdict out.
//!
//! | probe | passes | because |
//! |---|---|---|
//! | `/livez` | while the control runtime ticks | only a restart helps a stuck process; a lost primary or Sentinel is no reason for one |
//! | `/readyz` | once a primary has been verified, and for ever after | all copies lose the primary together: failing then would take every one of them out of its Service and refuse what should be held |
//! | `/startupz` | once a primary has been verified, or after [`STARTUP_TIMEOUT`] | a sidecar must not keep its application from starting for as long as the servers are down |

use std::time::Duration;

/// Without a primary `/startupz` passes from here on.
pub(super) const STARTUP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the control runtime shows that it runs.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// Without a tick for this long the runtime counts as stuck: ten missed ones are no hiccup.
pub(super) const TICK_MAX_AGE: Duration = Duration::from_secs(10);

/// What the probes go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Primaries published since the start.
    pub(super) generation: u64,
    /// Time since the start.
    pub(super) uptime: Duration,
    /// Time since the last tick.
    pub(super) tick_age: Duration,
}

/// Passed, or not, with the reason in a few words.
pub(super) type Verdict = Result<&'static str, &'static str>;

pub(super) fn live(facts: Facts) -> Verdict {
    if facts.tick_age <= TICK_MAX_AGE {
        Ok("live")
    } else {
        Err("the control runtime is stuck")
    }
}

pub(super) fn ready(facts: Facts) -> Verdict {
    if facts.generation > 0 {
        Ok("ready")
    } else {
        Err("no primary has been verified yet; /status says why")
    }
}

pub(super) fn started(facts: Facts) -> Verdict {
    if facts.generation > 0 {
        Ok("started")
    } else if facts.uptime >= STARTUP_TIMEOUT {
        Ok("started, but no primary has been verified yet")
    } else {
        Err("looking for the primary; /status says what is missing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(generation: u64, uptime_s: u64, tick_age_s: u64, expected: [bool; 3]) {
        let facts = Facts {
            generation,
            uptime: Duration::from_secs(uptime_s),
            tick_age: Duration::from_secs(tick_age_s),
        };
        let got = [live(facts), ready(facts), started(facts)].map(|verdict| verdict.is_ok());
        assert_eq!(got, expected, "live, ready, started of {facts:?}");
    }

    #[test]
    fn each_probe_goes_by_its_own_fact() {
        check(0, 0, 0, [true, false, false]);
        check(0, 29, 1, [true, false, false]);
        check(0, 30, 1, [true, false, true]);
        check(1, 1, 10, [true, true, true]);
        check(7, 99, 11, [false, true, true]);
    }
}
