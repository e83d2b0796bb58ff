//! Applications: each counts up a key of its own, one request after the other, and looks at its
//! connection before each, as pools do. What was closed between two requests it replaces; everything
//! else that goes wrong is an error, and so is a number that was skipped or came twice.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;

use super::{SOON, told};

/// Clients at the same time.
pub(super) const CLIENTS: usize = 50;
/// Requests each has made before anything is done to it.
const WARM: u64 = 20;

/// Where a client connects now; none to work no more.
type Choose = dyn Fn() -> Option<SocketAddr> + Send + Sync;

/// What one application saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The last number it was told.
    pub(super) counted: i64,
    /// Connections that were closed between two requests.
    pub(super) closed: u64,
    /// What must not happen.
    pub(super) error: Option<String>,
}

/// Applications at work.
pub(super) struct Crowd {
    served: Arc<Vec<AtomicU64>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Seen>>,
}

impl Crowd {
    /// Starts them; each asks `choose` for every connection it makes.
    pub(super) fn start(choose: Arc<Choose>) -> Self {
        let served: Arc<Vec<AtomicU64>> = Arc::new((0..CLIENTS).map(|_| 0.into()).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let start = |index: usize| {
            let (served, stop, choose) = (served.clone(), stop.clone(), choose.clone());
            let counts = move || {
                served[index].fetch_add(1, Ordering::Relaxed);
                !stop.load(Ordering::Relaxed)
            };
            thread::spawn(move || work(&key(index), choose.as_ref(), counts))
        };
        let threads = (0..CLIENTS).map(start).collect();
        Self {
            served,
            stop,
            threads,
        }
    }

    /// Waits until each has been served a number of times more.
    #[track_caller]
    pub(super) fn wait_served(&self) {
        let now = || self.served.iter().map(|n| n.load(Ordering::Relaxed));
        let before: Vec<_> = now().collect();
        let enough = || now().zip(&before).all(|(now, before)| now >= before + WARM);
        wait_until(SOON, "all clients are served", || {
            let gone = |thread: &JoinHandle<_>| thread.is_finished();
            enough() || self.threads.iter().any(gone)
        });
    }

    /// Has them stop, and says what each saw.
    pub(super) fn stop(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until none has anywhere to connect any more.
    pub(super) fn join(self) -> Vec<Seen> {
        let threads = self.threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    }
}

/// Fails if anybody saw an error, or if the server has counted anything else than they were told.
#[track_caller]
pub(super) fn check(all: &[Seen], bed: &Bed) {
    let errors: Vec<_> = all.iter().filter_map(|seen| seen.error.as_ref()).collect();
    assert!(errors.is_empty(), "{} errors: {errors:#?}", errors.len());
    for (index, seen) in all.iter().enumerate() {
        let stored = bed.primary().command(&["GET", &key(index)]).text();
        assert_eq!(stored, seen.counted.to_string(), "of client {index}");
    }
}

fn key(index: usize) -> String {
    format!("count-{index}")
}

fn work(key: &str, choose: &Choose, goes_on: impl Fn() -> bool) -> Seen {
    let mut seen = Seen::default();
    while let Some(address) = choose() {
        match use_one(address, key, &mut seen, &goes_on) {
            Ok(true) => seen.closed += 1,
            Ok(false) => break,
            Err(error) => {
                seen.error = Some(format!("after {} at {address}: {error}", seen.counted));
                break;
            }
        }
    }
    seen
}

/// Works on one connection until it is closed between two requests, or it is to stop.
fn use_one(
    address: SocketAddr,
    key: &str,
    seen: &mut Seen,
    goes_on: &impl Fn() -> bool,
) -> io::Result<bool> {
    let mut client = Client::try_connect(address)?;
    while !is_closed(&client)? {
        let reply = client.try_call(&["INCR", key])?;
        if reply != Value::Int(seen.counted + 1) {
            return Err(io::Error::other(format!("{reply:?}")));
        }
        seen.counted += 1;
        if !goes_on() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the other side has ended a connection on which nothing is due.
fn is_closed(client: &Client) -> io::Result<bool> {
    client.socket().set_nonblocking(true)?;
    let peeked = client.socket().peek(&mut [0]);
    client.socket().set_nonblocking(false)?;
    match peeked {
        Ok(0) => Ok(true),
        Ok(_) => Err(io::Error::other("something came that nobody asked for")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

#[test]
fn clients_at_work_are_closed_between_two_commands() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let open = Arc::new(AtomicBool::new(true));
    let address = proxy.addr();
    let choose = {
        let open = open.clone();
        move || open.load(Ordering::Relaxed).then_some(address)
    };
    let crowd = Crowd::start(Arc::new(choose));
    crowd.wait_served();
    open.store(false, Ordering::Relaxed);
    proxy.terminate();
    let all = crowd.join();
    check(&all, &bed);
    assert!(all.iter().all(|seen| seen.closed == 1), "{all:?}");
    assert_eq!(told(&proxy), (CLIENTS as u64, 0));
}
