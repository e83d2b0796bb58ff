//! What may and may not come of a failover: each rule gives a line for what was broken.

use std::time::Duration;

use super::outcome::Outcome;
use crate::soak::is_long;

/// The longest pause that a planned failover may cost.
pub(super) const PLANNED_PAUSE: Duration = Duration::from_millis(1500);
/// The same when the promoted replica is taken before a Sentinel names it.
pub(super) const PROMOTED_PAUSE: Duration = Duration::from_millis(500);
/// The same when the old primary's writes are paused: no more than the failover and a second.
const PAUSED_PAUSE: Duration = Duration::from_millis(2500);
/// From the first Sentinel's naming of the primary to the first acknowledgement.
const FIRST_ACK: Duration = Duration::from_millis(200);
/// What a machine of two cores that runs the bed, the load and an unoptimised proxy adds to any
/// time measured; a soak, which has the machine for itself, allows none of it.
const NOISE: Duration = Duration::from_millis(300);
/// A call of 2 s that comes back empty may take this long.
const LONGEST_NIL: Duration = Duration::from_millis(2500);

/// `text` unless `holds`.
pub(super) fn unless(holds: bool, text: String) -> Option<String> {
    (!holds).then_some(text)
}

/// What no failover may do.
pub(super) fn always(outcome: &Outcome) -> Vec<String> {
    let checks = [
        unless(
            outcome.closed.is_empty(),
            format!("closed: {:?}", outcome.closed),
        ),
        unless(
            outcome.other.is_empty(),
            format!("said: {:?}", outcome.other),
        ),
        unless(
            outcome.masterdown == 0,
            format!("{} MASTERDOWN", outcome.masterdown),
        ),
        unless(
            outcome.twice == 0,
            format!("{} writes twice or out of order", outcome.twice),
        ),
        unless(
            outcome.missing_after_fault == 0,
            format!(
                "{} acknowledged after the fault and gone",
                outcome.missing_after_fault
            ),
        ),
        unless(
            outcome.disorder == 0,
            format!("{} messages in disorder", outcome.disorder),
        ),
    ];
    checks.into_iter().flatten().collect()
}

/// A call that waits ends in time; one that a frozen primary has may end with the outage.
pub(super) fn in_time(outcome: &Outcome, excuse: Duration) -> Option<String> {
    unless(
        outcome.longest_nil <= LONGEST_NIL + excuse + withheld(outcome),
        format!("an empty pop of 2 s took {:?}", outcome.longest_nil),
    )
}

/// What no planned failover may do to what was acknowledged.
fn kept(outcome: &Outcome) -> impl Iterator<Item = String> {
    let checks = [
        unless(
            outcome.missing == 0,
            format!("{} acknowledged and gone", outcome.missing),
        ),
        unless(
            outcome.jobs_lost == 0,
            format!("{} jobs lost", outcome.jobs_lost),
        ),
        unless(
            outcome.jobs_twice == 0,
            format!("{} jobs twice", outcome.jobs_twice),
        ),
    ];
    checks.into_iter().flatten()
}

/// What a planned failover may not do besides.
pub(super) fn planned(outcome: &Outcome, pause: Duration) -> Vec<String> {
    let longest = outcome.longest_pause();
    let checks = [
        unless(
            outcome.uncertain == 0,
            format!("{} UNCERTAIN", outcome.uncertain),
        ),
        unless(
            longest <= pause + noise(outcome),
            format!("a pause of {longest:?}"),
        ),
    ];
    checks.into_iter().flatten().chain(kept(outcome)).collect()
}

/// What a crash or a freeze may not do besides.
pub(super) fn unplanned(outcome: &Outcome) -> Vec<String> {
    // A primary that woke in time was never replaced, and nobody named anybody.
    let first = outcome.first_ack().unwrap_or_default();
    let checks = [
        unless(
            outcome.most_uncertain <= 1,
            format!("{} UNCERTAIN for one client", outcome.most_uncertain),
        ),
        unless(
            first <= FIRST_ACK + noise(outcome),
            format!("first acknowledged after {first:?}"),
        ),
    ];
    checks.into_iter().flatten().collect()
}

/// What a planned failover of a paused primary may not do: what the pause caught is uncertain, and
/// nothing else.
pub(super) fn paused(outcome: &Outcome) -> Vec<String> {
    let checks = [
        unless(
            outcome.most_uncertain <= 1,
            format!("{} UNCERTAIN for one client", outcome.most_uncertain),
        ),
        unless(
            outcome.longest_pause() <= PAUSED_PAUSE + withheld(outcome),
            format!("a pause of {:?}", outcome.longest_pause()),
        ),
    ];
    checks.into_iter().flatten().chain(kept(outcome)).collect()
}

/// What may be added to a time measured in this round.
pub(super) fn noise(outcome: &Outcome) -> Duration {
    let usual = if is_long() { Duration::ZERO } else { NOISE };
    usual + withheld(outcome)
}

/// What the machine withheld, which is no part of any time measured; a soak counts it in.
fn withheld(outcome: &Outcome) -> Duration {
    if is_long() {
        Duration::ZERO
    } else {
        outcome.withheld
    }
}
