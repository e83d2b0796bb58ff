//! Goal: what holds once holds every time; and by how much. Method: many rounds of each kind of
//! failover with figures kept. `STEADFAST_SOAK=1` asks for the long counts; rounds whose figures
//! are in `results/soak.jsonl` already are not run again, so a run can be resumed.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::bed::{Bed, eventually, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::writer::{Writer, executed_twice};

const SOON: Duration = Duration::from_secs(60);
const WRITERS: usize = 4;
/// Where the figures go.
const FILE: &str = "soak.jsonl";
/// A first answer later than this after a Sentinel's word is a failure everywhere.
const LIMIT: Duration = Duration::from_secs(2);

/// `long` when `STEADFAST_SOAK=1`, else `short`.
pub(crate) fn soak(long: usize, short: usize) -> usize {
    if is_long() { long } else { short }
}

pub(crate) fn is_long() -> bool {
    std::env::var("STEADFAST_SOAK").is_ok_and(|value| value == "1")
}

#[test]
fn killed_primaries() {
    rounds("kill");
}

#[test]
fn frozen_primaries() {
    rounds("freeze");
}

#[test]
fn planned_failovers() {
    rounds("planned");
}

fn rounds(kind: &str) {
    let done = if is_long() {
        recorded(FILE, kind)
    } else {
        Vec::new()
    };
    for round in 0..soak(20, 1) {
        if done.iter().any(|figures| figures["round"] == round) {
            continue;
        }
        let figures = one_round(kind, round);
        eprintln!("{figures}");
        if is_long() {
            append(FILE, &figures);
        }
    }
}

/// One failover of this kind under load, on a bed of its own.
fn one_round(kind: &str, round: usize) -> Json {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary();
    let recorder = bed.record();
    let names: Vec<_> = (0..WRITERS).map(|index| format!("w{index}")).collect();
    let writers: Vec<_> = names
        .iter()
        .map(|name| Writer::start(proxy.addr(), name))
        .collect();
    let fault = Instant::now();
    match kind {
        "kill" => old.kill(),
        "freeze" => old.freeze(),
        _ => bed.begin_failover(0),
    }
    let named = recorder.first_named(old.addr(), 0);
    let new = bed.server_at(named.address);
    let served = eventually(SOON, "a new connection is served", || {
        let mut client = Client::try_connect(proxy.addr()).ok()?;
        let reply = client.try_call(&["CONFIG", "GET", "port"]).ok()?;
        (reply.at(1) == new.port().to_string()).then(Instant::now)
    });
    if kind == "freeze" {
        old.thaw();
        wait_until(SOON, "the old node is awake", || !old.role().is_empty());
    }
    writers.iter().for_each(|writer| writer.wait_acks(20));
    let accounts: Vec<_> = writers.into_iter().map(Writer::stop).collect();
    for account in &accounts {
        assert_eq!(account.demotion_errors(), [""; 0]);
        assert_eq!(account.lost_since(new, named.at + LIMIT), [""; 0]);
    }
    assert_eq!(executed_twice(new), [""; 0]);
    let to_served = served.saturating_duration_since(named.at);
    assert!(to_served < LIMIT, "served {to_served:?}");
    let closed: usize = accounts.iter().map(|account| account.closes.len()).sum();
    assert_eq!(closed, 0, "every session goes on");
    json!({
        "kind": kind,
        "round": round,
        "first_named_by": named.sentinel,
        "fault_to_named_ms": ms(named.at - fault),
        "named_to_served_ms": ms(to_served),
        "lost": accounts.iter().map(|account| account.lost_since(new, fault).len()).sum::<usize>(),
        "errors": accounts.iter().map(|account| account.errors.len()).sum::<usize>(),
        "longest_gap_ms": accounts.iter().map(|account| ms(account.longest_gap())).max(),
        "first_ack_after_name_ms": accounts
            .iter()
            .filter_map(|account| account.first_ack_since(named.at))
            .map(|at| ms(at - named.at))
            .min(),
    })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("results")
        .join(file)
}

/// The figures of this kind in `results/FILE`.
pub(crate) fn recorded(file: &str, kind: &str) -> Vec<Json> {
    let text = fs::read_to_string(path(file)).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    lines.filter(|figures| figures["kind"] == kind).collect()
}

/// Adds figures to `results/FILE`.
pub(crate) fn append(file: &str, figures: &Json) {
    let path = path(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut out = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    writeln!(out, "{figures}").unwrap();
}
