//! Random faults, one after the other, each repaired before the next one.

use std::thread;
use std::time::{Duration, Instant};

use super::clients::{Crowd, KEY};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, Recorder, eventually, wait_until};
use crate::failover::scenario::{QUIET, SLEEP_MS};
use crate::rng::Rng;

/// Between two faults, so that each meets a load.
const BREATH: Duration = Duration::from_millis(500);
/// How long the Sentinels are gone.
const OUTAGE: Duration = Duration::from_secs(2);
/// Longer than the shortest `timeout` a server knows, which is one second.
const IDLE: Duration = Duration::from_millis(2500);
/// A set of servers must be fit for the next fault by then: an old primary is turned into a replica
/// after about ten seconds.
const REPAIR_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Kill,
    Freeze,
    Planned,
    Abort,
    CutOne,
    CutAll,
    NoSentinels,
    IdleTimeout,
}

const KINDS: [Kind; 8] = [
    Kind::Planned,
    Kind::Kill,
    Kind::CutAll,
    Kind::Freeze,
    Kind::Abort,
    Kind::CutOne,
    Kind::NoSentinels,
    Kind::IdleTimeout,
];

/// Strikes a bed.
pub(super) struct Striker<'a> {
    bed: &'a Bed,
    crowd: &'a Crowd,
    rng: Rng,
}

impl<'a> Striker<'a> {
    /// One whose choices come from `rng`.
    pub(super) fn new(bed: &'a Bed, crowd: &'a Crowd, rng: Rng) -> Self {
        Self { bed, crowd, rng }
    }

    /// One fault, until it is over; says when a primary died or froze with its acknowledgements.
    #[track_caller]
    pub(super) fn strike(&mut self) -> Option<Instant> {
        self.wait_fit();
        thread::sleep(BREATH);
        let kind = KINDS[self.rng.below(KINDS.len())];
        eprintln!("fault: {kind:?}");
        match kind {
            Kind::Kill => return Some(self.kill()),
            Kind::Freeze => return Some(self.freeze()),
            Kind::Planned => self.planned(),
            Kind::Abort => self.abort(),
            Kind::CutOne => self.cut_one(),
            Kind::CutAll => self.cut_all(),
            Kind::NoSentinels => self.without_sentinels(),
            Kind::IdleTimeout => self.idle_timeout(),
        }
        None
    }

    /// Everybody agrees who is primary, and there is somebody to take over.
    #[track_caller]
    fn wait_fit(&self) {
        wait_until(REPAIR_LIMIT, "the set is fit for a failover", || {
            let Some(named) = self.bed.named_by(0) else {
                return false;
            };
            let primary = self.bed.server_at(named);
            let agreed =
                (0..self.bed.sentinels().len()).all(|i| self.bed.named_by(i) == Some(named));
            agreed && primary.role() == "master" && self.bed.is_quiet() && self.has_heir()
        });
    }

    /// Sentinel 0 sees a replica that follows.
    fn has_heir(&self) -> bool {
        let ask = ["SENTINEL", "REPLICAS", self.bed.name()];
        let Ok(replicas) = self.bed.sentinel(0).try_command(&ask) else {
            return false;
        };
        replicas.items().iter().any(|replica| {
            let fields = replica.fields();
            let is = |field: &str, value: &str| fields.get(field).is_some_and(|got| got == value);
            is("flags", "slave") && is("master-link-status", "ok")
        })
    }

    fn kill(&self) -> Instant {
        let (recorder, old, epoch) = self.begin();
        old.kill();
        let at = Instant::now();
        self.succeeded(&recorder, old, epoch);
        old.restart();
        at
    }

    fn freeze(&mut self) -> Instant {
        let (recorder, old, epoch) = self.begin();
        old.freeze();
        let at = Instant::now();
        let nap = self.rng.within(SLEEP_MS.0, SLEEP_MS.1);
        thread::sleep(Duration::from_millis(u64::try_from(nap).unwrap()));
        old.thaw();
        let woke = Instant::now();
        let new = eventually(FAILOVER_LIMIT, "it is clear who is primary", || {
            let mut named = recorder.named().into_iter();
            let new = named.find(|named| named.address != old.addr() && named.epoch > epoch);
            new.map(|new| self.bed.server_at(new.address))
                .or_else(|| (woke.elapsed() > QUIET && self.bed.is_quiet()).then_some(old))
        });
        self.bed.wait_named(new);
        at
    }

    fn planned(&self) {
        let (recorder, old, epoch) = self.begin();
        self.bed.begin_failover(0);
        self.succeeded(&recorder, old, epoch);
    }

    /// All replicas are lost before one can be chosen.
    fn abort(&self) {
        let (recorder, old, _) = self.begin();
        let others = || {
            (0..3)
                .map(|i| self.bed.server(i))
                .filter(|node| node.port() != old.port())
        };
        self.bed.begin_failover(0);
        others().for_each(Node::kill);
        eventually(FAILOVER_LIMIT, "the failover is given up", || {
            let mut events = recorder.events().into_iter();
            events.find(|event| event.channel.starts_with("-failover-abort"))
        });
        others().for_each(Node::restart);
    }

    /// The link of one client that has just counted.
    fn cut_one(&mut self) {
        let primary = self.bed.primary();
        let list = primary.command(&["CLIENT", "LIST"]).text();
        let ours = list
            .lines()
            .filter(|line| line.contains("cmd=incr") || line.contains("cmd=echo"));
        let ids: Vec<_> = ours
            .filter_map(|line| line.strip_prefix("id=")?.split(' ').next())
            .collect();
        if !ids.is_empty() {
            let id = ids[self.rng.below(ids.len())];
            primary.command(&["CLIENT", "KILL", "ID", id]);
        }
    }

    /// Every link, several times.
    fn cut_all(&mut self) {
        for _ in 0..self.rng.within(2, 10) {
            let primary = self.bed.primary();
            primary.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            let pause = u64::try_from(self.rng.below(100)).unwrap();
            thread::sleep(Duration::from_millis(pause));
        }
    }

    fn without_sentinels(&self) {
        let sentinels = self.bed.sentinels();
        let counted = || {
            self.bed
                .server_at(self.bed.named_by(0).unwrap())
                .command(&["GET", KEY])
        };
        counted();
        sentinels.iter().for_each(Node::kill);
        thread::sleep(OUTAGE);
        self.crowd.wait_going(Instant::now());
        sentinels.iter().for_each(Node::restart);
    }

    fn idle_timeout(&self) {
        let primary = self.bed.primary();
        primary.command(&["CONFIG", "SET", "timeout", "1"]);
        self.crowd.rest(IDLE);
        self.crowd.wait_going(Instant::now());
        primary.command(&["CONFIG", "SET", "timeout", "0"]);
    }

    /// A recorder, the primary, and the epoch it has.
    fn begin(&self) -> (Recorder, &'a Node, u64) {
        let recorder = self.bed.record();
        let epochs = recorder.named().into_iter().map(|named| named.epoch);
        let epoch = epochs.max().unwrap_or(0);
        (recorder, self.bed.primary(), epoch)
    }

    #[track_caller]
    fn succeeded(&self, recorder: &Recorder, old: &Node, epoch: u64) {
        let named = recorder.first_named(old.addr(), epoch);
        self.bed.wait_named(self.bed.server_at(named.address));
    }
}
