//! Every Sentinel address in use, where it came from and how it is doing. It starts and stops the
//! two tasks of each address; what the answers mean is the election's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::election::Claim;
use super::message::{Peer, Trouble};
use super::sentinel::{Poller, Settings, Tempo};
use super::signal::Signal;
use super::subscription::Listener;
use crate::net::HostPort;

/// Addresses asked at the same time.
const MEMBERS_MAX: usize = 32;
/// How long a learned address is kept after it was last listed, while others list theirs.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// How long an answer makes a Sentinel count as reachable.
pub(super) const REACHABLE: Duration = Duration::from_secs(5);

/// One Sentinel address.
#[derive(Debug)]
pub(super) struct Member {
    /// Written in the configuration: never forgotten.
    configured: bool,
    listed: Instant,
    tasks: [AbortHandle; 2],
    /// Of its own: receivers of one channel are woken in an order left to chance.
    tempo: watch::Sender<Tempo>,
    /// The newest poll that has come to an end, by the time it was sent.
    pub(super) concluded: Option<Instant>,
    /// When the newest answered poll was sent.
    pub(super) answered: Option<Instant>,
    /// It was reported as found, and not as lost since.
    pub(super) found: bool,
    pub(super) run_id: Option<String>,
    pub(super) claim: Option<Claim>,
    /// The primary it names, in its own spelling.
    pub(super) spelled: Option<HostPort>,
    /// What it sees of a failover of that.
    pub(super) trouble: Trouble,
    pub(super) quorum: Option<u64>,
    pub(super) down_after: Option<Duration>,
    pub(super) other_sentinels: u64,
    pub(super) replicas: Vec<HostPort>,
    pub(super) subscribed: bool,
    /// Why its answers, or its events, do not come.
    pub(super) error: Option<String>,
    pub(super) subscription_error: Option<String>,
}

impl Member {
    /// Whether it has answered lately.
    pub(super) fn is_reachable(&self, now: Instant) -> bool {
        self.answered
            .is_some_and(|at| now.saturating_duration_since(at) <= REACHABLE)
    }
}

/// How far a round of polls has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// Every Sentinel has answered or failed.
    pub(super) complete: bool,
    /// At least one has answered.
    pub(super) answered: bool,
}

/// All of them.
pub(super) struct Roster {
    members: BTreeMap<HostPort, Member>,
    settings: Arc<Settings>,
    tempo: Tempo,
    out: mpsc::Sender<Signal>,
    /// When each address last gave a list of its peers.
    lists: BTreeMap<HostPort, Instant>,
}

impl Roster {
    pub(super) fn new(settings: Settings, out: mpsc::Sender<Signal>) -> Self {
        Self {
            members: BTreeMap::new(),
            settings: Arc::new(settings),
            tempo: Tempo::default(),
            out,
            lists: BTreeMap::new(),
        }
    }

    /// Asks this address from now on, or keeps doing so.
    pub(super) fn add(&mut self, address: HostPort, configured: bool, now: Instant) {
        if let Some(member) = self.members.get_mut(&address) {
            member.configured |= configured;
            member.listed = now;
            return;
        }
        if self.members.len() >= MEMBERS_MAX && !configured {
            return;
        }
        tracing::info!(event = "sentinel_added", sentinel = %address, configured, "asking a Sentinel");
        let tempo = watch::Sender::new(self.tempo);
        let tasks = self.start(&address, tempo.subscribe());
        let member = Member {
            configured,
            listed: now,
            tasks,
            tempo,
            concluded: None,
            answered: None,
            found: false,
            run_id: None,
            claim: None,
            spelled: None,
            trouble: Trouble::None,
            quorum: None,
            down_after: None,
            other_sentinels: 0,
            replicas: Vec::new(),
            subscribed: false,
            error: None,
            subscription_error: None,
        };
        self.members.insert(address, member);
    }

    fn start(&self, address: &HostPort, tempo: watch::Receiver<Tempo>) -> [AbortHandle; 2] {
        let poller = Poller::new(
            address.clone(),
            self.settings.clone(),
            tempo,
            self.out.clone(),
        );
        let listener = Listener {
            address: address.clone(),
            settings: self.settings.clone(),
            out: self.out.clone(),
        };
        [
            tokio::spawn(poller.run()).abort_handle(),
            tokio::spawn(listener.run()).abort_handle(),
        ]
    }

    /// `from` listed these peers.
    pub(super) fn learn(&mut self, from: &HostPort, peers: Vec<Peer>, now: Instant) {
        if !peers.is_empty() {
            // An empty list follows SENTINEL RESET and says nothing about who is there.
            self.lists.insert(from.clone(), now);
        }
        for peer in peers {
            self.add(peer.address, false, now);
        }
    }

    /// Drops learned addresses that others have stopped listing, and returns them.
    pub(super) fn forget_unlisted(&mut self, now: Instant) -> Vec<HostPort> {
        let lists = &self.lists;
        let is_missing = |address: &HostPort, member: &Member| {
            let since = member.listed + FORGET_AFTER;
            let contradicted = lists
                .iter()
                .any(|(from, at)| from != address && *at >= since);
            !member.configured && now >= since && contradicted
        };
        let gone: Vec<_> = self
            .members
            .iter()
            .filter(|(address, member)| is_missing(address, member))
            .map(|(address, _)| address.clone())
            .collect();
        for address in &gone {
            tracing::info!(event = "sentinel_forgotten", sentinel = %address, "no Sentinel lists it");
            self.lists.remove(address);
            if let Some(member) = self.members.remove(address) {
                member.tasks.iter().for_each(AbortHandle::abort);
            }
        }
        gone
    }

    /// Says once of each Sentinel that it stopped answering.
    pub(super) fn report_lost(&mut self, now: Instant) {
        for (address, member) in &mut self.members {
            if member.found && !member.is_reachable(now) {
                member.found = false;
                member.claim = None;
                let error = member.error.as_deref().unwrap_or("no answer");
                tracing::warn!(event = "sentinel_lost", sentinel = %address, error, "still trying");
            }
        }
    }

    pub(super) fn get_mut(&mut self, address: &HostPort) -> Option<&mut Member> {
        self.members.get_mut(address)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&HostPort, &Member)> {
        self.members.iter()
    }

    /// How many Sentinels there should be: what they say themselves, else what we ask.
    pub(super) fn known(&self, now: Instant) -> usize {
        self.reachable(now)
            .map(|member| {
                usize::try_from(member.other_sentinels).map_or(MEMBERS_MAX, |n| n.saturating_add(1))
            })
            .max()
            .unwrap_or(0)
            .clamp(1, MEMBERS_MAX)
    }

    /// Those that have answered lately.
    pub(super) fn reachable(&self, now: Instant) -> impl Iterator<Item = &Member> {
        self.members
            .values()
            .filter(move |member| member.is_reachable(now))
    }

    /// How far the round of polls has come that were sent after `since`.
    pub(super) fn round(&self, since: Instant) -> Round {
        let after = |at: Option<Instant>| at.is_some_and(|at| at >= since);
        Round {
            complete: self
                .members
                .values()
                // A learned address that never answered (NAT, a dead pod) is not waited for.
                .filter(|member| member.configured || member.answered.is_some())
                .all(|member| after(member.concluded)),
            answered: self.members.values().any(|member| after(member.answered)),
        }
    }

    /// The replicas that are known to any of them.
    pub(super) fn replicas(&self) -> BTreeSet<&HostPort> {
        let members = self.members.values();
        members.flat_map(|member| &member.replicas).collect()
    }

    /// The primary as each of them spells it that names one at that epoch, or a later one.
    pub(super) fn spelled(&self, epoch: u64, now: Instant) -> impl Iterator<Item = &HostPort> {
        let newest = move |member: &&Member| {
            let claim = member.claim.as_ref();
            claim.is_some_and(|claim| claim.epoch >= epoch)
        };
        let named = self.reachable(now).filter(newest);
        named.filter_map(|member| member.spelled.as_ref())
    }

    /// Asks all of them at once.
    pub(super) fn nudge(&mut self) {
        self.tempo.nudges += 1;
        self.tell(true);
    }

    /// Sets the pace; asking at once is part of a quicker one.
    pub(super) fn set_fast(&mut self, fast: bool) {
        let changed = std::mem::replace(&mut self.tempo.fast, fast) != fast;
        self.tell(changed && fast);
    }

    fn tell(&self, at_once: bool) {
        for member in self.members.values() {
            member.tempo.send_if_modified(|tempo| {
                *tempo = self.tempo;
                at_once
            });
        }
    }
}

impl Drop for Roster {
    fn drop(&mut self) {
        for member in self.members.values() {
            member.tasks.iter().for_each(AbortHandle::abort);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_boast_of_peers_overflows_nothing() {
        let settings = Settings {
            primary_name: "mymaster".to_owned(),
            tls: None,
            credentials: None,
            connect_timeout: Duration::from_secs(1),
            poll_interval: Duration::from_secs(1),
            learn_peers: false,
            address_map: crate::config::AddressMap::EMPTY,
        };
        let mut roster = Roster::new(settings, mpsc::channel(1).0);
        let (address, now) = (HostPort::new("127.0.0.1", 1), Instant::now());
        roster.add(address.clone(), true, now);
        let member = roster.get_mut(&address).expect("added");
        member.answered = Some(now);
        member.other_sentinels = u64::MAX;
        assert_eq!(roster.known(now), MEMBERS_MAX);
    }
}
