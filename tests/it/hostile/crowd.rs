//! Honest clients: each has one connection for the whole run, asks at a pace of its own, and checks
//! every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::honest;
use crate::client::Client;

/// How many there are on either side.
pub(super) const CLIENTS: usize = 50;
/// Between two commands of one client.
const PACE: Duration = Duration::from_millis(20);
/// Errors told apart in a report.
const ERRORS_MAX: usize = 5;

/// What they did.
#[derive(Default)]
pub(super) struct Work {
    /// How long each answer took.
    pub(super) took: Vec<Duration>,
    /// What was not as it should be.
    pub(super) errors: Vec<String>,
    /// How many of those there were.
    pub(super) failed: usize,
}

impl Work {
    /// Adds that of another.
    pub(super) fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
        self.errors.extend(other.errors);
        self.errors.truncate(ERRORS_MAX);
    }

    /// The latency that `permille` of all are not above.
    pub(super) fn quantile(&self, permille: usize) -> Duration {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * permille / 1000).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }
}

/// The clients of one side, each a thread.
pub(super) struct Crowd {
    members: Vec<(Sender<Instant>, Receiver<Work>)>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Connects them; they do nothing yet.
    pub(super) fn start(address: SocketAddr, name: &str) -> Self {
        let name: Arc<str> = name.into();
        let mut crowd = Self {
            members: Vec::new(),
            threads: Vec::new(),
        };
        for index in 0..CLIENTS {
            let (turns, until) = channel::<Instant>();
            let (done, results) = channel();
            let name = name.clone();
            crowd.members.push((turns, results));
            crowd.threads.push(thread::spawn(move || {
                let mut member = Member::new(address, &name, index);
                for until in until {
                    if done.send(member.work(until)).is_err() {
                        return;
                    }
                }
            }));
        }
        crowd
    }

    /// Has all of them work for so long.
    pub(super) fn work(&self, turn: Duration) -> Work {
        let until = Instant::now() + turn;
        let mut all = Work::default();
        for (turns, _) in &self.members {
            turns.send(until).unwrap();
        }
        for (_, results) in &self.members {
            all.add(results.recv().unwrap());
        }
        all
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.members.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Member {
    address: SocketAddr,
    client: Client,
    key: String,
    round: usize,
    offset: Duration,
}

impl Member {
    fn new(address: SocketAddr, name: &str, index: usize) -> Self {
        let share = u32::try_from(index).unwrap() * PACE / u32::try_from(CLIENTS).unwrap();
        Self {
            address,
            client: honest(address),
            key: format!("honest:{name}:{index}"),
            round: 0,
            offset: share,
        }
    }

    fn work(&mut self, until: Instant) -> Work {
        let mut work = Work::default();
        let mut next = Instant::now() + self.offset;
        while next < until {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let asked = Instant::now();
            match self.ask() {
                Ok(()) => work.took.push(asked.elapsed()),
                Err(error) => {
                    work.failed += 1;
                    work.errors.push(error);
                    work.errors.truncate(ERRORS_MAX);
                    self.client = honest(self.address);
                }
            }
            // Who was kept waiting does not hurry afterwards.
            next = (next + PACE).max(Instant::now());
        }
        work
    }

    /// Sets a value, or reads back the one set last.
    fn ask(&mut self) -> Result<(), String> {
        self.round += 1;
        let value = format!("{}", self.round / 2);
        let sets = self.round.is_multiple_of(2) || self.round == 1;
        let args: &[&str] = match sets {
            true => &["SET", &self.key, &value],
            false => &["GET", &self.key],
        };
        let reply = self.client.try_call(args).map_err(|e| e.to_string())?;
        match sets {
            true if reply.is_ok() => Ok(()),
            false if reply.text() == value => Ok(()),
            _ => Err(format!("{args:?}: {reply:?}")),
        }
    }
}
