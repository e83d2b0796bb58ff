//! Given what the Sentinels said, who is the primary.
//!
//! Pure: answers, role verdicts and a plain time in, a [`Decision`] out. It opens no connection and
//! shuts no gate. The rules (design.md section 3), in the order in which they are tried:
//!
//! 1. The highest config-epoch any trusted Sentinel holds, once ROLE there says master. One
//!    Sentinel is enough: a minority cannot mint an epoch by itself.
//! 2. What a majority holds *steadily*, whatever its epoch: two polls when our node does not serve
//!    any more (5 s at a lower epoch, unless it says itself that it is no primary), 10 s while it
//!    still does. This is how epochs may go down (`SENTINEL REMOVE` and
//!    `MONITOR` start again at 0) and how a lie at a high epoch is overruled. Who is overruled is
//!    not followed upwards again before it agrees once.
//! 3. Otherwise stay. Different addresses at one epoch without a majority raise an alarm.

use std::collections::{BTreeMap, BTreeSet};

use crate::net::HostPort;
#[cfg(test)]
use crate::simulation::{Bug, planted};

mod choice;
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
/// How long one of a lower epoch must be while our node does not answer: more than two of the hellos,
/// one every 2 s, by which Sentinels hear of a newer one (sentinel-facts.md). Asked several times a
/// second then, those that have not heard would soon seem steady.
pub const STEADY_BELOW: Millis = 5_000;
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

impl Says {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "replica",
            Self::MayNotAsk => "alive, its role may not be asked without a login",
            Self::Alive => "alive, too busy to tell its role",
            Self::Nothing => "nothing",
        }
    }
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
    /// Since `current` was chosen it was seen as a replica, or no longer known who was named.
    left: bool,
    /// Others that were named at a higher epoch since.
    rivals: BTreeSet<HostPort>,
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
        #[cfg(test)]
        let claim = self.with_any_epoch(claim);
        if !self.claims.note(run_id, &claim, quorum, at) {
            return;
        }
        if let Some(current) = &self.current {
            if claim.epoch <= current.epoch {
                self.distrusted.remove(run_id);
            } else if claim.address != current.address {
                match self.rivals.len() < REMEMBERED_MAX {
                    true => drop(self.rivals.insert(claim.address)),
                    false => self.left = true,
                }
            }
        }
    }

    /// `alias` is another spelling of the present choice: whoever named it meant that.
    pub fn is_ours(&mut self, alias: &HostPort) {
        if let Some(current) = &self.current {
            self.rivals.remove(alias);
            self.claims.respell(alias, &current.address);
        }
    }

    /// Whether there were signs since `current` was chosen that another node was primary.
    fn was_left(&self) -> bool {
        self.left || !self.rivals.is_empty()
    }

    /// With a bug planted, whoever names another node is believed.
    #[cfg(test)]
    fn with_any_epoch(&self, mut claim: Claim) -> Claim {
        if let Some(current) = &self.current
            && planted(Bug::ForgetsTheEpoch)
            && claim.address != current.address
        {
            claim.epoch = claim.epoch.max(current.epoch + 1);
        }
        claim
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
        self.rivals.clear();
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
        self.rivals.clear();
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
        self.rivals.clear();
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
