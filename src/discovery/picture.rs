//! Discovery's picture of itself for `/status`, and in a sentence what it waits for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::earshot;
use super::election::Says;
use super::message::BadAnswer;
use super::roster::Member;
use super::task::Discovery;
use super::{SentinelStatus, Status};
use crate::net::HostPort;

/// Least time between two log lines about what the first choice waits for.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

impl Discovery {
    /// Replaces the shared [`Status`] when something changed.
    pub(super) fn show(&mut self) {
        let now = Instant::now();
        if self.election.current().is_none() {
            self.tell_waiting(now);
        }
        let status = self.picture(now);
        if **self.status.load() != status {
            self.status.store(Arc::new(status));
        }
    }

    fn picture(&self, now: Instant) -> Status {
        let members = self.roster.iter();
        let unresolved = self.unresolved.iter().map(|(seed, error)| SentinelStatus {
            address: seed.to_string(),
            error: Some(error.clone()),
            ..SentinelStatus::default()
        });
        Status {
            sentinels: members
                .map(|(address, member)| entry(address, member, now))
                .chain(unresolved)
                .collect(),
            quorum: self.roster.reachable(now).filter_map(|m| m.quorum).max(),
            reachable: self.distinct(now, |_| true),
            known: self.roster.known(now),
            agreeing: self.agreeing(now),
            subscribed: self.subscribed(),
            subscription: earshot::summary(self.subscribed(), self.roster.known(now)),
            degraded: self.degraded,
            conflict: self.conflict.iter().map(ToString::to_string).collect(),
            failovers: self.failovers.clone(),
            switches: self.switches,
            last_switches: self.last_switches.clone(),
            named_by: self.named_by(),
            primary_says: self.primary.says.map(Says::name),
            restarts: self.primary.restarts,
            primary_error: self.primary.error.clone(),
            waiting_for: self.waiting_for.clone(),
            counts: self.counts.clone(),
        }
    }

    /// The Sentinels that name the present primary, at whatever epoch.
    fn named_by(&self) -> Vec<String> {
        let ours = self.election.current().map(|claim| &claim.address);
        let names_ours = |(_, member): &(&HostPort, &Member)| {
            member.claim.as_ref().map(|claim| &claim.address) == ours
        };
        let naming = self.roster.iter().filter(names_ours);
        naming
            .filter(|_| ours.is_some())
            .map(|(address, _)| address.to_string())
            .collect()
    }

    /// Sentinels, by run id, whose events reach us.
    pub(super) fn subscribed(&self) -> usize {
        self.distinct(Instant::now(), |member| member.subscribed)
    }

    /// Sentinels, by run id, that name our primary.
    fn agreeing(&self, now: Instant) -> usize {
        let ours = self.election.current().map(|claim| &claim.address);
        let members = self.roster.reachable(now);
        let agreeing = members.filter(|member| {
            let named = member.claim.as_ref().map(|claim| &claim.address);
            ours.is_some() && named == ours
        });
        let ids: BTreeSet<_> = agreeing.map(|member| &member.run_id).collect();
        ids.len()
    }

    fn distinct(&self, now: Instant, wanted: fn(&Member) -> bool) -> usize {
        let members = self.roster.reachable(now).filter(|member| wanted(member));
        let ids: BTreeSet<_> = members.map(|member| &member.run_id).collect();
        ids.len()
    }

    /// Says why there is no primary yet: when the reason changes, and not too often.
    fn tell_waiting(&mut self, now: Instant) {
        let reason = self.missing(now);
        let changed = self.waiting_for.as_ref() != Some(&reason);
        let due = self
            .told_waiting
            .is_none_or(|at| now.saturating_duration_since(at) >= TELL_INTERVAL);
        // The first moments after start are not worth a line.
        let early = now.saturating_duration_since(self.base) < Duration::from_secs(1);
        let untold = self.told_waiting.is_none();
        if (changed || untold) && due && !early {
            tracing::warn!(event = "waiting", "no primary yet; waiting for {reason}");
            self.told_waiting = Some(now);
            self.waiting_for = Some(reason);
        } else if early || due {
            self.waiting_for = Some(reason);
        }
    }

    /// What the first choice still lacks.
    fn missing(&self, now: Instant) -> String {
        if self.roster.reachable(now).next().is_none() {
            return self.missing_sentinel();
        }
        if let Some(claim) = &self.pending {
            if self.too_early(claim, now) {
                return "a failover, which seems to be under way, to end".to_owned();
            }
            return format!(
                "{}, which the Sentinels name, to be a primary ({})",
                claim.address,
                self.candidate_says(&claim.address)
            );
        }
        if !self.conflict.is_empty() {
            return "the Sentinels to agree: they name different primaries at one epoch".to_owned();
        }
        let name = &self.config.primary_name;
        let unknown = BadAnswer::UnknownName.to_string();
        let errors = || self.roster.reachable(now).filter_map(|m| m.error.as_ref());
        if errors().any(|error| *error == unknown) {
            return format!("a Sentinel that knows the primary name '{name}'");
        }
        match errors().next() {
            Some(error) => format!("a usable answer from a Sentinel: {error}"),
            None => "answers from more Sentinels".to_owned(),
        }
    }

    fn missing_sentinel(&self) -> String {
        let members = self.roster.iter().map(|(at, member)| (at, &member.error));
        let mut errors = members
            .filter_map(|(address, error)| Some((address, error.as_ref()?)))
            .chain(&self.unresolved);
        match errors.next() {
            Some((address, error)) => format!("a Sentinel: {address}: {error}"),
            None => "the Sentinels' first answers".to_owned(),
        }
    }

    fn candidate_says(&self, address: &HostPort) -> String {
        let Some(reading) = self.candidate.as_ref().filter(|r| r.address == *address) else {
            return "it has not answered yet".to_owned();
        };
        if let Some(error) = &reading.error {
            return error.clone();
        }
        match reading.says {
            Says::Replica => "it says that it is a replica",
            Says::MayNotAsk => "it may not be asked without a login",
            Says::Master => "it says that it is",
            Says::Alive | Says::Nothing => "it does not say",
        }
        .to_owned()
    }
}

fn entry(address: &HostPort, member: &Member, now: Instant) -> SentinelStatus {
    let error = member.error.clone();
    let claim = member.claim.as_ref();
    SentinelStatus {
        address: address.to_string(),
        run_id: member.run_id.clone(),
        primary: member.spelled.as_ref().map(ToString::to_string),
        epoch: claim.map(|claim| claim.epoch),
        trouble: member.trouble.name(),
        connected: member.answered.is_some() && member.answered == member.concluded,
        answered: member.answered,
        answers: member.is_reachable(now),
        subscribed: member.subscribed,
        error: error.or_else(|| member.subscription_error.clone()),
    }
}
