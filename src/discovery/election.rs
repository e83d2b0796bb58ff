//! Given what the Sentinels said, who is the primary.
//!
//! Pure: answers, role verdicts and a plain time in, a [`Decision`] out. It opens no connection and
//! shuts no gate. The rules (design.md section 3), in the order in which they are tried:
//!
//! 1. The highest config-epoch any trusted Sentinel holds, once ROLE there says master. One
//!    Sentinel is enough: a minority cannot mint an epoch by itself.
//! 2. What a majority holds *steadily*, whatever its epoch: two polls when our node does not serve
//!    any more, 10 s while it still does. This is how epochs may go down (`SENTINEL REMOVE` and
//!    `MONITOR` start again at 0) and how a lie at a high epoch is overruled. Who is overruled is
//!    not followed upwards again before it agrees once.
//! 3. Otherwise stay. Different addresses at one epoch without a majority raise an alarm.

use std::collections::{BTreeMap, BTreeSet};

use crate::net::HostPort;

mod claims;
#[cfg(test)]
mod tests;

use claims::Claims;

/// A point in time, in milliseconds since any fixed moment.
pub type Millis = u64;

/// How long an answer counts.
pub const FRESH: Millis = 5_000;
/// How long the first choice waits for a majority of the known Sentinels.
pub const FIRST_CHOICE_WAIT: Millis = 1_000;
/// How long it then waits for the others, one of which may be leading a failover.
const FIRST_CHOICE_GRACE: Millis = 100;
/// Answers in a row that make a claim steady when our node does not serve.
pub const STEADY_POLLS: u32 = 2;
/// How long a claim must be held to be steady while our node still serves.
pub const STEADY: Millis = 10_000;
/// How long a role verdict about a candidate counts.
const VERDICT_FRESH: Millis = 1_000;
/// How long the last sign of life of our own node counts.
const LIFE_FRESH: Millis = 2_000;
/// Candidates whose role is asked for at the same time.
const CANDIDATES_MAX: usize = 4;
/// Sentinels and verdicts remembered.
const REMEMBERED_MAX: usize = 64;

/// "The primary is there, as of this epoch."
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Where.
    pub address: HostPort,
    /// The config-epoch.
    pub epoch: u64,
}

/// What a node said when asked for its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It is a primary and serves.
    Master,
    /// It is a replica (or no data node).
    Replica,
    /// It lives, but we may not ask without a login.
    MayNotAsk,
    /// It lives, but cannot tell now (a script, too many clients).
    Alive,
    /// It does not answer, or is still loading.
    Nothing,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No primary yet; too few Sentinels have answered.
    Wait,
    /// All is as it was.
    Stay,
    /// No Sentinel names a primary; ours stays as long as it serves.
    Degraded,
    /// Ask for the role at this address. `by_majority`: ours is not the primary of the newest
    /// epoch any more, whatever the answer will be.
    Verify {
        /// Who might be the primary.
        claim: Claim,
        /// A majority says so.
        by_majority: bool,
    },
    /// This is the primary now.
    Switch {
        /// Who.
        claim: Claim,
        /// Its own ROLE said so; otherwise we may not ask it.
        role_verified: bool,
    },
    /// Ours, at another epoch.
    Learn(u64),
    /// These are named at one epoch, and no majority tells which.
    Conflict(Vec<HostPort>),
}

/// The memory of the election.
#[derive(Debug, Default)]
pub struct Election {
    claims: Claims,
    verdicts: BTreeMap<HostPort, (Says, Millis)>,
    distrusted: BTreeSet<String>,
    current: Option<Claim>,
    /// Since `current` was chosen there were signs that another node was primary.
    left: bool,
    /// `current` was seen promoted and no Sentinel names it yet: its epoch is that of the one before.
    unnamed: bool,
}

impl Election {
    /// The choice made last.
    pub fn current(&self) -> Option<&Claim> {
        self.current.as_ref()
    }

    /// A Sentinel, asked at `at`, made a claim.
    pub fn observe(&mut self, run_id: &str, claim: Claim, quorum: u64, at: Millis) {
        if !self.claims.note(run_id, &claim, quorum, at) {
            return;
        }
        if let Some(current) = &self.current {
            if claim.epoch <= current.epoch {
                self.distrusted.remove(run_id);
            } else if claim.address != current.address {
                self.left = true;
            }
        }
    }

    /// A Sentinel answered, but without a usable claim: what it said before no longer counts.
    pub fn retract(&mut self, run_id: &str) {
        self.claims.remove(run_id);
    }

    /// A node, asked at `at`, said what it is.
    pub fn verdict(&mut self, address: &HostPort, says: Says, at: Millis) {
        if self.verdicts.len() >= REMEMBERED_MAX {
            self.verdicts
                .retain(|_, (_, then)| at.saturating_sub(*then) <= LIFE_FRESH);
        }
        if self.verdicts.len() >= REMEMBERED_MAX {
            return;
        }
        let ours = self.current.as_ref().map(|claim| &claim.address) == Some(address);
        if ours && says == Says::Replica {
            self.left = true;
        }
        self.verdicts.insert(address.clone(), (says, at));
    }

    /// `claim` was published as the primary.
    ///
    /// What others have held so far becomes steady against it only from now on, however long they
    /// held it: they may just not have heard of the new primary yet.
    pub fn switched(&mut self, claim: Claim) {
        self.claims.start_over_beside(&claim);
        self.distrusted = self.claims.above(claim.epoch);
        self.current = Some(claim);
        self.left = false;
        self.unnamed = false;
    }

    /// `address`, just promoted, was published as the primary before any Sentinel names it. Until one
    /// does, at any epoch above the present one, what the Sentinels still say of the former primary
    /// is no conflict. They get their way nevertheless when they say so for long, or when the node
    /// becomes a replica again: then whoever promoted it has failed before telling anybody.
    pub fn promoted(&mut self, address: &HostPort) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.address.clone_from(address);
        self.claims.start_over_beside(current);
        self.left = false;
        self.unnamed = true;
    }

    /// Whether the present choice was seen promoted, and no Sentinel names it yet.
    pub fn is_unnamed(&self) -> bool {
        self.unnamed
    }

    /// Ours has this epoch now.
    pub fn learned(&mut self, epoch: u64) {
        self.distrusted = self.claims.above(epoch);
        if let Some(current) = &mut self.current {
            current.epoch = epoch;
            if self.unnamed {
                // As after a switch: the others may just not have heard of it yet.
                self.claims.start_over_beside(current);
            }
        }
        self.left = false;
        self.unnamed = false;
    }

    /// Sentinels whose answers count at `now`.
    pub fn fresh_count(&self, now: Millis) -> usize {
        self.claims.count(now)
    }

    /// Whether the first choice has waited long enough at `now` for those who have not answered.
    pub fn has_waited_for_all(&self, now: Millis) -> bool {
        self.claims
            .since()
            .is_some_and(|since| now.saturating_sub(since) >= FIRST_CHOICE_GRACE)
    }

    /// Nodes whose role matters now beside that of the current primary: whoever may be chosen.
    pub fn candidates(&self, now: Millis) -> Vec<HostPort> {
        let top = self.claims.top(&self.distrusted, now);
        let newer = |claim: &&Claim| {
            let current = self.current.as_ref();
            current.is_none_or(|current| claim.epoch > current.epoch)
        };
        let steady = match &self.current {
            Some(current) => self.overruling_claim(current, now),
            None => self.claims.steady(now, STEADY_POLLS, 0),
        };
        let named = top.into_iter().filter(newer).chain(steady);
        let addresses: BTreeSet<_> = named.map(|claim| &claim.address).collect();
        addresses
            .into_iter()
            .take(CANDIDATES_MAX)
            .cloned()
            .collect()
    }

    /// What to do at `now`; `known` is how many Sentinels there should be.
    pub fn decide(&self, now: Millis, known: usize) -> Decision {
        if self.fresh_count(now) == 0 {
            return match self.current {
                Some(_) => Decision::Degraded,
                None => Decision::Wait,
            };
        }
        match &self.current {
            Some(current) => self.next_choice(current, now),
            None if self.is_ripe(now, known) => self.first_choice(now),
            None => Decision::Wait,
        }
    }

    fn is_ripe(&self, now: Millis, known: usize) -> bool {
        let waited = self
            .claims
            .since()
            .is_some_and(|since| now.saturating_sub(since) >= FIRST_CHOICE_WAIT);
        waited || self.fresh_count(now) * 2 > known
    }

    fn first_choice(&self, now: Millis) -> Decision {
        let top = self.claims.top(&self.distrusted, now);
        let agreed = self.agreed(&top, now);
        if let Some(decision) = agreed.and_then(|claim| self.accept(claim, now)) {
            return decision;
        }
        let steady = self.claims.steady(now, STEADY_POLLS, 0);
        if let Some(decision) = steady.and_then(|claim| self.accept(claim, now)) {
            return decision;
        }
        match agreed {
            Some(claim) => self.verify(claim, now),
            None => self.break_tie(&top, now),
        }
    }

    /// With no primary to stay with, a tie is broken by the nodes: one says master, and every
    /// other one says that it is none.
    fn break_tie(&self, tied: &[&Claim], now: Millis) -> Decision {
        let says = |claim: &Claim| self.says(&claim.address, now, VERDICT_FRESH);
        let masters: Vec<_> = tied
            .iter()
            .filter(|claim| says(claim) == Says::Master)
            .collect();
        let replicas = tied.iter().filter(|claim| says(claim) == Says::Replica);
        match masters.as_slice() {
            [claim] if replicas.count() + 1 == tied.len() => Decision::Switch {
                claim: (**claim).clone(),
                role_verified: true,
            },
            _ => conflict(tied),
        }
    }

    fn next_choice(&self, current: &Claim, now: Millis) -> Decision {
        let top = self.claims.top(&self.distrusted, now);
        let higher = top.first().is_some_and(|claim| claim.epoch > current.epoch);
        let agreed = self.agreed(&top, now).filter(|_| higher);
        let candidate = agreed.filter(|claim| claim.address != current.address || self.left);
        if let Some(decision) = candidate.and_then(|claim| self.accept(claim, now)) {
            return decision;
        }
        if let Some(decision) = self.overruling(current, now) {
            return decision;
        }
        if let Some(claim) = candidate {
            return self.verify(claim, now);
        }
        if let Some(claim) = agreed {
            return match self.unnamed || self.claims.has_majority(claim, now) {
                true => Decision::Learn(claim.epoch),
                false => Decision::Stay,
            };
        }
        let disputed = top.iter().any(|claim| claim.address != current.address);
        let same_epoch = top
            .first()
            .is_some_and(|claim| claim.epoch == current.epoch);
        match disputed && (higher || (same_epoch && !self.unnamed)) {
            true => conflict(&top),
            false => Decision::Stay,
        }
    }

    /// What a steady majority wants instead of `current`, if it wants anything.
    fn overruling(&self, current: &Claim, now: Millis) -> Option<Decision> {
        let claim = self.overruling_claim(current, now)?;
        if claim.address != current.address {
            return Some(
                self.accept(claim, now)
                    .unwrap_or_else(|| self.verify(claim, now)),
            );
        }
        (claim.epoch < current.epoch).then_some(Decision::Learn(claim.epoch))
    }

    /// What a majority holds steadily; for long, while our node still serves.
    fn overruling_claim(&self, current: &Claim, now: Millis) -> Option<&Claim> {
        let stays = match self.unnamed {
            // The others say what they always said; a moment's silence must not make them right.
            true => self.says(&current.address, now, LIFE_FRESH) != Says::Replica,
            false => self.serves(current, now),
        };
        let held = if stays { STEADY } else { 0 };
        self.claims.steady(now, STEADY_POLLS, held)
    }

    /// The only one of `claims`, or the one a majority holds.
    fn agreed<'a>(&self, claims: &[&'a Claim], now: Millis) -> Option<&'a Claim> {
        match claims {
            [claim] => Some(claim),
            _ => claims
                .iter()
                .copied()
                .find(|claim| self.claims.has_majority(claim, now)),
        }
    }

    /// Switches to `claim` if its node agrees.
    fn accept(&self, claim: &Claim, now: Millis) -> Option<Decision> {
        let named_since = self.claims.named_since(claim, now)?;
        let (says, at) = *self.verdicts.get(&claim.address)?;
        if at < named_since || now.saturating_sub(at) > VERDICT_FRESH {
            return None;
        }
        let claims = &self.claims;
        let undisputed =
            claims.has_majority(claim, now) || claims.holders(claim, now) == claims.count(now);
        let accepted = match says {
            Says::Master => true,
            // Without the node's own word, one Sentinel is not enough.
            Says::MayNotAsk => undisputed,
            Says::Replica | Says::Alive | Says::Nothing => false,
        };
        accepted.then(|| Decision::Switch {
            claim: claim.clone(),
            role_verified: says == Says::Master,
        })
    }

    fn verify(&self, claim: &Claim, now: Millis) -> Decision {
        Decision::Verify {
            claim: claim.clone(),
            by_majority: self.claims.has_majority(claim, now),
        }
    }

    /// Whether our node is, as far as we can tell, still serving as primary.
    fn serves(&self, current: &Claim, now: Millis) -> bool {
        !matches!(
            self.says(&current.address, now, LIFE_FRESH),
            Says::Replica | Says::Nothing
        )
    }

    fn says(&self, address: &HostPort, now: Millis, fresh: Millis) -> Says {
        match self.verdicts.get(address) {
            Some((says, at)) if now.saturating_sub(*at) <= fresh => *says,
            _ => Says::Nothing,
        }
    }
}

fn conflict(claims: &[&Claim]) -> Decision {
    let addresses = claims.iter().map(|claim| claim.address.clone());
    Decision::Conflict(addresses.collect())
}
