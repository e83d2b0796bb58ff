//! A TCP forwarder that can be told to fail.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Acceptor, Got, TICK, lock, read};

/// What happens to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They pass.
    Pass,
    /// They vanish, in both directions; connections stay and new ones are accepted.
    Swallow,
    /// As `Swallow`, but only on connections that have sent SUBSCRIBE.
    SwallowSubscribed,
    /// Every connection is closed, new ones at once.
    Cut,
}

struct State {
    mode: Mutex<Mode>,
    target: Mutex<SocketAddr>,
    accepted: AtomicUsize,
}

/// A forwarder to one address.
pub(crate) struct FlakyProxy {
    acceptor: Acceptor,
    state: Arc<State>,
}

impl FlakyProxy {
    /// One on a loopback port of its own.
    pub(crate) fn start(target: SocketAddr) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, 0, target)
    }

    /// One on this loopback address and port.
    pub(crate) fn start_on(ip: Ipv4Addr, port: u16, target: SocketAddr) -> Self {
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Pass),
            target: Mutex::new(target),
            accepted: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let acceptor = Acceptor::start_on(ip, port, move |stream, stop| {
            shared.accepted.fetch_add(1, Ordering::Relaxed);
            forward(&stream, stop, &shared);
        });
        Self { acceptor, state }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.address
    }

    /// Changes what happens to the bytes, also on connections that exist.
    pub(crate) fn set(&self, mode: Mode) {
        *lock(&self.state.mode) = mode;
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }
}

fn forward(client: &TcpStream, stop: &AtomicBool, state: &Arc<State>) {
    let target = *lock(&state.target);
    let Ok(server) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
        return;
    };
    let _ = server.set_nodelay(true);
    let _ = server.set_read_timeout(Some(TICK));
    let subscribed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| pump(&server, client, stop, state, &subscribed, false));
        pump(client, &server, stop, state, &subscribed, true);
    });
}

/// Moves bytes one way until an end, a cut or the stop.
fn pump(
    from: &TcpStream,
    to: &TcpStream,
    stop: &AtomicBool,
    state: &State,
    subscribed: &AtomicBool,
    from_client: bool,
) {
    let mut scratch = vec![0; 64 * 1024];
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    while !stop.load(Ordering::Relaxed) {
        let got = read(&mut from, &mut scratch);
        let mode = *lock(&state.mode);
        match got {
            _ if mode == Mode::Cut => break,
            Got::Nothing => continue,
            Got::End => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Got::Bytes(n) => {
                let bytes = &scratch[..n];
                if from_client && contains_word(bytes, b"SUBSCRIBE") {
                    subscribed.store(true, Ordering::Relaxed);
                }
                let gone = match mode {
                    Mode::Swallow => true,
                    Mode::SwallowSubscribed => subscribed.load(Ordering::Relaxed),
                    Mode::Pass | Mode::Cut => false,
                };
                if !gone && to.write_all(bytes).is_err() {
                    break;
                }
            }
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn contains_word(bytes: &[u8], word: &[u8]) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word))
}
