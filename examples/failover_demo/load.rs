//! The live load: writers and a reader on persistent connections, and what they saw.
//!
//! They behave as a plain client does: one connection, kept; reconnect when it is closed; an error
//! reply is counted and the work goes on. Nothing is retried, so every loss shows.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::resp::{Client, Reply};

/// Writers at once; each writes its own keys.
pub(crate) const WRITERS: usize = 4;
/// Gap after each command: about 800 a second and writer, so that a machine with two cores has
/// room for the servers and Sentinels under the load.
const PACE: Duration = Duration::from_millis(1);
/// Longer than any hold of the demo: a client that gives up earlier would see its own timeout.
const PATIENCE: Duration = Duration::from_secs(30);
/// Gap before a refused connection is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// What the clients saw during one phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Keys whose write was acknowledged.
    pub(crate) acknowledged: Vec<String>,
    /// Reads answered.
    pub(crate) reads: u64,
    /// Error replies and failed connects, by text.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Connections that were closed under a client.
    pub(crate) closed: u64,
    /// The longest time a writer waited from one acknowledgement to its next.
    pub(crate) longest_pause: Duration,
}

/// Where clients write down what they see; the phases follow one another.
pub(crate) struct Board {
    phase: AtomicUsize,
    tallies: Vec<Mutex<Tally>>,
    last_acknowledged: Vec<Mutex<Instant>>,
    stopped: AtomicBool,
}

impl Board {
    /// A board for `phases` phases, the first one running.
    pub(crate) fn new(phases: usize) -> Self {
        let now = Instant::now();
        Self {
            phase: AtomicUsize::new(0),
            tallies: (0..phases).map(|_| Mutex::default()).collect(),
            last_acknowledged: (0..WRITERS).map(|_| Mutex::new(now)).collect(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Begins the next phase.
    pub(crate) fn next_phase(&self) {
        self.phase.fetch_add(1, Ordering::Relaxed);
    }

    /// The phase that runs, counted from 0.
    pub(crate) fn phase(&self) -> usize {
        let last = self.tallies.len().saturating_sub(1);
        self.phase.load(Ordering::Relaxed).min(last)
    }

    /// Ends the load.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The tally of one phase.
    pub(crate) fn tally(&self, phase: usize) -> MutexGuard<'_, Tally> {
        lock(self.tallies.get(phase).unwrap_or(&self.tallies[0]))
    }

    /// Whether every writer got an acknowledgement after `moment`.
    pub(crate) fn all_acknowledged_since(&self, moment: Instant) -> bool {
        self.last_acknowledged
            .iter()
            .all(|last| *lock(last) > moment)
    }

    /// The longest pause of the running phase, one that still lasts included.
    pub(crate) fn longest_pause(&self) -> Duration {
        let lasting = self
            .last_acknowledged
            .iter()
            .map(|last| lock(last).elapsed());
        let lasting = lasting.max().unwrap_or_default();
        self.tally(self.phase()).longest_pause.max(lasting)
    }

    fn current(&self) -> MutexGuard<'_, Tally> {
        self.tally(self.phase())
    }

    fn acknowledge(&self, writer: usize, key: String) {
        let mut tally = self.current();
        if let Some(last) = self.last_acknowledged.get(writer) {
            let mut last = lock(last);
            tally.longest_pause = tally.longest_pause.max(last.elapsed());
            *last = Instant::now();
        }
        tally.acknowledged.push(key);
    }

    fn error(&self, text: String) {
        *self.current().errors.entry(text).or_default() += 1;
    }

    fn is_running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }
}

/// Writes key after key until the board stops.
pub(crate) fn write(board: &Board, port: u16, writer: usize) {
    let mut number = 0_u64;
    converse(board, port, |client| {
        number += 1;
        let key = format!("demo:{writer}:{number}");
        match client.call(&["SET", &key, "1"])? {
            Reply::Text(_) => board.acknowledge(writer, key),
            other => board.error(as_error(other)),
        }
        Ok(())
    });
}

/// Reads one key over and over until the board stops.
pub(crate) fn read(board: &Board, port: u16) {
    converse(board, port, |client| {
        match client.call(&["GET", "demo:ready"])? {
            Reply::Text(_) | Reply::Nil => board.current().reads += 1,
            other => board.error(as_error(other)),
        }
        Ok(())
    });
}

/// Runs `step` over and over on one connection, and on a new one whenever it was closed.
fn converse(board: &Board, port: u16, mut step: impl FnMut(&mut Client) -> io::Result<()>) {
    while board.is_running() {
        let mut client = match Client::connect(port, PATIENCE) {
            Ok(client) => client,
            Err(error) => {
                board.error(format!("connect: {error}"));
                sleep(RECONNECT_PAUSE);
                continue;
            }
        };
        while board.is_running() {
            if let Err(error) = step(&mut client) {
                board.current().closed += 1;
                if !is_close(&error) {
                    board.error(format!("connection: {error}"));
                }
                break;
            }
            sleep(PACE);
        }
    }
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn as_error(reply: Reply) -> String {
    match reply {
        Reply::Error(text) => text,
        other => format!("unexpected reply {other:?}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A writer that panicked leaves whole values behind: each is one number or one push.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
