//! The rules by which a choice is made from what was claimed and what nodes said of themselves; the
//! memory they look at is kept one level up.

use super::{
    Claim, Decision, Election, LIFE_FRESH, Millis, STEADY, STEADY_BELOW, STEADY_POLLS, Says,
    VERDICT_FRESH,
};

impl Election {
    pub(super) fn first_choice(&self, now: Millis) -> Decision {
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

    pub(super) fn next_choice(&self, current: &Claim, now: Millis) -> Decision {
        let top = self.claims.top(&self.distrusted, now);
        let higher = top.first().is_some_and(|claim| claim.epoch > current.epoch);
        let agreed = self.agreed(&top, now).filter(|_| higher);
        let candidate = agreed.filter(|claim| claim.address != current.address || self.was_left());
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
    pub(super) fn overruling_claim(&self, current: &Claim, now: Millis) -> Option<&Claim> {
        let stays = match self.unnamed {
            // The others say what they always said; a moment's silence must not make them right.
            true => self.says(&current.address, now, LIFE_FRESH) != Says::Replica,
            false => self.serves(current, now),
        };
        let held = if stays { STEADY } else { 0 };
        let claim = self.claims.steady(now, STEADY_POLLS, held)?;
        let resigned = self.says(&current.address, now, LIFE_FRESH) == Says::Replica;
        // Who has only not heard of a node that died soon after it was promoted must not lead back.
        match claim.epoch < current.epoch && !resigned {
            true => self
                .claims
                .steady(now, STEADY_POLLS, held.max(STEADY_BELOW)),
            false => Some(claim),
        }
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
}

fn conflict(claims: &[&Claim]) -> Decision {
    let addresses = claims.iter().map(|claim| claim.address.clone());
    Decision::Conflict(addresses.collect())
}
