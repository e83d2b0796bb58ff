//! The main loop of discovery: takes news, keeps the memories up to date, and after each piece of
//! news lets `steering` act on what is known now.
//!
//! It waits for: signals of its own tasks, reports of the data path, and a tick. Nothing here waits
//! for a peer; the one wait is for the workers' confirmation during a switch, bounded by the lease.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::counts::Counts;
use super::election::{Claim, Election, Millis, Says};
use super::handover::Handover;
use super::inquiry::Inquiry;
use super::replicas::Teller;
use super::roster::Roster;
use super::signal::{Reading, SIGNALS_MAX, Signal};
use super::spelling::Spellings;
use super::underway::Underway;
use super::watches::Watches;
use super::{Failovers, StatusHandle, Switch, probe, seeds, sentinel};
use crate::config::Config;
use crate::net::HostPort;
use crate::resp::Commands;
use crate::topology::{Gate, Publisher, Report, Sign, Tally};

/// How often it looks around without any news.
const TICK: Duration = Duration::from_millis(100);
/// How long Sentinels are asked fast after an event.
pub(super) const EAGER: Duration = Duration::from_secs(5);

/// Everything discovery remembers.
pub(super) struct Discovery {
    pub(super) config: Arc<Config>,
    pub(super) publisher: Publisher,
    pub(super) status: StatusHandle,
    pub(super) base: Instant,
    pub(super) roster: Roster,
    pub(super) watches: Watches,
    pub(super) election: Election,
    pub(super) underway: Underway,
    pub(super) spellings: Spellings,
    pub(super) handover: Handover,
    pub(super) failovers: Failovers,
    pub(super) counts: Counts,
    pub(super) primary: PrimaryMemory,
    /// A fresh look around that must end well before the primary is believed again.
    pub(super) inquiry: Option<Inquiry>,
    /// When the loop last ran; a gap means that the process did not.
    pub(super) last_step: Instant,
    /// When a Sentinel last named a primary.
    pub(super) last_named: Instant,
    /// Sentinels are asked fast until then.
    pub(super) eager_until: Instant,
    /// Names that cannot be looked up, and why.
    pub(super) unresolved: BTreeMap<HostPort, String>,
    /// Addresses in conflict at one epoch.
    pub(super) conflict: Vec<HostPort>,
    /// Since when, unless it was reported.
    pub(super) conflict_since: Option<Instant>,
    /// A newer primary is named and not verified yet.
    pub(super) pending: Option<Claim>,
    /// What the candidate last said.
    pub(super) candidate: Option<Reading>,
    pub(super) waiting_for: Option<String>,
    /// When it was last logged what the first choice waits for.
    pub(super) told_waiting: Option<Instant>,
    pub(super) degraded: bool,
    pub(super) switches: u64,
    /// The last of them, newest first.
    pub(super) last_switches: Arc<[Switch]>,
    /// What the workers had done when the primary last proved itself.
    pub(super) tally: Tally,
    /// Who looks after the replicas is told by this.
    pub(super) outlook: Option<Teller>,
}

/// What the watch of the current primary has shown.
#[derive(Debug, Default)]
pub(super) struct PrimaryMemory {
    pub(super) says: Option<Says>,
    pub(super) run_id: Option<String>,
    pub(super) offset: Option<i64>,
    pub(super) error: Option<String>,
    pub(super) restarts: u64,
}

impl Discovery {
    pub(super) fn new(
        config: Arc<Config>,
        publisher: Publisher,
        status: StatusHandle,
        out: mpsc::Sender<Signal>,
    ) -> Self {
        let now = Instant::now();
        let (sentinels, nodes) = settings(&config);
        let declared = Commands::declaring(&config.shared_commands);
        publisher.set_commands(publisher.load().generation, Arc::new(declared));
        Self {
            config,
            publisher,
            status,
            base: now,
            roster: Roster::new(sentinels, out.clone()),
            watches: Watches::new(nodes, out),
            election: Election::default(),
            underway: Underway::default(),
            spellings: Spellings::default(),
            handover: Handover::default(),
            failovers: Failovers::default(),
            counts: Counts::default(),
            primary: PrimaryMemory::default(),
            inquiry: None,
            last_step: now,
            last_named: now,
            eager_until: now,
            unresolved: BTreeMap::new(),
            conflict: Vec::new(),
            conflict_since: None,
            pending: None,
            candidate: None,
            waiting_for: None,
            told_waiting: None,
            degraded: false,
            switches: 0,
            last_switches: Arc::default(),
            tally: Tally::default(),
            outlook: None,
        }
    }

    /// Time as the pure parts count it.
    pub(super) fn millis(&self, at: Instant) -> Millis {
        let since = at.saturating_duration_since(self.base).as_millis();
        Millis::try_from(since).unwrap_or(Millis::MAX)
    }

    async fn run(
        mut self,
        mut signals: mpsc::Receiver<Signal>,
        mut reports: mpsc::Receiver<Report>,
    ) -> Infallible {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut ticked = false;
            tokio::select! {
                // The rarest first: ticks have their pace, and so has whoever signals.
                biased;
                _ = tick.tick() => {
                    self.notice_gap();
                    ticked = true;
                }
                Some(signal) = signals.recv() => {
                    self.notice_gap();
                    self.take(signal);
                }
                Some(report) = reports.recv() => {
                    self.notice_gap();
                    self.look_into(report);
                }
            }
            self.steer().await;
            if ticked {
                self.publisher.beat();
                self.look_after_sentinels();
            }
            self.show();
            self.last_step = Instant::now();
        }
    }

    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Sentinel { from, news } => self.hear(&from, news),
            Signal::Reading(reading) => self.read(reading),
            Signal::Commands {
                generation,
                commands,
            } => self.publisher.set_commands(generation, commands),
            Signal::Resolved { seed, result } => self.resolved(seed, result),
        }
    }

    pub(super) fn read(&mut self, reading: Reading) {
        if !self.watches.note(&reading) {
            return;
        }
        let sent = self.millis(reading.sent);
        let Reading { address, says, .. } = &reading;
        let process = reading.run_id.clone().zip(reading.peer);
        self.spellings.told(address, *says, process, sent);
        let current = self.election.current().map(|claim| &claim.address);
        let is_current = current == Some(address);
        if !is_current && current == Some(self.usual(address)) {
            self.election.is_ours(address);
            return self.underway.is_ours(address);
        }
        self.election.verdict(address, *says, sent);
        match is_current {
            true => self.heartbeat(reading),
            false => self.other_node(reading),
        }
    }

    /// The spelling of a node that is used for it everywhere: that of our primary, if it is that.
    pub(super) fn usual<'a>(&'a self, address: &'a HostPort) -> &'a HostPort {
        let ours = self.election.current().map(|claim| &claim.address);
        let now = self.millis(Instant::now());
        self.spellings.usual(address, ours, now)
    }

    /// Has the present primary asked what it says of its commands, beginning with what the operator
    /// says; nothing waits for it.
    pub(super) fn learn_commands(&self) {
        let topology = self.publisher.load();
        if let Some(primary) = &topology.primary {
            let known = Commands::declaring(&self.config.shared_commands);
            self.watches
                .ask_commands(&primary.address, topology.generation, known);
        }
    }

    /// The data path saw something: the control connection shall tell what it means.
    fn look_into(&mut self, report: Report) {
        let topology = self.publisher.load();
        let (true, Some(primary)) = (report.generation == topology.generation, &topology.primary)
        else {
            return;
        };
        self.watches.nudge(&primary.address);
        let says_no = matches!(report.sign, Sign::NotPrimary | Sign::Rejected);
        // Where we may not ask for the role, the links' word is all there is.
        if says_no && self.primary.says == Some(Says::MayNotAsk) && topology.gate == Gate::Open {
            self.underway.doubt(self.millis(Instant::now()));
            self.shut("a link found that the node does not act as primary");
        }
    }
}

/// How Sentinels are asked, and how data nodes.
pub(super) fn settings(config: &Config) -> (sentinel::Settings, probe::Settings) {
    let sentinels = sentinel::Settings {
        primary_name: config.primary_name.clone(),
        tls: config.tls.sentinel.clone(),
        credentials: config.sentinel_credentials.clone(),
        connect_timeout: config.connect_timeout,
        poll_interval: config.poll_interval,
        learn_peers: config.sentinel_discovery,
        address_map: config.address_map.clone(),
    };
    let (whose, credentials) = config.checks_as();
    let nodes = probe::Settings {
        tls: config.tls.upstream.clone(),
        credentials: credentials.cloned(),
        whose,
        connect_timeout: config.connect_timeout,
        heartbeat_timeout: config.heartbeat_timeout,
    };
    (sentinels, nodes)
}

/// Runs discovery for the life of the process; never returns.
pub(super) async fn run(
    config: Arc<Config>,
    publisher: Publisher,
    reports: mpsc::Receiver<Report>,
    status: StatusHandle,
    outlook: Option<Teller>,
) -> Infallible {
    let (out, signals) = mpsc::channel(SIGNALS_MAX);
    let mut discovery = Discovery::new(config.clone(), publisher, status, out.clone());
    discovery.outlook = outlook;
    let mut lookups = tokio::task::JoinSet::new();
    for seed in &config.sentinels {
        if seed.literal().is_some() {
            discovery.roster.add(seed.clone(), true, Instant::now());
        } else {
            lookups.spawn(seeds::follow(seed.clone(), out.clone()));
        }
    }
    drop(out);
    discovery.run(signals, reports).await
}
