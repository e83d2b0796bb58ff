//! Asking one Sentinel address: one task, one connection, its own time limits, so that a Sentinel
//! that never answers delays nobody. Its events come over another connection (`subscription`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::{Connection, Reply};
use super::error::{Error, Rejection, RejectionKind};
use super::message::{self, BadAnswer, MasterFields, Reading};
use super::signal::{News, Signal, jitter};
use crate::config::AddressMap;
use crate::net::HostPort;
use crate::secrets::{Credentials, Whose};
use crate::tls::Client;

/// How long one answer may take.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// The pace while the answer matters.
const FAST_MIN: Duration = Duration::from_millis(50);
const FAST_MAX: Duration = Duration::from_millis(100);
/// Fast polls in a row before the pace backs off, and by how much with each further one.
const FAST_POLLS: u32 = 100;
const BACKOFF_STEP: Duration = Duration::from_millis(10);
/// Smallest gap between two polls, however many events come.
const GAP_MIN: Duration = Duration::from_millis(20);
/// How often the peers and the replicas are asked for.
const LISTS_INTERVAL: Duration = Duration::from_secs(10);
/// Reads repeated at once because a change came in between.
const TORN_MAX: usize = 3;

/// What all Sentinel tasks are told at start.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) primary_name: String,
    pub(super) tls: Option<Arc<Client>>,
    pub(super) credentials: Option<Credentials>,
    pub(super) connect_timeout: Duration,
    pub(super) poll_interval: Duration,
    pub(super) learn_peers: bool,
    pub(super) address_map: AddressMap,
}

impl Settings {
    /// How to read what is named over `connection`.
    fn reading(&self, connection: &Connection) -> Reading<'_> {
        Reading {
            on_loopback: connection.is_loopback(),
            map: &self.address_map,
        }
    }
}

/// How eagerly Sentinels are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tempo {
    /// The answer matters now.
    pub(super) fast: bool,
    /// Counts demands for an answer at once.
    pub(super) nudges: u64,
}

/// An open connection and who is at its other end.
#[derive(Debug)]
struct Peer {
    connection: Connection,
    run_id: String,
    lists_due: Instant,
}

/// Polls one address for ever.
pub(super) struct Poller {
    address: HostPort,
    settings: Arc<Settings>,
    tempo: watch::Receiver<Tempo>,
    out: mpsc::Sender<Signal>,
    peer: Option<Peer>,
    fast_polls: u32,
}

impl Poller {
    pub(super) fn new(
        address: HostPort,
        settings: Arc<Settings>,
        tempo: watch::Receiver<Tempo>,
        out: mpsc::Sender<Signal>,
    ) -> Self {
        Self {
            address,
            settings,
            tempo,
            out,
            peer: None,
            fast_polls: 0,
        }
    }

    /// Ends only when nobody listens any more.
    pub(super) async fn run(mut self) {
        loop {
            let asked = Instant::now();
            let news = self.poll_retrying(asked).await;
            if self.send(news).await.is_err() {
                return;
            }
            self.ask_lists().await;
            sleep(GAP_MIN).await;
            if self.pause(asked).await.is_err() {
                return;
            }
        }
    }

    /// One poll. A kept connection may have died unnoticed (a restart, a frozen process of ours);
    /// that says nothing about the Sentinel, so a fresh one is tried before it is called lost.
    async fn poll_retrying(&mut self, asked: Instant) -> News {
        let reused = self.peer.is_some();
        let mut result = self.poll().await;
        if reused && matches!(result, Err(Error::Lost(_))) {
            self.peer = None;
            result = self.poll().await;
        }
        match result {
            Ok((run_id, result)) => News::Answer {
                asked,
                run_id,
                result,
            },
            Err(error) => {
                self.peer = None;
                News::Failed {
                    asked,
                    error: error.advised(Whose::Sentinel),
                }
            }
        }
    }

    async fn poll(
        &mut self,
    ) -> Result<(String, Result<(HostPort, MasterFields), BadAnswer>), Error> {
        let peer = match &mut self.peer {
            Some(peer) => peer,
            vacant => vacant.insert(open(&self.address, &self.settings).await?),
        };
        let mut answer = Err(BadAnswer::Torn);
        for _ in 0..TORN_MAX {
            answer = ask_primary(&mut peer.connection, &self.settings).await?;
            if answer != Err(BadAnswer::Torn) {
                break;
            }
        }
        Ok((peer.run_id.clone(), answer))
    }

    /// Asks, from time to time, for the other Sentinels and for the replicas.
    async fn ask_lists(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        if Instant::now() < peer.lists_due {
            return;
        }
        peer.lists_due = Instant::now() + LISTS_INTERVAL;
        if self.settings.learn_peers {
            let read = |reply: &Reply, by: Reading<'_>| News::Peers(message::peers(reply, by));
            self.ask_list(b"SENTINELS", read).await;
        }
        let read = |reply: &Reply, by: Reading<'_>| News::Replicas(message::replicas(reply, by));
        self.ask_list(b"REPLICAS", read).await;
    }

    async fn ask_list(&mut self, list: &[u8], read: fn(&Reply, Reading<'_>) -> News) {
        let Some(peer) = &mut self.peer else { return };
        let name = self.settings.primary_name.as_bytes();
        let question: &[&[u8]] = &[b"SENTINEL", list, name];
        match peer.connection.request(question, ANSWER_LIMIT).await {
            Ok(reply) => {
                let news = read(&reply, self.settings.reading(&peer.connection));
                // The main loop being gone is noticed at the next poll.
                let _ = self.send(news).await;
            }
            // Not permitted, or the name is unknown: then nothing is learned here.
            Err(Error::Rejected(_)) => {}
            Err(_) => self.peer = None,
        }
    }

    /// Waits until the next poll is due or demanded. Fails when nobody steers any more.
    async fn pause(&mut self, asked: Instant) -> Result<(), watch::error::RecvError> {
        let demanded = self.tempo.has_changed()?;
        let tempo = *self.tempo.borrow_and_update();
        if demanded {
            self.fast_polls = 0;
            return Ok(());
        }
        let due = asked + self.delay(tempo.fast);
        tokio::select! {
            biased;
            changed = self.tempo.changed() => {
                self.fast_polls = 0;
                changed
            }
            () = sleep_until(due) => Ok(()),
        }
    }

    fn delay(&mut self, fast: bool) -> Duration {
        let interval = self.settings.poll_interval;
        if !fast {
            self.fast_polls = 0;
            return jitter(interval * 9 / 10, interval * 11 / 10);
        }
        self.fast_polls = self.fast_polls.saturating_add(1);
        let backoff = BACKOFF_STEP * self.fast_polls.saturating_sub(FAST_POLLS);
        (jitter(FAST_MIN, FAST_MAX) + backoff).min(interval)
    }

    async fn send(&mut self, news: News) -> Result<(), mpsc::error::SendError<Signal>> {
        let from = self.address.clone();
        self.out.send(Signal::Sentinel { from, news }).await
    }
}

async fn open(address: &HostPort, settings: &Settings) -> Result<Peer, Error> {
    let credentials = settings.credentials.as_ref();
    let (tls, limit) = (settings.tls.as_ref(), settings.connect_timeout);
    let mut connection = Connection::open(address, tls, credentials, limit).await?;
    let run_id = match connection
        .request(&[b"SENTINEL", b"MYID"], ANSWER_LIMIT)
        .await
    {
        Ok(reply) => message::run_id(&reply),
        Err(Error::Rejected(rejection)) if rejection.kind == RejectionKind::NoAuth => {
            return Err(Error::Rejected(rejection));
        }
        // Older than MYID, or not permitted: then the address has to stand for it.
        Err(Error::Rejected(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(Peer {
        connection,
        run_id: run_id.unwrap_or_else(|| address.to_string()),
        lists_due: Instant::now(),
    })
}

/// Reads address and epoch consistently: a leader's `MASTER` shows the old address with the new
/// epoch for about a second, so the address is taken from between two equal epochs.
async fn ask_primary(
    connection: &mut Connection,
    settings: &Settings,
) -> Result<Result<(HostPort, MasterFields), BadAnswer>, Error> {
    let name = settings.primary_name.as_bytes();
    let master: &[&[u8]] = &[b"SENTINEL", b"MASTER", name];
    let address: &[&[u8]] = &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name];
    let replies = connection
        .pipeline(&[master, address, master], ANSWER_LIMIT)
        .await?;
    let mut usable = Vec::with_capacity(replies.len());
    for reply in replies {
        match reply {
            Ok(reply) => usable.push(reply),
            Err(rejection) if is_unknown(&rejection) => return Ok(Err(BadAnswer::UnknownName)),
            Err(rejection) => return Err(Error::Rejected(rejection)),
        }
    }
    let reading = settings.reading(connection);
    Ok(match usable.as_slice() {
        [before, middle, after] => message::consistent(before, middle, after, reading),
        _ => Err(BadAnswer::Shape),
    })
}

fn is_unknown(rejection: &Rejection) -> bool {
    rejection.kind == RejectionKind::NoSuchMaster
}
