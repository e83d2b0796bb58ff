//! By how much one client slows down the others: p99 of fifty clients' reads beside a write that is
//! parked, and beside a client that reads a huge value slowly. `STEADFAST_SOAK=1` takes its time.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::sharing;
use crate::bed::Bed;
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::soak::is_long;

const CLIENTS: usize = 50;
const HUGE: usize = 100_000_000;
/// Bytes a second of the one that reads slowly.
const SLOWLY: usize = 1_000_000;
/// Of the figure without.
const RATIO_MAX: f64 = 1.5;
/// Rounds, one of which has to hold: on a machine with other work to do not every one is fair.
const ROUNDS: usize = 4;

fn span() -> Duration {
    Duration::from_secs(if is_long() { 20 } else { 3 })
}

/// 99 of 100 reads of fifty clients take no longer than this.
fn p99(address: SocketAddr) -> Duration {
    let end = Instant::now() + span();
    let read = |nth: usize| {
        let mut client = Client::connect(address);
        let (key, mut took) = (format!("k{nth}"), Vec::new());
        assert!(client.call(&["GET", &key]).error().is_none());
        while Instant::now() < end {
            let asked = Instant::now();
            assert!(client.call(&["GET", &key]).error().is_none());
            took.push(asked.elapsed());
        }
        took
    };
    let mut all: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|nth| scope.spawn(move || read(nth)))
            .collect();
        clients
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect()
    });
    all.sort_unstable();
    all[all.len() * 99 / 100]
}

/// Has one of a few rounds show that `beside` costs others little.
#[track_caller]
fn hardly_matters(what: &str, proxy: &Proxy, mut beside: impl FnMut() -> Duration) {
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let (without, with) = (p99(proxy.addr()), beside());
        let ratio = with.as_secs_f64() / without.as_secs_f64();
        eprintln!("{what}: p99 {without:?} without, {with:?} with it: {ratio:.2}");
        figures.push(ratio);
        if ratio <= RATIO_MAX {
            return;
        }
    }
    panic!("{what}: {figures:?}");
}

#[test]
fn a_parked_write_hardly_matters_to_the_reads_of_fifty() {
    let bed = Bed::lonely();
    let proxy = sharing(&bed).flag("--workers", "1").start_ready();
    let server = bed.server(0);
    let mut writer = proxy.connect();
    assert!(writer.call(&["SET", "k", "v"]).is_ok());
    hardly_matters("a parked write", &proxy, || {
        assert!(
            server
                .command(&["CLIENT", "PAUSE", "600000", "WRITE"])
                .is_ok()
        );
        let figure = thread::scope(|scope| {
            let reads = scope.spawn(|| p99(proxy.addr()));
            // In the midst of it, and not before.
            thread::sleep(span() / 10);
            writer.send(&["SET", "k", "v"]).unwrap();
            reads.join().unwrap()
        });
        assert!(
            writer.reply_within(Duration::from_millis(1)).is_err(),
            "it is parked"
        );
        assert!(server.command(&["CLIENT", "UNPAUSE"]).is_ok());
        assert!(writer.reply().unwrap().is_ok());
        figure
    });
}

/// Reads as slowly as that until told to stop; all of it is `v`.
fn read_slowly(client: &mut Client, stop: &AtomicBool) -> usize {
    let mut stream = client.sender();
    let mut got = 0;
    let mut part = vec![0; SLOWLY / 20];
    client.send_raw(&command(&["GET", "huge"])).unwrap();
    while !stop.load(Ordering::Relaxed) && got < HUGE {
        let n = stream.read(&mut part).unwrap();
        let end = part[..n].iter().filter(|byte| **byte == b'v').count();
        assert!(n > 0 && end + 20 > n, "of the value and nothing else");
        got += n;
        thread::sleep(Duration::from_millis(50) * u32::try_from(n).unwrap() / 50_000);
    }
    got
}

#[test]
fn a_huge_value_that_is_read_slowly_hardly_matters_to_the_reads_of_fifty() {
    let bed = Bed::lonely();
    let proxy = sharing(&bed).flag("--workers", "1").start_ready();
    let value = "v".repeat(HUGE);
    assert!(bed.server(0).command(&["SET", "huge", &value]).is_ok());
    drop(value);
    hardly_matters("a huge value, read slowly", &proxy, || {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let reads = scope.spawn(|| p99(proxy.addr()));
            // In the midst of it: its beginning counts, too.
            thread::sleep(span() / 10);
            let reading = scope.spawn(|| read_slowly(&mut proxy.connect(), &stop));
            let figure = reads.join().unwrap();
            stop.store(true, Ordering::Relaxed);
            assert!(reading.join().unwrap() > 0);
            figure
        })
    });
    let peak = proxy.peak_rss_kib();
    assert!(peak < 100 * 1024, "{peak} KiB");
}
