//! One story: the servers, the proxy, its clients and what goes wrong, from one seed.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{LocalSet, spawn_local};

use super::chance::Chance;
use super::cluster::Cluster;
use super::crowd::Crowd;
use super::faults::{Faults, Temper};
use super::ledger::{Ledger, Outcome};
use super::network::Network;
use super::oracle;
use super::panics;
use super::planted::{Bug, plant};
use super::proxy::Proxy;
use crate::config::{self, Config, Machine};
use crate::topology::Publisher;

const WORKERS: usize = 2;
/// Beyond the hold time, how long the last answer may take once nothing goes wrong any more.
const MARGIN: Duration = Duration::from_secs(12);

/// How a story went.
#[derive(Debug)]
pub(super) struct Tale {
    pub(super) violations: Vec<String>,
    pub(super) lines: Vec<String>,
    pub(super) trace: Vec<u64>,
    pub(super) faults: u64,
    pub(super) commands: u64,
    pub(super) uncertain: u64,
}

/// Tells the story of `seed`, with a bug planted where one is wanted.
pub(super) fn tell(seed: u64, bug: Option<Bug>) -> Tale {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let local = LocalSet::new();
    let panics = panics::begin();
    let _planted = plant(bug);
    let mut tale = local.block_on(&runtime, run(seed));
    // In a task it would only end that task.
    tale.violations.extend(panics.heard());
    tale
}

async fn run(seed: u64) -> Tale {
    let mut chance = Chance::new(seed);
    let network = Network::new(chance.fork());
    let _entered = network.enter();
    spawn_local(network.clone().run());
    let hold = Duration::from_secs(chance.within(3, 16));
    let (publisher, views) = Publisher::new(WORKERS, hold);
    let handle = publisher.handle();
    network.lock().wiretap.handle = Some(handle.clone());
    let ledger = Rc::new(Ledger::new(network, handle, chance.fork()));
    let cluster = Cluster::start(&ledger);
    let temper = match chance.once_in(2) {
        true => Temper::Gentle,
        false => Temper::Harsh,
    };
    ledger.tell(format!("seed {seed}, {temper:?}, hold {hold:?}"));
    let config = Arc::new(settings(&cluster, hold));
    let proxy = Proxy::start(&config, publisher, views, &ledger.network);
    let crowd = Crowd::start(&ledger, &proxy.entrance, hold, &mut chance);
    Faults::new(&cluster, proxy.pauses.clone(), temper)
        .happen()
        .await;
    ledger.tell("nothing goes wrong any more".to_owned());
    crowd.finish(&cluster, hold + MARGIN).await;
    oracle::judge(&cluster, temper);
    tale(&ledger)
}

fn tale(ledger: &Ledger) -> Tale {
    let sent = ledger.sent.borrow();
    let uncertain = |outcome: &Option<Outcome>| *outcome == Some(Outcome::Uncertain);
    Tale {
        violations: ledger.violations(),
        lines: ledger.lines(),
        trace: ledger.network.lock().wiretap.trace.clone(),
        faults: ledger.faults.get(),
        commands: sent.len() as u64,
        uncertain: sent
            .values()
            .filter(|sent| uncertain(&sent.outcome))
            .count() as u64,
    }
}

fn settings(cluster: &Cluster, hold: Duration) -> Config {
    let sentinels: Vec<_> = cluster
        .sentinels
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    let args = [
        "steadfast".to_owned(),
        format!("--sentinel={}", sentinels.join(",")),
        format!("--hold-timeout={}ms", hold.as_millis()),
        format!("--workers={WORKERS}"),
    ];
    let machine = Machine {
        descriptors: 1024,
        memory: None,
        parallelism: WORKERS,
    };
    let args = args.into_iter().map(Into::into).collect();
    // Stories hold with either pool.
    let pool = |name: &str| std::env::var_os(name).filter(|_| name == "STEADFAST_POOL");
    config::load(args, &pool, machine).expect("settings").config
}
