//! The replicas there are, what each last said, and which of them may serve.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::health::{Ill, Measure, good_until};
use super::lag::Course;
use super::names::Names;
use super::status::ReplicaStatus;
use crate::config::AddressMap;
use crate::discovery::probe::Settings;
use crate::discovery::signal::{Reading, Signal};
use crate::discovery::watch::Pace;
use crate::discovery::watches::{WATCHES_MAX, Watches};
use crate::net::HostPort;

/// How long a replica has to have been well before clients of others are led to it.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Who has not been there for so long gives way to others that Sentinels list.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// Former primaries remembered: replicas to be, which Sentinels may list only a while later.
const FORMER_MAX: usize = 4;

/// One replica.
#[derive(Debug)]
struct Node {
    /// What it last said.
    reading: Option<Reading>,
    /// How far behind it was then, if it may serve.
    health: Result<Duration, Ill>,
    /// Since when it may, without a break.
    well_since: Option<Instant>,
    /// When it was last found to be there, whatever it said; at first, when it was first looked for.
    there_at: Instant,
}

impl Node {
    fn new(now: Instant) -> Self {
        Self {
            there_at: now,
            reading: None,
            health: Err(Ill::Unheard),
            well_since: None,
        }
    }

    /// Takes over what was found of it, and says so where that is another thing than before.
    fn find(&mut self, address: &HostPort, health: Result<Duration, Ill>, now: Instant) {
        match (&self.health, &health) {
            (Err(_), Ok(lag)) => {
                self.well_since = Some(now);
                tracing::info!(event = "replica_healthy", replica = %address, lag_ms = lag.as_millis(), "it may serve reads");
            }
            (Ok(_), Err(reason)) => {
                self.well_since = None;
                tracing::info!(event = "replica_unhealthy", replica = %address, %reason, "it serves no reads");
            }
            (Err(before), Err(reason)) if discriminant(before) != discriminant(reason) => {
                tracing::debug!(event = "replica_unhealthy", replica = %address, %reason, "it serves no reads");
            }
            _ => {}
        }
        if !matches!(health, Err(Ill::Unheard | Ill::Silent(_))) {
            self.there_at = now;
        }
        self.health = health;
    }

    /// Whether it has long not been there. Sentinels list what they ever knew.
    fn is_lost(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.there_at) > LOST_AFTER
    }
}

/// A replica that may serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Well {
    pub(super) address: HostPort,
    /// Until when that may be acted on.
    pub(super) until: Instant,
    /// It has been so for a while.
    pub(super) is_settled: bool,
}

/// All of them.
pub(super) struct Census {
    nodes: BTreeMap<HostPort, Node>,
    watches: Watches,
    former: Vec<HostPort>,
    pub(super) names: Names,
    map: AddressMap,
    course: Course,
    max_lag: Duration,
    /// The primary, and since when it is that to us.
    primary: Option<(HostPort, Instant)>,
}

impl Census {
    /// Of nobody. What the watches of replicas see goes `out`.
    pub(super) fn new(
        nodes: Settings,
        map: AddressMap,
        max_lag: Duration,
        out: mpsc::Sender<Signal>,
    ) -> Self {
        Self {
            nodes: BTreeMap::new(),
            watches: Watches::new(nodes, out),
            former: Vec::new(),
            names: Names::default(),
            map,
            course: Course::new(max_lag),
            max_lag,
            primary: None,
        }
    }

    /// From now on this is the primary, or nobody is known to be. Nothing that was said before counts.
    pub(super) fn follow(&mut self, primary: Option<HostPort>, now: Instant) {
        if let Some((former, _)) = self.primary.take() {
            self.former.retain(|other| *other != former);
            self.former.truncate(FORMER_MAX - 1);
            self.former.insert(0, former);
        }
        self.primary = primary.map(|primary| (primary, now));
        self.course.begin_anew();
        self.nudge();
    }

    /// The primary was there when it was asked at `at`.
    pub(super) fn note_offset(&mut self, of: &HostPort, at: Instant, offset: i64) {
        let current = self.primary.as_ref();
        if current.is_some_and(|(primary, since)| primary == of && at >= *since) {
            self.course.note(at, offset);
        }
    }

    /// Looks after those that Sentinels list, and after former primaries, at this pace.
    pub(super) fn watch(&mut self, listed: &BTreeSet<HostPort>, pace: Pace) {
        let primary = self.primary.as_ref().map(|(primary, _)| primary);
        let now = Instant::now();
        let known = |address: &&HostPort| self.nodes.contains_key(address);
        let lost = |address: &&HostPort| self.nodes.get(*address).is_some_and(|it| it.is_lost(now));
        // Those that are known already are not given up for others, unless nobody is there.
        let old = listed
            .iter()
            .filter(|address| known(address) && !lost(address));
        let new = listed.iter().filter(|address| !known(address));
        let all = old
            .chain(new)
            .chain(&self.former)
            .chain(listed.iter().filter(lost));
        let mut wanted: Vec<HostPort> = Vec::new();
        for address in all.filter(|address| Some(*address) != primary) {
            if wanted.len() < WATCHES_MAX && !wanted.contains(address) {
                wanted.push(address.clone());
            }
        }
        self.nodes.retain(|address, _| wanted.contains(address));
        self.watches.retain(&wanted);
        for address in wanted {
            self.watches.set(&address, pace);
            self.nodes.entry(address).or_insert_with(|| Node::new(now));
        }
    }

    /// Has all of them looked at, at once.
    pub(super) fn nudge(&self) {
        for address in self.nodes.keys() {
            self.watches.nudge(address);
        }
    }

    /// A look at one of them came back.
    pub(super) fn read(&mut self, mut reading: Reading) {
        if !self.watches.note(&reading) {
            return;
        }
        if let Some(following) = &mut reading.following {
            following.primary = self.map.apply(following.primary.clone());
        }
        if let Some(node) = self.nodes.get_mut(&reading.address) {
            node.reading = Some(reading);
        }
    }

    /// Those that may serve at this moment, in the order of their addresses.
    pub(super) fn examine(&mut self, now: Instant) -> Vec<Well> {
        let mut well = Vec::new();
        for (address, node) in &mut self.nodes {
            let fresh = node.reading.as_ref().zip(self.primary.as_ref());
            let fresh = fresh.filter(|(reading, (_, since))| reading.sent >= *since);
            let health = match fresh {
                None => Err(Ill::Unheard),
                Some((reading, _)) if good_until(reading.sent) <= now => {
                    Err(Ill::Silent("it does not answer".to_owned()))
                }
                Some((reading, (primary, _))) => {
                    let measure = Measure {
                        primary,
                        course: &self.course,
                        max_lag: self.max_lag,
                    };
                    measure.examine(reading, |other| self.names.are_one(other, primary))
                }
            };
            node.find(address, health, now);
            if let (Some(since), Some(reading)) = (node.well_since, &node.reading) {
                well.push(Well {
                    address: address.clone(),
                    until: good_until(reading.sent),
                    is_settled: now.saturating_duration_since(since) >= SETTLED_AFTER,
                });
            }
        }
        well
    }

    /// What is known of each, for people; `clients` says how many are led to one.
    pub(super) fn tell(&self, clients: impl Fn(&HostPort) -> u64) -> Vec<ReplicaStatus> {
        let one = |(address, node): (&HostPort, &Node)| ReplicaStatus {
            address: address.to_string(),
            healthy: node.health.is_ok(),
            lag_ms: node.health.as_ref().ok().map(|lag| millis(*lag)),
            clients: clients(address),
            reason: node.health.as_ref().err().map(ToString::to_string),
        };
        self.nodes.iter().map(one).collect()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
