//! Two equal servers: one reached directly, one through Steadfast; or one through each pool.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::bed::{Bed, Node, Start, wait_until};
use crate::proxy::Proxy;

use super::mask::comparable;
use super::plan::Plan;
use super::side::{Record, run};

/// A pair holds two beds, and tests that each hold one of two would wait for each other.
static ONE_PAIR: Mutex<()> = Mutex::new(());
/// How long the server may take to notice that a stream's clients have gone.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// How often a plan is carried out at most.
const TRIES: usize = 4;
/// Part of the time that is withheld from a process on a machine too busy for it.
const STARVED_PERCENT: u128 = 10;
/// Bytes of a differing reply that are shown.
const SHOWN: usize = 300;

/// The two sides.
pub(super) struct Pair {
    direct: Bed,
    /// In front of the first, where that is not reached directly.
    before: Option<Proxy>,
    proxied: Bed,
    proxy: Proxy,
    _turn: MutexGuard<'static, ()>,
}

impl Pair {
    /// Two fresh servers and a proxy that serves from the second.
    #[track_caller]
    pub(super) fn start() -> Self {
        let turn = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
        let bed = |sentinels| Bed::builder().replicas(0).sentinels(sentinels).start();
        let (direct, proxied) = (bed(0), bed(1));
        let proxy = Proxy::ready(&proxied);
        Self {
            direct,
            before: None,
            proxied,
            proxy,
            _turn: turn,
        }
    }

    /// Two fresh servers, each behind another pool.
    #[track_caller]
    pub(super) fn of_pools() -> Self {
        let turn = ONE_PAIR.lock().unwrap_or_else(PoisonError::into_inner);
        let (direct, proxied) = (Bed::lonely(), Bed::lonely());
        let of = |bed: &Bed, pool: &str| Proxy::for_bed(bed).flag("--pool", pool).start_ready();
        Self {
            before: Some(of(&direct, "session")),
            proxy: of(&proxied, "shared"),
            direct,
            proxied,
            _turn: turn,
        }
    }

    fn entrances(&self) -> [(SocketAddr, &Node); 2] {
        let (direct, behind) = (self.direct.server(0), self.proxied.server(0));
        let entrance = self.before.as_ref().map_or(direct.addr(), Proxy::addr);
        [(entrance, direct), (self.proxy.addr(), behind)]
    }

    fn both(&self, plan: &Plan) -> [Record; 2] {
        thread::scope(|scope| {
            let sides = self.entrances().map(|(entrance, server)| {
                scope.spawn(move || {
                    refresh(server);
                    run(plan, entrance, server)
                })
            });
            sides.map(|side| side.join().unwrap())
        })
    }

    /// Carries out `plan` through Steadfast alone.
    pub(super) fn proxied(&self, plan: &Plan) -> Record {
        let (entrance, server) = (self.proxy.addr(), self.proxied.server(0));
        refresh(server);
        run(plan, entrance, server)
    }

    /// Carries out `plan` on both sides and says where they differ, if they do. A proxy that did not
    /// run for half a second holds commands until it has looked around, and answers a PING itself,
    /// before what is under way: what differed on a machine that kept it waiting is compared again.
    pub(super) fn compare(&self, plan: &Plan) -> Result<(), String> {
        for _ in 1..TRIES {
            let (started, doubts) = (Start::now(), self.doubts());
            match self.compare_once(plan) {
                Err(text) if starved(&started) || self.doubts() != doubts => {
                    eprintln!("once more, because the proxy was kept waiting: {text}");
                }
                result => return result,
            }
        }
        self.compare_once(plan)
    }

    /// How often the proxy has looked around.
    fn doubts(&self) -> usize {
        let events = ["gate_shut", "gate_opened", "lease_renewed"];
        events
            .map(|event| self.proxy.events(event).len())
            .iter()
            .sum()
    }

    fn compare_once(&self, plan: &Plan) -> Result<(), String> {
        let [direct, proxied] = self.both(plan);
        if direct.stuck.is_some() || proxied.stuck.is_some() {
            let (a, b) = (
                difference(&direct.subject, &proxied.subject),
                &proxied.stuck,
            );
            return Err(format!(
                "stuck: direct {:?}, proxied {b:?}; {a:?}",
                direct.stuck
            ));
        }
        difference(&direct.helper, &proxied.helper).map_err(|text| format!("helper: {text}"))?;
        difference(&direct.subject, &proxied.subject)
    }
}

/// Whether the machine kept this process waiting, and so the proxy as well.
fn starved(started: &Start) -> bool {
    started.longest_pause() > Duration::ZERO || started.withheld_percent() >= STARVED_PERCENT
}

/// Where two recorded streams differ after masking.
pub(super) fn difference(direct: &[u8], proxied: &[u8]) -> Result<(), String> {
    if direct == proxied {
        return Ok(());
    }
    let (direct, proxied) = (comparable(direct), comparable(proxied));
    let length = direct.len().max(proxied.len());
    let Some(at) = (0..length).find(|at| direct.get(*at) != proxied.get(*at)) else {
        return Ok(());
    };
    let show = |values: &[Vec<u8>], at: usize| match values.get(at) {
        Some(value) => value[..value.len().min(SHOWN)].escape_ascii().to_string(),
        None => "(nothing)".into(),
    };
    let before: Vec<_> = (at.saturating_sub(4)..at)
        .map(|at| show(&direct, at))
        .collect();
    let after = |values: &[Vec<u8>]| {
        (at..at + 3)
            .map(|at| show(values, at))
            .collect::<Vec<_>>()
            .join("\n           ")
    };
    Err(format!(
        "value {at} of {length}\n  before:  {}\n  direct:  {}\n  proxied: {}",
        before.join("\n           "),
        after(&direct),
        after(&proxied)
    ))
}

/// Takes a server back to its beginning, once the last stream's clients are gone.
fn refresh(server: &Node) {
    wait_until(SETTLE_LIMIT, "the last stream's clients are gone", || {
        server.info("blocked_clients") == "0"
            && server.info("tracking_clients") == "0"
            && server.command(&["PUBSUB", "NUMPAT"]).text() == "0"
            && server
                .command(&["PUBSUB", "CHANNELS", "d:*"])
                .items()
                .is_empty()
            && !server
                .command(&["CLIENT", "LIST"])
                .text()
                .contains(" flags=O ")
    });
    let commands: [&[&str]; 7] = [
        &["CLIENT", "UNPAUSE"],
        &["FLUSHALL", "SYNC"],
        &["SCRIPT", "FLUSH", "SYNC"],
        &["FUNCTION", "FLUSH", "SYNC"],
        &["ACL", "DELUSER", "somebody"],
        &["CONFIG", "SET", "notify-keyspace-events", "KEA"],
        &["CONFIG", "RESETSTAT"],
    ];
    for command in commands {
        server.command(command);
    }
}
