//! What each Sentinel last claimed, for how long, and what a majority is. Pure counting; which claim
//! is followed is the election's business.

use std::collections::{BTreeMap, BTreeSet};

use super::{Claim, FRESH, Millis, REMEMBERED_MAX};
use crate::net::HostPort;

/// The newest answer of one Sentinel.
#[derive(Debug, Clone)]
struct Heard {
    claim: Claim,
    quorum: u64,
    /// When it was asked.
    at: Millis,
    /// Answers in a row with this claim that count, and when the first of them was asked for.
    streak: u32,
    since: Millis,
}

impl Heard {
    fn is_fresh(&self, now: Millis) -> bool {
        now.saturating_sub(self.at) <= FRESH
    }
}

/// The newest answers of all Sentinels, by run id.
#[derive(Debug, Default)]
pub(super) struct Claims {
    heard: BTreeMap<String, Heard>,
    /// When the first of an unbroken series of answers was asked for.
    since: Option<Millis>,
}

impl Claims {
    /// Notes an answer; `false` if it is older than the last or there are too many Sentinels.
    pub(super) fn note(&mut self, run_id: &str, claim: &Claim, quorum: u64, at: Millis) -> bool {
        if !self.heard.values().any(|heard| heard.is_fresh(at)) {
            self.since = Some(at);
        }
        let (streak, since) = match self.heard.get(run_id) {
            Some(last) if last.at > at => return false,
            Some(last) if last.claim == *claim && last.streak > 0 && last.is_fresh(at) => {
                (last.streak.saturating_add(1), last.since)
            }
            Some(_) => (1, at),
            None => {
                if self.heard.len() >= REMEMBERED_MAX {
                    self.heard.retain(|_, heard| heard.is_fresh(at));
                }
                if self.heard.len() >= REMEMBERED_MAX {
                    return false;
                }
                (1, at)
            }
        };
        let heard = Heard {
            claim: claim.clone(),
            quorum,
            at,
            streak,
            since,
        };
        self.heard.insert(run_id.to_owned(), heard);
        true
    }

    /// Whatever differs from `claim` is held anew from the next answer on.
    pub(super) fn start_over_beside(&mut self, claim: &Claim) {
        let others = self
            .heard
            .values_mut()
            .filter(|heard| heard.claim != *claim);
        others.for_each(|heard| heard.streak = 0);
    }

    /// Has whoever named `alias` name `usual` instead.
    pub(super) fn respell(&mut self, alias: &HostPort, usual: &HostPort) {
        let named = |heard: &&mut Heard| heard.claim.address == *alias;
        for heard in self.heard.values_mut().filter(named) {
            heard.claim.address.clone_from(usual);
        }
    }

    pub(super) fn remove(&mut self, run_id: &str) {
        self.heard.remove(run_id);
    }

    /// Since when there have been answers without a break.
    pub(super) fn since(&self) -> Option<Millis> {
        self.since
    }

    /// Sentinels whose answers count at `now`.
    pub(super) fn count(&self, now: Millis) -> usize {
        self.fresh(now).count()
    }

    pub(super) fn holders(&self, claim: &Claim, now: Millis) -> usize {
        let named = |(_, heard): &(_, &Heard)| heard.claim == *claim;
        self.fresh(now).filter(named).count()
    }

    pub(super) fn has_majority(&self, claim: &Claim, now: Millis) -> bool {
        self.holders(claim, now) >= self.majority(now)
    }

    /// When the first Sentinel that holds `claim` was asked.
    pub(super) fn named_since(&self, claim: &Claim, now: Millis) -> Option<Millis> {
        let named = self.fresh(now).filter(|(_, heard)| heard.claim == *claim);
        named.map(|(_, heard)| heard.since).min()
    }

    /// The distinct claims at the highest epoch held by anybody outside `distrusted`.
    pub(super) fn top(&self, distrusted: &BTreeSet<String>, now: Millis) -> Vec<&Claim> {
        let trusted = || {
            self.fresh(now)
                .filter(|(run_id, _)| !distrusted.contains(*run_id))
                .map(|(_, heard)| &heard.claim)
        };
        let highest = trusted().map(|claim| claim.epoch).max();
        let claims: BTreeSet<_> = trusted()
            .filter(|claim| Some(claim.epoch) == highest)
            .collect();
        claims.into_iter().collect()
    }

    /// The claim a majority has held for that many polls in a row and for that long.
    pub(super) fn steady(&self, now: Millis, polls: u32, held: Millis) -> Option<&Claim> {
        let steady = |claim: &Claim| {
            let holds = |(_, heard): &(_, &Heard)| {
                heard.claim == *claim
                    && heard.streak >= polls
                    && heard.at.saturating_sub(heard.since) >= held
            };
            self.fresh(now).filter(holds).count()
        };
        self.fresh(now)
            .map(|(_, heard)| &heard.claim)
            .find(|claim| steady(claim) >= self.majority(now))
    }

    /// Sentinels that last claimed a higher epoch.
    pub(super) fn above(&self, epoch: u64) -> BTreeSet<String> {
        let higher = self
            .heard
            .iter()
            .filter(|(_, heard)| heard.claim.epoch > epoch);
        higher.map(|(run_id, _)| run_id.clone()).collect()
    }

    /// More than half of those that answered, and at least the quorum they report (the median:
    /// one Sentinel must not be able to raise it out of reach).
    fn majority(&self, now: Millis) -> usize {
        let mut quorums: Vec<_> = self.fresh(now).map(|(_, heard)| heard.quorum).collect();
        quorums.sort_unstable();
        let half = quorums.len() / 2;
        let quorum = quorums.get(half).copied().unwrap_or(1);
        usize::try_from(quorum).unwrap_or(usize::MAX).max(half + 1)
    }

    fn fresh(&self, now: Millis) -> impl Iterator<Item = (&String, &Heard)> {
        let fresh = move |(_, heard): &(&String, &Heard)| heard.is_fresh(now);
        self.heard.iter().filter(fresh)
    }
}
