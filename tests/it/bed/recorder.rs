//! What every Sentinel published and answered, and when.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::wait::eventually;
use super::{Bed, FAILOVER_LIMIT};
use crate::client::Client;
use crate::pki::Trust;

const POLL: Duration = Duration::from_millis(5);
const RETRY: Duration = Duration::from_millis(20);

/// One message from one Sentinel.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// When it arrived.
    pub(crate) at: Instant,
    /// Which Sentinel published it.
    pub(crate) sentinel: usize,
    /// Its channel.
    pub(crate) channel: String,
    /// Its text.
    pub(crate) payload: String,
}

/// From `at` on, this Sentinel named `address` at `epoch`.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// When the answer arrived.
    pub(crate) at: Instant,
    /// Which Sentinel said so.
    pub(crate) sentinel: usize,
    /// Whom it named.
    pub(crate) address: SocketAddr,
    /// Its config-epoch, the same before and after it named that address.
    pub(crate) epoch: u64,
}

#[derive(Default)]
struct Book {
    events: Mutex<Vec<Event>>,
    named: Mutex<Vec<Named>>,
    stop: AtomicBool,
}

/// Two threads per Sentinel that write down what it says, until dropped.
pub(crate) struct Recorder {
    book: Arc<Book>,
    threads: Vec<JoinHandle<()>>,
}

impl Recorder {
    pub(super) fn start(bed: &Bed) -> Self {
        let book = Arc::new(Book::default());
        let mut threads = Vec::new();
        for (sentinel, node) in bed.sentinels().iter().enumerate() {
            let source = Source {
                sentinel,
                address: node.addr(),
                login: node.login.clone(),
                trust: node.trust.clone(),
                name: bed.name().to_owned(),
                book: book.clone(),
            };
            let other = source.clone();
            threads.push(thread::spawn(move || source.repeat(Source::listen)));
            threads.push(thread::spawn(move || other.repeat(Source::poll)));
        }
        let recorder = Self { book, threads };
        let count = bed.sentinels().len();
        eventually(FAILOVER_LIMIT, "the recorder hears every Sentinel", || {
            let polled = recorder.named().len() >= count;
            let heard = recorder
                .events()
                .iter()
                .filter(|e| e.channel.is_empty())
                .count();
            (polled && heard >= count).then_some(())
        });
        recorder
    }

    /// Every message so far; one without channel stands for "subscribed".
    pub(crate) fn events(&self) -> Vec<Event> {
        lock(&self.book.events).clone()
    }

    /// Every change of an answer so far.
    pub(crate) fn named(&self) -> Vec<Named> {
        lock(&self.book.named).clone()
    }

    /// When the first message on `channel` arrived.
    pub(crate) fn first_event(&self, channel: &str) -> Option<Event> {
        self.events()
            .into_iter()
            .find(|event| event.channel == channel)
    }

    /// When the first Sentinel named another address than `old`, at a higher epoch than `epoch`.
    #[track_caller]
    pub(crate) fn first_named(&self, old: SocketAddr, epoch: u64) -> Named {
        eventually(FAILOVER_LIMIT, "a Sentinel names a new primary", || {
            self.named()
                .into_iter()
                .find(|named| named.address != old && named.epoch > epoch)
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.book.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Source {
    sentinel: usize,
    address: SocketAddr,
    login: Option<(String, String)>,
    trust: Option<Trust>,
    name: String,
    book: Arc<Book>,
}

impl Source {
    fn stopped(&self) -> bool {
        self.book.stop.load(Ordering::Relaxed)
    }

    /// Runs `work` on one connection after the other: Sentinels are killed and frozen here.
    fn repeat(&self, work: fn(&Self, &mut Client) -> std::io::Result<()>) {
        while !self.stopped() {
            let connected = Client::try_connect_as(self.address, self.trust.as_ref());
            let done = connected.and_then(|mut client| {
                if let Some((user, password)) = &self.login {
                    client.try_call(&["AUTH", user, password])?;
                }
                work(self, &mut client)
            });
            if done.is_err() {
                thread::sleep(RETRY);
            }
        }
    }

    fn listen(&self, client: &mut Client) -> std::io::Result<()> {
        client.send(&["PSUBSCRIBE", "*"])?;
        while !self.stopped() {
            let message = match client.reply_within(Duration::from_millis(100)) {
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => continue,
                other => other?,
            };
            lock(&self.book.events).push(Event {
                at: Instant::now(),
                sentinel: self.sentinel,
                // The confirmation of the subscription has three elements, a message four.
                channel: if message.items().len() == 4 {
                    message.at(2)
                } else {
                    String::new()
                },
                payload: message.at(3),
            });
        }
        Ok(())
    }

    fn poll(&self, client: &mut Client) -> std::io::Result<()> {
        let mut last = None;
        while !self.stopped() {
            let answer = self.ask(client)?;
            if let Some((address, epoch)) = answer
                && answer != last
            {
                last = answer;
                lock(&self.book.named).push(Named {
                    at: Instant::now(),
                    sentinel: self.sentinel,
                    address,
                    epoch,
                });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Address and epoch; none when the epoch changed between the two looks at it.
    fn ask(&self, client: &mut Client) -> std::io::Result<Option<(SocketAddr, u64)>> {
        let name = self.name.as_str();
        client.send(&["SENTINEL", "MASTER", name])?;
        client.send(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name])?;
        client.send(&["SENTINEL", "MASTER", name])?;
        let epoch = |client: &mut Client| {
            let fields = client.reply_within(Duration::from_secs(1))?.fields();
            Ok::<_, std::io::Error>(fields.get("config-epoch").cloned().unwrap_or_default())
        };
        let before = epoch(client)?;
        let address = client.reply_within(Duration::from_secs(1))?;
        let after = epoch(client)?;
        let parsed = format!("{}:{}", address.at(0), address.at(1)).parse().ok();
        Ok(parsed.zip(before.parse().ok()).filter(|_| before == after))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
