//! A client as applications are: one connection, one write after the other, reconnecting when it
//! must; and the account of what it was told.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::bed::{Node, wait_until};
use crate::client::{Client, is_close};

/// The list every write goes to.
const LIST: &str = "written";
/// Between two writes, so that a writer leaves the machine to the others.
const PAUSE: Duration = Duration::from_millis(2);
/// After a failed connect.
const RETRY: Duration = Duration::from_millis(5);

/// One acknowledged write.
#[derive(Debug, Clone)]
pub(crate) struct Ack {
    /// What was written.
    pub(crate) value: String,
    /// When it was sent.
    pub(crate) sent: Instant,
    /// When it was acknowledged.
    pub(crate) at: Instant,
}

/// What a writer saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Account {
    /// Writes that were acknowledged.
    pub(crate) acks: Vec<Ack>,
    /// Error replies.
    pub(crate) errors: Vec<(Instant, String)>,
    /// When its connection was closed under it.
    pub(crate) closes: Vec<Instant>,
}

#[derive(Default)]
struct Shared {
    account: Mutex<Account>,
    count: AtomicUsize,
    stop: AtomicBool,
}

/// A thread that writes until it is stopped.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts writing through `address` and waits for the first acknowledgement.
    #[track_caller]
    pub(crate) fn start(address: SocketAddr, name: &str) -> Self {
        Self::start_by(move || Client::try_connect(address), name)
    }

    /// As [`Writer::start`], through a Unix socket.
    #[track_caller]
    pub(crate) fn start_at_unix_socket(path: &Path, name: &str) -> Self {
        let path = path.to_owned();
        Self::start_by(move || Client::try_connect_unix(&path), name)
    }

    #[track_caller]
    fn start_by(connect: impl Fn() -> io::Result<Client> + Send + 'static, name: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let (work, name) = (shared.clone(), name.to_owned());
        let writer = Self {
            thread: Some(thread::spawn(move || work.run(connect, &name))),
            shared,
        };
        writer.wait_acks(1);
        writer
    }

    /// Waits for `count` more acknowledgements.
    #[track_caller]
    pub(crate) fn wait_acks(&self, count: usize) {
        let wanted = self.shared.count.load(Ordering::Relaxed) + count;
        wait_until(Duration::from_secs(30), "the writer goes on", || {
            self.shared.count.load(Ordering::Relaxed) >= wanted
        });
    }

    /// What it saw so far.
    pub(crate) fn account(&self) -> Account {
        let account = self.shared.account.lock();
        account.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it.
    pub(crate) fn stop(mut self) -> Account {
        self.end();
        self.account()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn run(&self, connect: impl Fn() -> io::Result<Client>, name: &str) {
        let mut client = None;
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if client.is_none() {
                client = connect().ok();
            }
            match client.as_mut() {
                None => thread::sleep(RETRY),
                Some(connected) => {
                    if !self.write(connected, format!("{name}:{number}")) {
                        client = None;
                    }
                }
            }
            thread::sleep(PAUSE);
        }
    }

    /// One write; `false` when the connection is of no use any more.
    fn write(&self, client: &mut Client, value: String) -> bool {
        let sent = Instant::now();
        let reply = client.try_call(&["RPUSH", LIST, &value]);
        let at = Instant::now();
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        match reply {
            Ok(reply) => match reply.error() {
                Some(error) => account.errors.push((at, error.to_owned())),
                None => {
                    account.acks.push(Ack { value, sent, at });
                    self.count.fetch_add(1, Ordering::Relaxed);
                }
            },
            Err(error) if is_close(&error) => {
                account.closes.push(at);
                return false;
            }
            Err(error) => {
                account.errors.push((at, error.to_string()));
                return false;
            }
        }
        true
    }
}

impl Account {
    /// Acknowledged writes sent at `since` or later that `primary` does not have.
    pub(crate) fn lost_since(&self, primary: &Node, since: Instant) -> Vec<String> {
        let found = written(primary);
        let later = self.acks.iter().filter(|ack| ack.sent >= since);
        later
            .filter(|ack| !found.contains_key(&ack.value))
            .map(|ack| ack.value.clone())
            .collect()
    }

    /// The first acknowledgement of something sent at `since` or later.
    pub(crate) fn first_ack_since(&self, since: Instant) -> Option<Instant> {
        self.acks
            .iter()
            .find(|ack| ack.sent >= since)
            .map(|ack| ack.at)
    }

    /// The longest time without an acknowledgement.
    pub(crate) fn longest_gap(&self) -> Duration {
        let gaps = self.acks.windows(2).map(|pair| pair[1].at - pair[0].at);
        gaps.max().unwrap_or_default()
    }

    /// Error replies that tell of a demoted node.
    pub(crate) fn demotion_errors(&self) -> Vec<&str> {
        let errors = self.errors.iter().map(|(_, text)| text.as_str());
        errors
            .filter(|text| text.contains("READONLY") || text.contains("UNBLOCKED"))
            .collect()
    }
}

/// Writes that `primary` holds more than once.
pub(crate) fn executed_twice(primary: &Node) -> Vec<String> {
    let twice = written(primary).into_iter().filter(|(_, times)| *times > 1);
    twice.map(|(value, _)| value).collect()
}

fn written(primary: &Node) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for value in primary.command(&["LRANGE", LIST, "0", "-1"]).items() {
        *found.entry(value.text()).or_default() += 1;
    }
    found
}
