//! Goal: many Steadfasts on one set of Sentinels do not slow its elections, and none of them follows late.
//! Method: fleets of processes without clients, a planned failover and a crash; from Sentinel's word to
//! each one's switch as it tells it itself, and what it cost the Sentinels as they tell it.
//!
//! `STEADFAST_SOAK=1` asks for a fleet of 200 beside one of one, round for round, and then judges the times
//! too. True figures need an optimised binary (`--release`, or one named in `STEADFAST_BIN`).

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, setpriority_pgrp};
use serde_json::json;

use crate::bed::{Bed, FAILOVER_LIMIT, Node, eventually, wait_until};
use crate::proxy::Proxy;
use crate::soak::{append, is_long};

/// Command and subscription, to each Sentinel.
const CONNECTIONS_EACH: f64 = 2.0;
/// Those of Sentinels and of the tests themselves.
const CONNECTIONS_ELSE: f64 = 20.0;
/// How long Sentinels are watched while nothing happens.
const CALM: Duration = Duration::from_secs(5);
/// Fleets that are compared, and the one of a short run.
const SIZES: [usize; 2] = [1, 200];
const SMALL: usize = 20;
/// Deployments for each, and planned failovers of one of them.
const BEDS: usize = 5;
const PLANNED: usize = 2;
/// An election takes as long as Sentinel's timers of a second let it; more than that between medians would
/// be the fleet's doing.
const SLOWER_MAX_MS: u64 = 500;
/// From Sentinel's word to the last of a fleet: its members get two processors' rest here, all at once.
const LAST_MAX_MS: u64 = 10_000;
/// The lowest there is (nice(1)).
const LAST_PRIORITY: i32 = 19;
const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_fleet_slows_no_planned_failover() {
    compare("planned");
}

#[test]
fn a_fleet_slows_no_election() {
    compare("crash");
}

/// A fleet through one such failover; or, asked for the long counts, one of one and a large one through some.
fn compare(fault: &'static str) {
    if !is_long() {
        let bed = Bed::usual();
        failover(&bed, &launch(&bed, SMALL), fault);
        return;
    }
    let mut all = Vec::new();
    for _ in 0..BEDS {
        all.extend(SIZES.iter().flat_map(|size| rounds(*size, fault)));
    }
    tell(&all);
    let of = |size, figure: fn(&Figures) -> u64| median(&all, size, figure);
    let [one, many] = SIZES.map(|size| of(size, |figures| figures.named_ms));
    assert!(
        many <= one + SLOWER_MAX_MS,
        "named after {many} ms, with one {one} ms"
    );
    let last = of(SIZES[1], |figures| figures.last_ms);
    assert!(last <= LAST_MAX_MS, "the last one followed after {last} ms");
}

/// What one failover took and cost.
#[derive(Debug, Clone)]
struct Figures {
    size: usize,
    fault: &'static str,
    /// From the order, or the kill, to the first Sentinel's word.
    named_ms: u64,
    /// From that word to the median one's switch, and to the last one's.
    median_ms: u64,
    last_ms: u64,
    /// Of all Sentinels together: until the last one had switched, and in a second without events.
    cpu_s: f64,
    calm_cpu_s: f64,
    /// To the Sentinel that has most.
    connections: f64,
    /// The mean of the fleet.
    rss_kib: u64,
}

/// A deployment and its fleet, through some failovers. A primary is killed but once: for ten seconds after
/// a failover these Sentinels begin no other by themselves.
fn rounds(size: usize, fault: &'static str) -> Vec<Figures> {
    let bed = Bed::builder().alone().start();
    let fleet = launch(&bed, size);
    let before = cpu(&bed);
    thread::sleep(CALM);
    let calm_cpu_s = (cpu(&bed) - before) / CALM.as_secs_f64();
    let count = if fault == "planned" { PLANNED } else { 1 };
    let one = |round| {
        let old = bed.primary();
        let figures = Figures {
            calm_cpu_s,
            ..failover(&bed, &fleet, fault)
        };
        append("fleet.jsonl", &record(&figures));
        if round + 1 < count {
            // As long as it believes to be a primary, nothing else can be done to the deployment.
            wait_until(FAILOVER_LIMIT, "the old one follows, too", || {
                old.role() == "slave"
            });
            bed.wait_whole();
        }
        figures
    };
    (0..count).map(one).collect()
}

/// Starts a fleet that has but the processor time that others leave: elsewhere than here its members do not
/// share a machine with the Sentinels.
fn launch(bed: &Bed, size: usize) -> Vec<Proxy> {
    let start = |_| {
        let proxy = Proxy::for_bed(bed).flag("--workers", "1").start();
        // Each has a process group of its own, and only as a group are all threads meant.
        setpriority_pgrp(Pid::from_raw(proxy.pid()), LAST_PRIORITY).unwrap();
        proxy
    };
    let fleet: Vec<_> = (0..size).map(start).collect();
    fleet.iter().for_each(Proxy::wait_ready);
    fleet
}

/// One failover: all of the fleet follow it, and each keeps to its two connections to each Sentinel.
fn failover(bed: &Bed, fleet: &[Proxy], fault: &'static str) -> Figures {
    let old = bed.primary();
    let known: Vec<_> = fleet.iter().map(switches).collect();
    let (ear, before) = (listen(bed), cpu(bed));
    let begun = begin(bed, old, fault);
    let named = ear.recv_timeout(FAILOVER_LIMIT).unwrap();
    // One after the other: to ask all of them all the time would take up what they need themselves.
    for (proxy, known) in fleet.iter().zip(known) {
        wait_until(FAILOVER_LIMIT, "it follows", || switches(proxy) > known);
    }
    let cpu_s = cpu(bed) - before;
    let at = |proxy: &Proxy| switched_at(proxy, begun).saturating_sub(named);
    let mut late: Vec<_> = fleet.iter().map(at).collect();
    late.sort_unstable();
    let figures = Figures {
        size: fleet.len(),
        fault,
        named_ms: named.saturating_sub(begun),
        median_ms: late[late.len() / 2],
        last_ms: late[late.len() - 1],
        cpu_s,
        calm_cpu_s: 0.0,
        connections: connections(bed, fleet.len()),
        rss_kib: fleet.iter().map(Proxy::rss_kib).sum::<u64>() / fleet.len() as u64,
    };
    eprintln!("{}", record(&figures));
    figures
}

/// Orders a planned failover, or kills the primary; says when.
fn begin(bed: &Bed, old: &Node, fault: &str) -> u64 {
    if fault == "crash" {
        let at = now_ms();
        old.kill();
        return at;
    }
    let order = ["SENTINEL", "FAILOVER", bed.name()];
    eventually(FAILOVER_LIMIT, "the Sentinel agrees to a failover", || {
        let at = now_ms();
        let answer = bed.sentinel(0).try_command(&order);
        answer.is_ok_and(|reply| reply.is_ok()).then_some(at)
    })
}

/// Where the moments come out in which Sentinels say that there is another primary.
fn listen(bed: &Bed) -> Receiver<u64> {
    let (heard, ear) = mpsc::channel();
    for sentinel in bed.sentinels() {
        let mut client = sentinel.connect();
        client.call(&["SUBSCRIBE", "+switch-master"]);
        let heard = heard.clone();
        // Ends with the Sentinel.
        thread::spawn(move || {
            if client.reply_within(FAILOVER_LIMIT).is_ok() {
                let _ = heard.send(now_ms());
            }
        });
    }
    ear
}

/// How many times it has switched so far.
fn switches(proxy: &Proxy) -> usize {
    proxy.events("primary_changed").len()
}

/// When it first switched after that moment, by its own account.
fn switched_at(proxy: &Proxy, begun: u64) -> u64 {
    let status = proxy.status();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let now = number(&status["unix_ms"]);
    let all = status["discovery"]["last_switches"].as_array().unwrap();
    let moments = all.iter().map(|switch| now - number(&switch["ms_ago"]));
    moments.filter(|at| *at >= begun).min().unwrap()
}

/// Processor time of all Sentinels so far, in seconds.
fn cpu(bed: &Bed) -> f64 {
    let of = |sentinel| told(sentinel, "used_cpu_user") + told(sentinel, "used_cpu_sys");
    bed.sentinels().iter().map(of).sum()
}

/// The most connections a Sentinel has, once it has no more of them than a fleet of `size` needs.
fn connections(bed: &Bed, size: usize) -> f64 {
    let wanted = size as f64 * CONNECTIONS_EACH;
    eventually(
        SOON,
        "each has its two connections to each Sentinel",
        || {
            let sentinels = bed.sentinels().iter();
            let all: Vec<_> = sentinels.map(|it| told(it, "connected_clients")).collect();
            let fits = |count: &f64| (wanted..wanted + CONNECTIONS_ELSE).contains(count);
            let most = all.iter().copied().fold(0.0, f64::max);
            all.iter().all(fits).then_some(most)
        },
    )
}

/// A number in a Sentinel's INFO.
fn told(sentinel: &Node, field: &str) -> f64 {
    eventually(SOON, "a Sentinel tells of itself", || {
        sentinel.info(field).trim().parse().ok()
    })
}

fn median(all: &[Figures], size: usize, of: fn(&Figures) -> u64) -> u64 {
    let those = all.iter().filter(|one| one.size == size);
    let mut values: Vec<_> = those.map(of).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn tell(all: &[Figures]) {
    eprintln!(
        "{:>6} {:8} {:>9} {:>9} {:>9} {:>11} {:>11} {:>11} {:>9}",
        "fleet",
        "fault",
        "named ms",
        "median ms",
        "last ms",
        "cpu s",
        "calm cpu s",
        "connections",
        "rss KiB"
    );
    for one in all {
        eprintln!(
            "{:>6} {:8} {:>9} {:>9} {:>9} {:>11.3} {:>11.4} {:>11} {:>9}",
            one.size,
            one.fault,
            one.named_ms,
            one.median_ms,
            one.last_ms,
            one.cpu_s,
            one.calm_cpu_s,
            one.connections,
            one.rss_kib
        );
    }
}

fn record(figures: &Figures) -> serde_json::Value {
    json!({
        "kind": figures.fault,
        "size": figures.size,
        "named_ms": figures.named_ms,
        "switched_median_ms": figures.median_ms,
        "switched_last_ms": figures.last_ms,
        "sentinel_cpu_s": figures.cpu_s,
        "calm_sentinel_cpu_s": figures.calm_cpu_s,
        "connections": figures.connections,
        "rss_kib": figures.rss_kib,
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
