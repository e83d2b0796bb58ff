//! The links that clients of a worker share, by key: finds one for a client, has it dialled, and gives
//! it up when it is lost.
//!
//! Each key has one link, and a few more while the first is stuck behind a command that takes its time
//! (a slow script, CLIENT PAUSE): who has nothing in flight there goes on elsewhere. Where the server
//! refuses a key, or there are too many, clients get links of their own instead.

mod rescuing;
mod strangers;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::net::Transport;
use crate::topology::{Sign, Topology};

use super::Worker;
use super::greeting::{Outcome, greet};
use super::key::Key;
use super::link::{Link, Wreck};
use super::loss::Loss;
use super::pool;
use super::routing::Fault;
use super::session::{Route, Session};

/// Keys of one worker at the same time; clients of any other have links of their own.
const KEYS_MAX: usize = 64;
/// Links of one key; when all are stuck, clients get links of their own.
const LINKS_MAX: usize = 4;
/// A link with nothing to do for so long is closed, so that what is no longer used costs nothing.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long a dial's end speaks for the links there are.
const SETTLED_FOR: Duration = Duration::from_millis(50);
/// How long a key that the server refused is not tried again: who uses it has own links meanwhile.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// All of a worker's.
#[derive(Debug, Default)]
pub(crate) struct Commons {
    places: RefCell<Vec<Place>>,
    /// When a link broke, after which the primary has to prove itself before another is used.
    broken_at: Cell<Option<Instant>>,
    /// When the server last let in a fresh connection on which nobody had logged in.
    open_at: Cell<Option<Instant>>,
    /// The primary of this generation, if any, has told somebody that he had to log in first, and has
    /// not served anybody since who had not.
    closed_in: Cell<Option<u64>>,
}

/// What there is for one key.
#[derive(Debug)]
struct Place {
    key: Key,
    links: Vec<Rc<Link>>,
    dialling: bool,
    /// When a dial came to its end, which tells a link that is parked from a server that is slow.
    settled: Option<Instant>,
    /// The primary of this generation did not take clients of this key, or not together, then.
    refused: Option<(u64, Instant)>,
    /// Those who wait for the dial.
    waiting: Vec<Rc<Session>>,
}

/// Where a client's commands may go.
#[derive(Debug)]
pub(super) enum Seat {
    /// To this link.
    Taken(Rc<Link>),
    /// One is being dialled.
    Dial,
    /// None before the primary has proved itself.
    Wait,
    /// None for a client that has waited for as long as commands are held.
    TooLate,
    /// Nowhere but to a link of its own.
    None,
}

impl Commons {
    /// A link for `session`, which has nothing in flight. Where it has to wait for one, as far as it
    /// `may_wait`, it is told through [`Session::detach`].
    pub(super) fn seat(&self, session: &Rc<Session>, may_wait: bool) -> Seat {
        let worker = &session.worker;
        if !self.is_trusted_again(worker) {
            return Seat::Wait;
        }
        let key = session.state.borrow().key();
        let mut places = self.places.borrow_mut();
        let known = places.iter().position(|place| place.key == key);
        if known.is_none() && places.len() >= KEYS_MAX {
            return Seat::None;
        }
        let at = known.unwrap_or_else(|| {
            places.push(Place::new(key));
            places.len() - 1
        });
        let Some(place) = places.get_mut(at) else {
            return Seat::None;
        };
        if place.is_refused(worker.now(), worker.generation()) {
            return Seat::None;
        }
        if let Some(link) = place.moving().filter(|_| session.is_vouched_for()) {
            return Seat::Taken(link.clone());
        }
        if place.dialling && may_wait {
            place.waiting.push(session.clone());
            return Seat::Dial;
        }
        if let Some(link) = place.slow().filter(|_| session.is_vouched_for()) {
            return Seat::Taken(link.clone());
        }
        if place.is_full() {
            return Seat::None;
        }
        if !may_wait {
            return Seat::TooLate;
        }
        place.dialling = true;
        place.waiting.push(session.clone());
        tokio::task::spawn_local(bring(worker.clone(), place.key.clone()));
        Seat::Dial
    }

    /// Whether the primary has proved itself since a link to it broke.
    fn is_trusted_again(&self, worker: &Worker) -> bool {
        let broken_at = self.broken_at.get();
        let proven = broken_at.is_none_or(|since| worker.is_proven_since(since));
        if proven {
            self.broken_at.set(None);
        }
        proven
    }

    /// A link showed that its node may not be the primary any more.
    pub(super) fn distrust(&self) {
        self.broken_at.set(Some(Instant::now()));
    }

    /// How many links there are.
    pub(super) fn count(&self) -> usize {
        let places = self.places.borrow();
        places.iter().map(|place| place.links.len()).sum()
    }

    /// The links there are.
    pub(super) fn links(&self) -> Vec<Rc<Link>> {
        let places = self.places.borrow();
        places
            .iter()
            .flat_map(|place| place.links.clone())
            .collect()
    }

    /// Closes links that nobody has used for long, and forgets keys without any.
    pub(super) fn tidy(&self, now: Instant, generation: u64) {
        let mut places = self.places.borrow_mut();
        for place in places.iter_mut() {
            place.links.retain(|link| {
                let keeps = !link.has_rested(now, IDLE_MAX);
                if !keeps {
                    link.end();
                }
                keeps
            });
        }
        places.retain(|place| {
            !place.links.is_empty() || place.dialling || place.is_refused(now, generation)
        });
    }

    /// Whether a further link of this key is of use.
    fn wants(&self, key: &Key) -> bool {
        let places = self.places.borrow();
        let place = places.iter().find(|place| place.key == *key);
        place
            .is_some_and(|it| it.moving().is_none() && it.is_parked() && it.links.len() < LINKS_MAX)
    }

    fn forget(&self, link: &Rc<Link>) {
        for place in self.places.borrow_mut().iter_mut() {
            place.links.retain(|other| !Rc::ptr_eq(other, link));
        }
    }

    /// A dial came to its end: what it brought, if anything, is for all who wait.
    fn settle(&self, key: &Key, brought: Brought) {
        let mut places = self.places.borrow_mut();
        let Some(place) = places.iter_mut().find(|place| place.key == *key) else {
            return;
        };
        place.dialling = false;
        place.settled = Some(Instant::now());
        match brought {
            Brought::Link(link) => place.links.push(link),
            Brought::Refused(generation) => place.refused = Some((generation, Instant::now())),
            Brought::Nothing => {}
        }
        let waiting = std::mem::take(&mut place.waiting);
        drop(places);
        waiting.iter().for_each(|session| session.detach());
    }
}

impl Place {
    fn new(key: Key) -> Self {
        Self {
            key,
            links: Vec::new(),
            dialling: false,
            settled: None,
            refused: None,
            waiting: Vec::new(),
        }
    }

    /// A link that is in use, or may be, and not stuck.
    fn moving(&self) -> Option<&Rc<Link>> {
        let moves = |link: &&Rc<Link>| link.is_usable() && !link.is_stuck();
        self.links.iter().find(moves)
    }

    /// A link that is slow for no reason of its own, as a dial has shown a moment ago: all would be.
    fn slow(&self) -> Option<&Rc<Link>> {
        self.settled.filter(|at| at.elapsed() < SETTLED_FOR)?;
        let slow = |link: &&Rc<Link>| link.is_usable() && !link.is_parked();
        self.links.iter().find(slow)
    }

    /// Whether all links are known to be stuck behind something of their own.
    fn is_parked(&self) -> bool {
        let mut usable = self.links.iter().filter(|link| link.is_usable());
        usable.all(|link| link.is_parked())
    }

    fn is_full(&self) -> bool {
        self.links.len() >= LINKS_MAX && self.is_parked()
    }

    fn is_refused(&self, now: Instant, generation: u64) -> bool {
        self.refused.is_some_and(|(refused_in, at)| {
            refused_in == generation && now.saturating_duration_since(at) < REFUSED_FOR
        })
    }
}

/// What a dial brought.
enum Brought {
    Link(Rc<Link>),
    Refused(u64),
    Nothing,
}

async fn bring(worker: Rc<Worker>, key: Key) {
    // The semaphore is never closed.
    let turn = worker.dials.acquire().await;
    let topology = worker.topology();
    let stuck = worker.commons.stuck(&key);
    let found = tokio::select! {
        biased;
        () = topology.superseded() => Ok(None),
        found = Box::pin(establish(&worker, &topology, &key)) => found.map(Some),
    };
    drop(turn);
    let current = worker.generation() == topology.generation;
    let brought = match found {
        Ok(Some((transport, outcome @ (Outcome::Welcome | Outcome::Busy)))) if current => {
            worker.commons.note_welcome(&key);
            if outcome == Outcome::Welcome {
                worker.rescue(&stuck);
            }
            match worker.commons.wants(&key) {
                true => Brought::Link(opened(&worker, topology.generation, transport)),
                // It has shown what the server does for others.
                false => Brought::Nothing,
            }
        }
        Ok(Some((_, outcome @ (Outcome::Refused | Outcome::NoLogin)))) => {
            worker
                .commons
                .note_refusal(&key, outcome, topology.generation);
            Brought::Refused(topology.generation)
        }
        Ok(Some((_, Outcome::NotPrimary))) => {
            worker.report(topology.generation, Sign::NotPrimary);
            worker.commons.distrust();
            Brought::Nothing
        }
        Ok(_) => Brought::Nothing,
        Err(error) => {
            tracing::debug!(event = "dial_failed", %error);
            worker.report(topology.generation, Sign::DialFailed);
            sleep(pool::RETRY_PAUSE).await;
            Brought::Nothing
        }
    };
    worker.commons.settle(&key, brought);
}

fn opened(worker: &Rc<Worker>, generation: u64, transport: Transport) -> Rc<Link> {
    let link = Link::shared(worker, generation, transport);
    tokio::task::spawn_local(serve(worker.clone(), link.clone()));
    link
}

async fn establish(
    worker: &Worker,
    topology: &Topology,
    key: &Key,
) -> io::Result<(Transport, Outcome)> {
    let mut transport = pool::establish(worker, topology).await?;
    let primary = topology.primary.as_ref();
    let verified = primary.is_some_and(|primary| primary.role_verified);
    let knows_capa = primary.is_some_and(|primary| primary.knows_capa);
    let limit = worker.config.connect_timeout;
    let outcome = greet(&mut transport, key, knows_capa, !verified, limit).await?;
    Ok((transport, outcome))
}

/// Gives a link its turns until it is of no more use.
async fn serve(worker: Rc<Worker>, link: Rc<Link>) {
    let lasted = |link: &Link| worker.outage_has_outlasted_hold() && link.slots() > 0;
    let fault = poll_fn(|cx| match link.poll(cx) {
        Poll::Pending if lasted(&link) => Poll::Ready(None),
        turn => turn.map(Some),
    });
    match fault.await {
        Some(Fault::Ended) => {}
        Some(fault) => worker.lose_shared(&link, Loss::Fault, Some(&fault)),
        None => worker.lose_shared(&link, Loss::Outage, None),
    }
    worker.commons.forget(&link);
}

impl Worker {
    /// Goes on without `link`, which is ended here: each client gets what was its own.
    pub(super) fn lose_shared(&self, link: &Rc<Link>, loss: Loss, fault: Option<&Fault>) {
        if loss == Loss::Fault {
            self.commons.distrust();
            // The node may have been started anew.
            self.scripts.doubt();
        }
        self.commons.forget(link);
        let mut shares = shares(link.wreck());
        for session in self.all() {
            let sits_there =
                matches!(&*session.route.borrow(), Route::Shared(own) if Rc::ptr_eq(own, link));
            if !sits_there {
                continue;
            }
            let Some(share) = shares.remove(&Rc::as_ptr(&session)) else {
                session.detach();
                continue;
            };
            if let Some(fault) = fault.filter(|_| share.is_refused()) {
                session.count_refusals(fault);
            }
            session.bereave(share, loss);
        }
    }
}

/// What a lost link leaves to each of its clients.
fn shares(wreck: Wreck) -> HashMap<*const Session, Wreck> {
    let mut shares: HashMap<_, Wreck> = HashMap::new();
    for (nth, case) in wreck.cases.into_iter().enumerate() {
        let Some(owner) = case.owner.as_ref().map(Rc::as_ptr) else {
            continue;
        };
        let share = shares.entry(owner).or_default();
        // A frame that was begun belongs to the oldest command.
        share.in_delivery |= nth == 0 && wreck.in_delivery;
        share.cases.push(case);
    }
    shares
}
