//! How the present primary is being left, for the record: in good order or not, and what the node
//! that follows it lacks. Pure; it decides nothing.
//!
//! Replication offsets tell whether the promoted replica had received all that was acknowledged. The
//! old primary's counts as of a moment at which the other still was a replica, because both go on
//! counting afterwards without having to do with each other.

use std::collections::{BTreeMap, VecDeque};

use super::election::{Millis, Says};
use crate::net::HostPort;

/// Offsets of the old primary remembered.
const OFFSETS_MAX: usize = 8;
/// Nodes remembered.
const NODES_MAX: usize = 64;

/// In which order the primary was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// Writes had been stopped, the old primary being alive, before another was promoted.
    Quiesced,
    /// The old primary was alive and nobody stopped writes to it in time.
    Unprepared,
    /// Nor were they, because this process had not run for a while.
    Asleep,
    /// The old primary had failed.
    Crash,
}

impl Departure {
    /// In a word.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Quiesced => "planned",
            Self::Unprepared => "unprepared",
            Self::Asleep => "asleep",
            Self::Crash => "crash",
        }
    }
}

/// What another node said about itself.
#[derive(Debug, Default)]
struct Other {
    /// The old primary's offset when this one still was a replica.
    settled: Option<i64>,
    /// It was seen as a primary, and its offset then.
    promoted: Option<Option<i64>>,
    /// It was seen as a replica after writes were stopped.
    followed: bool,
}

/// The record of one primary's end.
#[derive(Debug, Default)]
pub(super) struct Handover {
    quiesced: Option<Millis>,
    failed: bool,
    slept: bool,
    /// Offsets of the old primary, and when each was known.
    offsets: VecDeque<(Millis, i64)>,
    others: BTreeMap<HostPort, Other>,
}

impl Handover {
    /// Writes were stopped at `now`.
    pub(super) fn quiesced(&mut self, now: Millis) {
        self.quiesced.get_or_insert(now);
    }

    /// Whether they were.
    pub(super) fn is_quiesced(&self) -> bool {
        self.quiesced.is_some()
    }

    /// The primary does not answer. Once another was promoted, that is no longer how it was left.
    pub(super) fn failed(&mut self) {
        let replaced = |other: &Other| other.promoted.is_some();
        self.failed |= !self.others.values().any(replaced);
    }

    /// This process did not run for a while.
    pub(super) fn slept(&mut self) {
        self.slept = true;
    }

    /// The primary told its offset at `now`.
    pub(super) fn told(&mut self, offset: i64, now: Millis) {
        if self.offsets.len() >= OFFSETS_MAX {
            self.offsets.pop_front();
        }
        self.offsets.push_back((now, offset));
    }

    /// Another node, asked at `asked`, said what it is; `true` when that is first a primary.
    pub(super) fn other(
        &mut self,
        address: &HostPort,
        says: Says,
        offset: Option<i64>,
        asked: Millis,
    ) -> bool {
        if self.others.len() >= NODES_MAX && !self.others.contains_key(address) {
            return false;
        }
        let other = self.others.entry(address.clone()).or_default();
        match says {
            Says::Master => {
                let first = other.promoted.is_none();
                other.promoted.get_or_insert(offset);
                first
            }
            Says::Replica => {
                let known = self.offsets.iter().rev().find(|(at, _)| *at <= asked);
                other.settled = known
                    .filter(|(at, _)| self.quiesced.is_some_and(|since| *at > since))
                    .map(|(_, offset)| *offset)
                    .or(other.settled);
                other.promoted = None;
                other.followed |= self.quiesced.is_some_and(|since| asked >= since);
                false
            }
            Says::MayNotAsk | Says::Alive | Says::Nothing => false,
        }
    }

    /// In which order it was left for `new`. Writes stopped when that was no replica any more were
    /// not stopped in time; where it may not be asked they are believed to have been.
    pub(super) fn departure(&self, new: &HostPort) -> Departure {
        let late = |other: &Other| other.promoted.is_some() && !other.followed;
        let in_time = self.is_quiesced() && !self.others.get(new).is_some_and(late);
        match (self.failed, self.slept, in_time) {
            (true, _, _) => Departure::Crash,
            (false, true, _) => Departure::Asleep,
            (false, false, true) => Departure::Quiesced,
            (false, false, false) => Departure::Unprepared,
        }
    }

    /// How many bytes of the old primary's stream `new` lacks, if both told.
    pub(super) fn lacks(&self, new: &HostPort) -> Option<u64> {
        let other = self.others.get(new)?;
        let last = || self.offsets.back().map(|(_, offset)| *offset);
        let old = other.settled.or_else(last)?;
        let new = other.promoted.flatten()?;
        Some(u64::try_from(old.saturating_sub(new)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> HostPort {
        HostPort::new("10.0.0.2", 1)
    }

    fn look(handover: &mut Handover, says: Says, offset: Option<i64>, asked: Millis) -> bool {
        handover.other(&new(), says, offset, asked)
    }

    #[test]
    fn tells_departures_apart() {
        let mut handover = Handover::default();
        assert_eq!(handover.departure(&new()), Departure::Unprepared);
        handover.quiesced(1);
        assert_eq!(handover.departure(&new()), Departure::Quiesced);
        handover.slept();
        assert_eq!(handover.departure(&new()), Departure::Asleep);
        handover.failed();
        assert_eq!(handover.departure(&new()), Departure::Crash);
    }

    #[test]
    fn writes_stopped_after_the_promotion_were_not_stopped_in_time() {
        let mut handover = Handover::default();
        look(&mut handover, Says::Replica, None, 10);
        handover.quiesced(20);
        look(&mut handover, Says::Master, None, 30);
        assert_eq!(handover.departure(&new()), Departure::Unprepared);
        let mut in_time = Handover::default();
        in_time.quiesced(20);
        look(&mut in_time, Says::Replica, None, 20);
        look(&mut in_time, Says::Master, None, 30);
        assert_eq!(in_time.departure(&new()), Departure::Quiesced);
    }

    #[test]
    fn compares_the_offsets_of_the_moment_of_promotion() {
        let mut handover = Handover::default();
        handover.told(100, 10);
        handover.quiesced(20);
        assert!(!look(&mut handover, Says::Replica, None, 25));
        handover.told(150, 30);
        assert!(!look(&mut handover, Says::Replica, None, 40));
        // The old primary goes on counting, pings for one; so does the new one.
        handover.told(190, 45);
        assert!(look(&mut handover, Says::Master, Some(120), 50));
        assert!(!look(&mut handover, Says::Master, Some(400), 60));
        handover.told(500, 65);
        assert_eq!(handover.lacks(&new()), Some(30));
    }

    #[test]
    fn nothing_is_lost_when_the_replica_had_all() {
        let mut handover = Handover::default();
        handover.quiesced(20);
        handover.told(150, 30);
        look(&mut handover, Says::Replica, None, 40);
        look(&mut handover, Says::Master, Some(151), 50);
        assert_eq!(handover.lacks(&new()), Some(0));
    }

    #[test]
    fn what_was_last_told_counts_where_nothing_was_told_in_time() {
        let mut handover = Handover::default();
        handover.told(100, 10);
        handover.told(200, 30);
        look(&mut handover, Says::Replica, None, 20);
        look(&mut handover, Says::Master, Some(150), 40);
        assert_eq!(handover.lacks(&new()), Some(50));
        assert_eq!(handover.lacks(&HostPort::new("10.0.0.3", 1)), None);
        let mut silent = Handover::default();
        look(&mut silent, Says::Master, None, 40);
        assert_eq!(silent.lacks(&new()), None);
    }
}
