//! A TCP forwarder that cuts one link at one byte.
//!
//! It waits for a chunk from the client that holds the word it was told to look for, and counts
//! from there, in that direction or in the other one. Every other link, and this one until then,
//! passes untouched.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Acceptor, Got, TICK, lock, read};

/// Where the link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After so many bytes of the chunk with the word.
    Request(usize),
    /// After so many bytes of what comes back after that chunk.
    Reply(usize),
}

struct Plan {
    word: Vec<u8>,
    cut: Cut,
}

struct State {
    target: SocketAddr,
    plan: Mutex<Option<Plan>>,
    cuts: AtomicUsize,
}

/// One link.
struct Link<'a> {
    client: &'a TcpStream,
    server: &'a TcpStream,
    /// Bytes that may still go back to the client, once that is limited.
    left: Mutex<Option<usize>>,
}

/// A forwarder to one address.
pub(crate) struct Cutter {
    acceptor: Acceptor,
    state: Arc<State>,
}

impl Cutter {
    /// One on a loopback port of its own.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let state = Arc::new(State {
            target,
            plan: Mutex::new(None),
            cuts: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let acceptor = Acceptor::start(move |stream, stop| forward(&stream, stop, &shared));
        Self { acceptor, state }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.address
    }

    /// Cuts the next link whose client sends `word`.
    pub(crate) fn arm(&self, word: &str, cut: Cut) {
        *lock(&self.state.plan) = Some(Plan {
            word: word.into(),
            cut,
        });
    }

    /// Links cut so far.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

fn forward(client: &TcpStream, stop: &AtomicBool, state: &State) {
    let Ok(server) = TcpStream::connect_timeout(&state.target, Duration::from_secs(1)) else {
        return;
    };
    let _ = server.set_nodelay(true);
    let _ = server.set_read_timeout(Some(TICK));
    let link = Link {
        client,
        server: &server,
        left: Mutex::new(None),
    };
    thread::scope(|scope| {
        scope.spawn(|| pump(&link, false, stop, state));
        pump(&link, true, stop, state);
    });
}

/// Moves bytes one way until an end, a cut or the stop.
fn pump(link: &Link<'_>, from_client: bool, stop: &AtomicBool, state: &State) {
    let (from, to) = if from_client {
        (link.client, link.server)
    } else {
        (link.server, link.client)
    };
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    let mut scratch = vec![0; 64 * 1024];
    while !stop.load(Ordering::Relaxed) {
        let bytes = match read(&mut from, &mut scratch) {
            Got::Nothing => continue,
            Got::End => break,
            Got::Bytes(n) => &scratch[..n],
        };
        let allowed = if from_client {
            link.request(bytes, state)
        } else {
            link.reply(bytes)
        };
        let passed = bytes.get(..allowed.unwrap_or(bytes.len()));
        let written = to.write_all(passed.unwrap_or(bytes));
        if allowed.is_some() {
            state.cuts.fetch_add(1, Ordering::Relaxed);
        }
        if written.is_err() || allowed.is_some() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

impl Link<'_> {
    /// How much of a chunk from the client may pass before the cut; none when there is none.
    fn request(&self, bytes: &[u8], state: &State) -> Option<usize> {
        let mut plan = lock(&state.plan);
        let found = |plan: &Plan| bytes.windows(plan.word.len()).any(|part| part == plan.word);
        match plan.take_if(|plan| found(plan))?.cut {
            Cut::Request(count) => Some(count.min(bytes.len())),
            Cut::Reply(count) => {
                *lock(&self.left) = Some(count);
                None
            }
        }
    }

    /// How much of a chunk from the server may pass before the cut; none when there is none.
    fn reply(&self, bytes: &[u8]) -> Option<usize> {
        let mut left = lock(&self.left);
        let count = (*left)?;
        if count > bytes.len() {
            *left = Some(count - bytes.len());
            return None;
        }
        Some(count)
    }
}
