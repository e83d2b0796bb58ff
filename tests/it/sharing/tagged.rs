//! No reply ever reaches another client: every reply says whom it is for, while clients die in the
//! midst of commands and replies, others do not read, links are cut and writes parked.
//! `STEADFAST_SOAK=1` checks ten million of them.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::sharing;
use crate::bed::{Bed, Node};
use crate::client::{Client, command};
use crate::rng::Rng;
use crate::soak::soak;
use crate::value::Value;

const THREADS: usize = 6;
const CLIENTS_PER_THREAD: usize = 30;
/// Rounds of three commands in one go.
const ROUNDS_AT_ONCE: usize = 12;
/// How often something is done to the links.
const CUT_EVERY: Duration = Duration::from_millis(300);
const LARGE: usize = 300_000;

/// What was seen by all.
#[derive(Default)]
struct Seen {
    checked: AtomicUsize,
    uncertain: AtomicUsize,
    died: AtomicUsize,
    cuts: AtomicUsize,
    pauses: AtomicUsize,
    stop: AtomicBool,
}

impl Seen {
    fn add(count: &AtomicUsize, n: usize) {
        count.fetch_add(n, Ordering::Relaxed);
    }

    fn get(count: &AtomicUsize) -> usize {
        count.load(Ordering::Relaxed)
    }
}

/// A client that knows what each reply must be.
struct Tagged {
    client: Client,
    name: String,
    round: usize,
    /// What its key may hold.
    held: Vec<String>,
}

impl Tagged {
    fn new(address: SocketAddr, name: String) -> Self {
        Self {
            client: Client::connect(address),
            name,
            round: 0,
            held: Vec::new(),
        }
    }

    fn tag(&self, round: usize, filler: usize) -> String {
        format!("{}/{round}/{}", self.name, "f".repeat(filler))
    }

    /// Sends some rounds, in two pieces, and returns the tags.
    fn send(&mut self, rng: &mut Rng) -> Vec<String> {
        let fill = |rng: &mut Rng| if rng.chance(1) { 10_000 } else { rng.below(80) };
        let tags: Vec<_> = (0..ROUNDS_AT_ONCE)
            .map(|nth| self.tag(self.round + nth, fill(rng)))
            .collect();
        self.round += ROUNDS_AT_ONCE;
        let three = |tag: &String| {
            let set = command(&["SET", &self.name, tag]);
            [command(&["ECHO", tag]), set, command(&["GET", &self.name])].concat()
        };
        let bytes: Vec<_> = tags.iter().flat_map(three).collect();
        let (one, other) = bytes.split_at(rng.below(bytes.len()));
        self.client.send_raw(one).unwrap();
        self.client.send_raw(other).unwrap();
        tags
    }

    fn check(&mut self, tags: Vec<String>, seen: &Seen) {
        // With a link cut, a read that is sent again may see what was sent after it.
        let mut early = Vec::new();
        for (nth, tag) in tags.iter().enumerate() {
            assert_eq!(self.client.reply().unwrap().text(), *tag);
            let set = self.client.reply().unwrap();
            match set.error() {
                None => {
                    assert!(
                        set.is_ok() && !early.contains(tag),
                        "{}: {set:?}",
                        self.name
                    );
                    self.held.clear();
                }
                Some(text) => {
                    assert!(text.starts_with("UNCERTAIN"), "{}: {text}", self.name);
                    Seen::add(&seen.uncertain, 1);
                }
            }
            self.held.push(tag.clone());
            let got = self.client.reply().unwrap();
            // None of those that were uncertain has come.
            if got != Value::Null {
                let got = got.text();
                let later = tags[nth + 1..].contains(&got);
                assert!(later || self.held.contains(&got), "{}: {got}", self.name);
                early.extend(later.then(|| got.clone()));
                self.held = vec![got];
            }
            Seen::add(&seen.checked, 3);
        }
    }
}

/// A thread's clients; now and then one dies with commands in flight, and another takes its place.
fn work(address: SocketAddr, thread: usize, seen: &Seen, goal: usize) {
    let mut rng = Rng::new(thread as u64 + 1);
    let mut born = 0;
    let mut next = || {
        born += 1;
        Tagged::new(address, format!("t{thread}-{born}"))
    };
    let mut clients: Vec<_> = (0..CLIENTS_PER_THREAD).map(|_| next()).collect();
    while Seen::get(&seen.checked) < goal && !seen.stop.load(Ordering::Relaxed) {
        let sent: Vec<_> = clients.iter_mut().map(|it| it.send(&mut rng)).collect();
        for (client, tags) in clients.iter_mut().zip(sent) {
            if rng.chance(2) {
                Seen::add(&seen.died, 1);
                std::mem::replace(client, next()).client.reset();
            } else {
                client.check(tags, seen);
            }
        }
    }
}

/// Asks for much, and reads it late, or not at all.
fn read_slowly(address: SocketAddr, seen: &Seen) {
    let mut rng = Rng::new(77);
    while !seen.stop.load(Ordering::Relaxed) {
        let mut client = Client::connect(address);
        client
            .send_raw(&command(&["GET", "large"]).repeat(40))
            .unwrap();
        thread::sleep(Duration::from_millis(rng.below(300) as u64));
        for _ in 0..rng.below(40) {
            // It ends where a link is cut in the middle of a reply.
            let Ok(value) = client.reply().map(|reply| reply.text()) else {
                break;
            };
            assert!(value.len() == LARGE && value.bytes().all(|byte| byte == b'L'));
        }
        client.reset();
    }
}

/// Dies in the middle of a command.
fn die(address: SocketAddr, seen: &Seen) {
    let mut rng = Rng::new(78);
    while !seen.stop.load(Ordering::Relaxed) {
        let client = Client::connect(address);
        let whole = command(&["SET", "nobody's", &"x".repeat(rng.within(10, 100_000))]);
        let _ = client.sender().write_all(&whole[..rng.below(whole.len())]);
        if rng.chance(50) {
            thread::sleep(Duration::from_millis(3));
        }
        client.reset();
    }
}

fn disturb(server: &Node, seen: &Seen) {
    let mut admin = server.connect();
    let mut rng = Rng::new(79);
    while !seen.stop.load(Ordering::Relaxed) {
        thread::sleep(CUT_EVERY);
        if rng.chance(30) {
            assert!(admin.call(&["CLIENT", "PAUSE", "150", "WRITE"]).is_ok());
            Seen::add(&seen.pauses, 1);
        } else {
            admin.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            Seen::add(&seen.cuts, 1);
        }
    }
}

/// Ends the others however its thread ends.
struct Stop<'a>(&'a Seen);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_reply_ever_reaches_another_client() {
    let goal = soak(10_000_000, 100_000);
    let bed = Bed::lonely();
    let proxy = sharing(&bed).flag("--workers", "2").start_ready();
    assert!(
        proxy
            .connect()
            .call(&["SET", "large", &"L".repeat(LARGE)])
            .is_ok()
    );
    let (seen, began) = (Seen::default(), Instant::now());
    let (seen, address) = (&seen, proxy.addr());
    thread::scope(|scope| {
        scope.spawn(|| disturb(bed.server(0), seen));
        scope.spawn(|| read_slowly(address, seen));
        scope.spawn(|| die(address, seen));
        let _stop = Stop(seen);
        let working: Vec<_> = (0..THREADS)
            .map(|nth| {
                scope.spawn(move || {
                    let _stop = Stop(seen);
                    work(address, nth, seen, goal);
                })
            })
            .collect();
        working.into_iter().for_each(|it| it.join().unwrap());
    });
    eprintln!(
        "{} replies checked in {:?}: {} uncertain, {} clients died, {} cuts, {} pauses, {} KiB at most",
        Seen::get(&seen.checked),
        began.elapsed(),
        Seen::get(&seen.uncertain),
        Seen::get(&seen.died),
        Seen::get(&seen.cuts),
        Seen::get(&seen.pauses),
        proxy.peak_rss_kib(),
    );
    assert!(Seen::get(&seen.checked) >= goal);
    assert!(Seen::get(&seen.cuts) > 0 && Seen::get(&seen.died) > 0);
}
