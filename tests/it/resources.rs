//! Goal: what clients cost in memory and descriptors stays small and comes back. Method: figures
//! of the process from `/proc` around idle crowds, large values and many short connections.
//!
//! `STEADFAST_SOAK=1` asks for the full counts. True figures need an optimised binary (`--release`,
//! or one named in `STEADFAST_BIN`); what a client of an unoptimised one may cost is but a bound.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use steadfast::config::raise_descriptor_limit;

use crate::bed::{Bed, wait_until};
use crate::client::{Client, PATIENCE, command};
use crate::proxy::{Proxy, is_optimised, shares_links};
use crate::soak::soak;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;
const PIECE: usize = 256 * 1024;
/// Coprime to the size of a piece, and fits a byte.
const PERIOD: u8 = 251;
const THREADS: usize = 4;
/// Of each client: its socket in the proxy and the link's.
const DESCRIPTORS_PER_CLIENT: usize = 2;
/// Links that stay when clients that shared them have gone: of each worker one, and a few more while
/// one is slow.
const SHARED_LINKS_MAX: u64 = 8;
/// What the process itself needs besides.
const DESCRIPTORS_SPARE: usize = 200;

fn bed() -> Bed {
    Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .server_line("maxclients 12000")
        .start()
}

/// A value of any length, of which only one piece is ever in memory here.
struct Large {
    len: usize,
    pattern: Vec<u8>,
}

impl Large {
    fn new(len: usize) -> Self {
        let pattern = (0..PERIOD).cycle().take(PIECE + usize::from(PERIOD));
        Self {
            len,
            pattern: pattern.collect(),
        }
    }

    /// The pieces in order; no two neighbours begin alike.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len.div_ceil(PIECE)).map(|index| {
            let from = index % usize::from(PERIOD);
            &self.pattern[from..from + PIECE.min(self.len - index * PIECE)]
        })
    }

    fn set(&self, stream: &mut TcpStream) {
        let head = format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n", self.len);
        stream.write_all(head.as_bytes()).unwrap();
        self.pieces()
            .for_each(|piece| stream.write_all(piece).unwrap());
        stream.write_all(b"\r\n").unwrap();
        expect(stream, b"+OK\r\n");
    }

    /// Reads it back and compares every byte.
    fn get(&self, stream: &mut TcpStream) {
        stream.write_all(&command(&["GET", "big"])).unwrap();
        expect(stream, format!("${}\r\n", self.len).as_bytes());
        self.pieces().for_each(|piece| expect(stream, piece));
        expect(stream, b"\r\n");
    }
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut room = vec![0; bytes.len()];
    stream.read_exact(&mut room).unwrap();
    assert!(room == bytes, "other bytes than expected");
}

#[test]
fn a_large_value_passes_without_being_held() {
    let bed = bed();
    let proxy = Proxy::for_bed(&bed).flag("--workers", "1").start_ready();
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let base = proxy.rss_kib();
    let size = soak(512, 64);
    let value = Large::new(size * MIB);
    value.set(&mut stream);
    value.get(&mut stream);
    let above = proxy.peak_rss_kib().saturating_sub(base);
    eprintln!("{size} MiB both ways: peak {above} KiB above {base} KiB");
    assert!(above < 16 * 1024, "{above} KiB for one value of {size} MiB");
}

#[test]
fn idle_clients_cost_two_kib_each() {
    let bed = bed();
    let proxy = Proxy::for_bed(&bed).flag("--workers", "1").start_ready();
    let count = crowd_size(8000);
    // What the first clients make the process grow by is not theirs.
    let warm = connect_and_ping(proxy.addr(), 100);
    let base = proxy.rss_kib();
    let crowd = connect_and_ping(proxy.addr(), count);
    assert_eq!(crowd.len(), count);
    let grown = proxy.rss_kib().saturating_sub(base) * 1024;
    let each = grown / u64::try_from(count).unwrap();
    eprintln!("{count} idle clients: {each} bytes each");
    let limit = if is_optimised() { 2048 } else { 2560 };
    assert!(
        each <= limit,
        "{each} bytes for each of {count} idle clients"
    );
    drop((warm, crowd));
}

/// As many of `wanted` as this machine's descriptor limit lets one proxy serve.
fn crowd_size(wanted: usize) -> usize {
    let hard = usize::try_from(raise_descriptor_limit()).unwrap_or(usize::MAX);
    let possible = hard.saturating_sub(DESCRIPTORS_SPARE) / DESCRIPTORS_PER_CLIENT;
    if possible < wanted {
        eprintln!("the hard limit of {hard} descriptors allows {possible} clients, not {wanted}");
    }
    wanted.min(possible)
}

/// Bare sockets, each of which has been answered one PING.
fn connect_and_ping(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
        expect(&mut stream, b"+PONG\r\n");
        stream
    };
    (0..count).map(connect).collect()
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let bed = bed();
    let proxy = Proxy::ready(&bed);
    let rounds = soak(200_000, 20_000);
    come_and_go(proxy.addr(), rounds / 10);
    settle(&proxy);
    let (memory, descriptors) = (proxy.rss_kib(), proxy.descriptors());
    come_and_go(proxy.addr(), rounds);
    settle(&proxy);
    let grown = proxy.rss_kib().saturating_sub(memory);
    eprintln!("{rounds} connections: {grown} KiB more than {memory} KiB");
    assert!(grown < 1024, "{grown} KiB more after {rounds} connections");
    wait_until(SOON, "all descriptors are closed", || {
        // A poll of the admin port or a control connection may be open at this moment.
        proxy.descriptors() <= descriptors
    });
}

/// Waits until no client and no link is left.
fn settle(proxy: &Proxy) {
    wait_until(SOON, "all sessions have ended", || {
        let status = proxy.status();
        let links = status["totals"]["links"].as_u64();
        let ended = match shares_links() {
            true => links.is_some_and(|links| links <= SHARED_LINKS_MAX),
            false => links == Some(0),
        };
        status["totals"]["clients"] == 0 && ended
    });
}

/// Connects, sets and closes, so many times in all.
fn come_and_go(address: SocketAddr, rounds: usize) {
    let share = |thread: usize| {
        let key = format!("k{thread}");
        for _ in 0..rounds / THREADS {
            let mut client = Client::connect(address);
            assert_eq!(client.call(&["SET", &key, "v"]), Value::Simple("OK".into()));
        }
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || share(thread));
        }
    });
}

/// CPU time a proxy uses for many of one command in pipelines.
fn cost(proxy: &Proxy, args: &[&str]) -> u64 {
    let mut client = proxy.connect();
    let before = proxy.cpu_ticks();
    for _ in 0..20 {
        client.send_raw(&command(args).repeat(2000)).unwrap();
        for _ in 0..2000 {
            client.reply().unwrap();
        }
    }
    proxy.cpu_ticks() - before
}

#[test]
fn errors_in_a_pipeline_cost_hardly_more_than_other_replies() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let (usual, errors) = (cost(&proxy, &["TTL", "k"]), cost(&proxy, &["LPUSH"]));
    assert!(errors < 10 * usual.max(10), "{errors} ticks, not {usual}");
}
