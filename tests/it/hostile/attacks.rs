//! What hostile clients do. Each attack has one thread that goes as fast as it can, unless it says
//! otherwise, and notes what came of it. Those that hold on to what they have are in `holding`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Entrance, connect, holding};
use crate::bed::wait_until;
use crate::client::command;
use crate::rng::Rng;

/// How long an attacker listens for an answer.
const LISTENS: Duration = Duration::from_millis(20);
/// Bytes of an answer that are told.
pub(super) const TOLD: usize = 44;
/// An attack has begun within this time.
const BEGINS: Duration = Duration::from_secs(120);
/// What a process may take for whatever it does, without clients that hold something.
const SLACK_KIB: u64 = 24 * 1024;
/// What one client costs beside what is kept for it: its session, and a socket of TLS where it has one.
const CLIENT_KIB: u64 = 3;
const TLS_CLIENT_KIB: u64 = 40;
/// An incomplete command is kept up to this size.
const UNFINISHED_KIB: u64 = 64;
/// `--client-output-limit`.
const OUTPUT_KIB: u64 = 64 * 1024;

/// Threads that only connect.
const CONNECTING: usize = 2;

/// What attackers got.
#[derive(Default)]
pub(super) struct Loot {
    /// Connections made, or attempts at one.
    pub(super) tries: u64,
    /// In this time.
    pub(super) time: Duration,
    /// What each of those came to.
    pub(super) got: BTreeMap<String, u64>,
}

impl Loot {
    /// Adds that of another turn.
    pub(super) fn add(&mut self, other: Self) {
        self.tries += other.tries;
        self.time += other.time;
        for (what, count) in other.got {
            *self.got.entry(what).or_default() += count;
        }
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.tries += 1;
        *self.got.entry(what.into()).or_default() += 1;
    }
}

/// One way to be hostile.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) input: String,
    most_kib: u64,
    run: fn(&Self, Entrance, &AtomicBool) -> Loot,
    begun: AtomicBool,
}

/// All of them.
pub(super) fn all() -> Vec<Attack> {
    let half_open = holding::half_open_clients();
    let stalled = holding::stalled_clients();
    let of = |name, input: &str, most_kib, run| Attack {
        name,
        input: input.to_owned(),
        most_kib,
        run,
        begun: AtomicBool::new(false),
    };
    vec![
        of(
            "slow-loris",
            &format!(
                "{half_open} half commands, a fifth of them of 40 KB; 500 more bytes a second"
            ),
            clients(half_open, CLIENT_KIB + UNFINISHED_KIB),
            holding::slow_loris,
        ),
        of(
            "giant lengths",
            "`*1048576`, `$536870912`, and what is beyond any limit; 64 KiB of the body",
            SLACK_KIB,
            |attack, at, stop| attack.strike(at.plain, stop, giant),
        ),
        of(
            "deep nesting",
            "100,000 times `*1`",
            SLACK_KIB,
            |attack, at, stop| attack.strike(at.plain, stop, |_| b"*1\r\n".repeat(100_000)),
        ),
        of(
            "binary noise",
            "4 KiB of random bytes",
            SLACK_KIB,
            |attack, at, stop| attack.strike(at.plain, stop, |rng| noise(rng, 4096)),
        ),
        of(
            "endless line",
            "a line without an end, 1 MiB a connection",
            SLACK_KIB,
            |attack, at, stop| attack.strike(at.plain, stop, |_| vec![b'x'; 1 << 20]),
        ),
        of(
            "never reading",
            &format!(
                "{} clients ask {} times for 1 MiB each",
                holding::NEVER_READING,
                holding::ASKED
            ),
            clients(holding::NEVER_READING, OUTPUT_KIB),
            holding::never_reading,
        ),
        of(
            "connects",
            &format!("{CONNECTING} threads connect and reset, nothing else"),
            SLACK_KIB,
            connects,
        ),
        of(
            "TLS on the plain port",
            "a TLS hello",
            SLACK_KIB,
            |attack, at, stop| attack.strike(at.plain, stop, hello),
        ),
        of(
            "garbage on the TLS port",
            "512 random bytes, or a command in plain text",
            SLACK_KIB,
            |attack, at, stop| attack.strike(at.secured, stop, garbage),
        ),
        of(
            "stalled handshakes",
            &format!("{stalled} clients send half a TLS hello"),
            clients(stalled, TLS_CLIENT_KIB),
            holding::stalls,
        ),
    ]
}

fn clients(count: usize, kib: u64) -> u64 {
    SLACK_KIB + u64::try_from(count).unwrap() * kib
}

impl Attack {
    /// The most memory it may cost, in KiB.
    pub(super) fn most_kib(&self) -> u64 {
        self.most_kib
    }

    /// Attacks until told to stop.
    pub(super) fn run(&self, entrance: Entrance, stop: &AtomicBool) -> Loot {
        let start = Instant::now();
        let mut loot = (self.run)(self, entrance, stop);
        self.begun.store(false, Ordering::Relaxed);
        loot.time = start.elapsed();
        loot
    }

    /// Waits until it is in full swing.
    pub(super) fn wait_begun(&self) {
        wait_until(BEGINS, self.name, || self.begun.load(Ordering::Relaxed));
    }

    /// It is.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Connects again and again, each time to send what `make` makes.
    fn strike(
        &self,
        address: SocketAddr,
        stop: &AtomicBool,
        make: fn(&mut Rng) -> Vec<u8>,
    ) -> Loot {
        let (mut loot, mut rng) = (Loot::default(), Rng::new(7));
        self.begin();
        while !stop.load(Ordering::Relaxed) {
            match connect(address) {
                None => loot.note("no connection"),
                Some(mut stream) => loot.note(struck(&mut stream, &make(&mut rng))),
            }
        }
        loot
    }
}

/// What comes of sending `bytes`.
fn struck(stream: &mut TcpStream, bytes: &[u8]) -> String {
    let _ = stream.set_write_timeout(Some(LISTENS));
    let _ = stream.set_read_timeout(Some(LISTENS));
    let _ = stream.write_all(bytes);
    let mut answer = vec![0; TOLD];
    let outcome = match stream.read(&mut answer) {
        Ok(0) => "closed".into(),
        Ok(n) => told(answer.get(..n).unwrap_or_default()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => "no answer".into(),
        Err(_) => "reset".into(),
    };
    leave(stream);
    outcome
}

/// The beginning of an answer, as text.
fn told(answer: &[u8]) -> String {
    match answer.first() {
        Some(0x15) => "a TLS alert".into(),
        _ => {
            let line = answer
                .split(|byte| *byte == b'\r')
                .next()
                .unwrap_or_default();
            String::from_utf8_lossy(line).into_owned()
        }
    }
}

/// Ends without a trace: connections that linger would use up the ports of this machine.
pub(super) fn leave(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn giant(rng: &mut Rng) -> Vec<u8> {
    let heads: [&[u8]; 5] = [
        b"*1048576\r\n$3\r\nGET\r\n$536870912\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n",
        b"*1048577000000\r\n",
        b"*2\r\n$3\r\nGET\r\n$99999999999\r\n",
        b"*2\r\n$536870912\r\n",
    ];
    [rng.pick(&heads), vec![b'v'; 64 * 1024].as_slice()].concat()
}

fn noise(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.byte()).collect()
}

/// How a TLS client begins.
pub(super) fn hello(rng: &mut Rng) -> Vec<u8> {
    let head = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    [head.as_slice(), &noise(rng, 500)].concat()
}

fn garbage(rng: &mut Rng) -> Vec<u8> {
    match rng.chance(50) {
        true => noise(rng, 512),
        false => command(&["PING"]),
    }
}

/// Connects as often as the machine can.
fn connects(attack: &Attack, at: Entrance, stop: &AtomicBool) -> Loot {
    let work = || {
        let mut loot = Loot::default();
        while !stop.load(Ordering::Relaxed) {
            match connect(at.plain) {
                None => loot.note("no connection"),
                Some(stream) => {
                    leave(&stream);
                    loot.note("a connection");
                }
            }
        }
        loot
    };
    attack.begin();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTING).map(|_| scope.spawn(work)).collect();
        let mut all = Loot::default();
        threads
            .into_iter()
            .for_each(|thread| all.add(thread.join().unwrap()));
        all
    })
}
