//! A worker: what one front has on one thread, on which each of its connections lives for life. The
//! thread has a runtime of its own, and the workers of all fronts.
//!
//! Nothing here is shared with other threads but the topology (read), a few counters (written by
//! this worker alone), the channel new clients come in by, and the one reports go out by. There is
//! no cross-thread message on the way of a command, and no lock but a moment's where a client's id or
//! a script is new to this worker.
//!
//! By `following` a worker acts by each new topology; `liveness` says what may be done at a moment.
//!
//! A `session` reads its client (`filling`) into the `intake`; `cutting` makes commands of it, or `streaming` what
//! is too large; `permit` says whether they may go, `meaning` what their replies will mean;
//! `intercept`, `stand_in` and `login` act on the few that need it. The `pool` finds a `link`; its
//! `routing` and `verdict` pair replies with `slot`s, `learning` and `own_answers` take what they
//! tell, and `delivery` writes them to the client. `ending` is how sessions end, `misuse` what ends one
//! whose client speaks something else, `dormant` one whose client says nothing, `draining` those of a
//! process that is to end, each when nothing is lost by it, and `lobby` bounds those who have yet to log
//! in.
//!
//! A link keeps what is in flight in its `flight`. When it is lost (`loss`), `recovery` decides what
//! becomes of each `case` (pure), the `backlog` keeps what is to be sent again until `resending` does
//! so, and `restoring` makes the next link what the last one was, from the client's `settings`,
//! `subscriptions` and `transaction`. `refusing` hides errors that prove that nothing was executed;
//! `held` serves clients while there is no primary, within what `held_bytes` allows (a `budget` each for commands and replies), `failing` tells
//! those who waited too long, and `hopeless` ends the transactions that this has broken; `unblocking`
//! calls waiting pops back before a planned failover. `read_only` keeps from replicas what only a
//! primary may be told.
//!
//! With `--pool shared`, `sharing` says when a session's commands travel on a link of the `commons`,
//! one for each `key`, made so by `greeting`; `idle` keeps links of their own that sessions have given
//! back, with the `names` they have.
//!
//! `counters` are what a worker counts, told apart by `labels`; `accounts` keeps those that need more
//! than a number, and `sampler` says which commands are looked at closely.
//!
//! `ids` and `identity` give clients ids of their own, `scripts` carries script bodies along.

mod accounts;
mod backlog;
mod budget;
mod case;
mod commons;
mod counters;
mod cursors;
mod cutting;
mod delivery;
mod dormant;
mod draining;
mod ending;
mod failing;
mod filling;
mod flight;
mod following;
mod greeting;
mod held;
mod held_bytes;
mod hopeless;
mod identity;
mod idle;
mod ids;
mod intake;
mod intercept;
mod key;
mod labels;
mod learning;
mod link;
mod liveness;
mod lobby;
mod login;
mod loss;
mod meaning;
mod misuse;
mod names;
mod outbox;
mod own_answers;
mod permit;
mod pool;
mod prelude;
mod read_only;
mod recovery;
mod refusing;
mod resending;
mod restoring;
mod routing;
mod sampler;
mod scripts;
mod session;
mod settings;
mod sharing;
mod slot;
#[cfg(test)]
mod spoiling;
mod stand_in;
mod state;
mod streaming;
mod subscriptions;
mod transaction;
mod unblocking;
mod verdict;
mod waiting;
mod wake;

pub use budget::Budget;
pub use counters::{Count, Counters, DoorCounters, Gauges, Names};
pub use held_bytes::HeldBytes;
pub use ids::Ids;
pub use labels::{ClientEnd, DialEnd, Entrance, ErrorCode, HoldEnd, Pinned, RequestClass};
pub use scripts::Scripts;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::vec;

use bytes::BytesMut;
use slab::Slab;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::config::Config;
use crate::net::Incoming;
use crate::shutdown::{Stage, Stages};
use crate::topology::{LeaseCheck, PAUSE_MAX, Report, Sign, Topology, View};

use session::Session;

/// Bytes read from a socket at once into the worker's one buffer.
const SCRATCH_LEN: usize = 64 * 1024;
/// New clients taken in before others have their turn.
const NEWCOMERS_MAX: u32 = 16;
/// Least time between two log lines about the same trouble of all sessions.
const COMPLAINT_GAP: Duration = Duration::from_secs(10);
/// How often a worker shows a sign of life when it has nothing else to do.
const PULSE: Duration = Duration::from_millis(50);
const _: () = assert!(PULSE.as_millis() * 2 < PAUSE_MAX.as_millis());

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts {
    /// Settings.
    pub config: Arc<Config>,
    /// Its side of the topology.
    pub view: View,
    /// Its counters.
    pub counters: Arc<Counters>,
    /// The ids of all clients of its front.
    pub ids: Arc<Ids>,
    /// The scripts of all clients of its front.
    pub scripts: Arc<Scripts>,
    /// What is kept for waiting clients of the process.
    pub held_bytes: Arc<HeldBytes>,
    /// Where it tells discovery what it saw.
    pub reports: mpsc::Sender<Report>,
    /// Where its clients come in.
    pub clients: mpsc::Receiver<Incoming>,
    /// How far the process is on its way to its end.
    pub stages: Stages,
}

/// Starts a thread with these workers, which ends once the process is to end, their clients are gone,
/// and nobody can bring more; it runs `beside` as well.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn spawn(
    index: usize,
    workers: Vec<Parts>,
    beside: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            runtime.spawn(beside);
            runtime.block_on(LocalSet::new().run_until(run_all(workers.into_iter())));
        })
}

/// All of them side by side, until the last has ended.
fn run_all(mut workers: vec::IntoIter<Parts>) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if let Some(first) = workers.next() {
            tokio::join!(run(first), run_all(workers));
        }
    })
}

/// A worker on the `LocalSet` it is called on.
pub(crate) async fn run(parts: Parts) {
    let Parts {
        config,
        view,
        counters,
        ids,
        scripts,
        held_bytes,
        reports,
        clients,
        mut stages,
    } = parts;
    let worker = Rc::new(Worker {
        config,
        counters,
        ids,
        scripts,
        known_scripts: scripts::Known::default(),
        topology: RefCell::new(view.load()),
        held_bytes,
        holds_off: Cell::new(false),
        lease: view.lease_check(),
        reports,
        sessions: RefCell::default(),
        scratch: RefCell::new(BytesMut::with_capacity(SCRATCH_LEN)),
        spare: outbox::Spare::default(),
        flights: flight::Store::default(),
        dials: Semaphore::new(pool::DIALS_MAX),
        commons: commons::Commons::default(),
        shelf: idle::Shelf::default(),
        looks: dormant::Looks::default(),
        sampler: sampler::Sampler::default(),
        gauged_looks: Cell::new(accounts::GAUGED_LOOKS),
        clock: Cell::new(Instant::now()),
        complained: Cell::new(None),
        switched_at: Cell::new(None),
        feed_restored: Notify::new(),
        gives_up: Cell::new(false),
    });
    // A task like those of its clients, so that it comes in its turn.
    let mut receiving = tokio::task::spawn_local(worker.clone().receive(clients));
    // Followed to the very end: dropping the view tells the publisher that nothing is sent here.
    let mut follow = std::pin::pin!(worker.clone().follow(view));
    tokio::select! {
        biased;
        () = stages.beyond(Stage::Serving) => {}
        _ = &mut receiving => {}
        () = &mut follow => {}
    }
    tokio::select! {
        biased;
        () = worker.drain(stages, receiving) => {}
        () = &mut follow => {}
    }
}

/// What all sessions of a worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) config: Arc<Config>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) scripts: Arc<Scripts>,
    known_scripts: scripts::Known,
    topology: RefCell<Arc<Topology>>,
    pub(crate) held_bytes: Arc<HeldBytes>,
    /// A client is not read because the process keeps all that it may.
    pub(crate) holds_off: Cell<bool>,
    lease: LeaseCheck,
    reports: mpsc::Sender<Report>,
    pub(crate) sessions: RefCell<Slab<Rc<Session>>>,
    /// Read buffer of whichever task runs; holds nothing between turns.
    pub(crate) scratch: RefCell<BytesMut>,
    pub(crate) spare: outbox::Spare,
    pub(crate) flights: flight::Store,
    pub(crate) dials: Semaphore,
    /// Links that clients share.
    pub(crate) commons: commons::Commons,
    /// Links that clients have given back.
    shelf: idle::Shelf,
    /// How often it has looked for clients that are overdue.
    looks: dormant::Looks,
    /// Which command is looked at next.
    sampler: sampler::Sampler,
    /// Looks at which sessions are still counted.
    gauged_looks: Cell<u32>,
    /// A moment ago.
    clock: Cell<Instant>,
    /// When this worker last logged what every one of its sessions runs into.
    complained: Cell<Option<Instant>>,
    /// When the primary last changed.
    switched_at: Cell<Option<Instant>>,
    /// Somebody who listens may have come to hear the primary of this moment.
    pub(crate) feed_restored: Notify,
    /// Nothing is held any longer: the process ends.
    gives_up: Cell<bool>,
}

impl Worker {
    /// Takes in new clients until the acceptor is gone; between some and the next all those who were
    /// ready before have their turn.
    async fn receive(self: Rc<Self>, mut clients: mpsc::Receiver<Incoming>) {
        let mut taken = 0_u32;
        while let Some(client) = clients.recv().await {
            // A client that is gone already needs no session.
            if let Ok(transport) = client.enter() {
                Session::start(&self, transport);
            }
            taken = taken.wrapping_add(1);
            if taken.is_multiple_of(NEWCOMERS_MAX) {
                tokio::task::yield_now().await;
            }
        }
    }

    fn all(&self) -> Vec<Rc<Session>> {
        self.sessions
            .borrow()
            .iter()
            .map(|(_, session)| session.clone())
            .collect()
    }

    /// Whether something that every session runs into may be logged (again).
    pub(crate) fn may_complain(&self) -> bool {
        let quiet = |last: Instant| last.elapsed() >= COMPLAINT_GAP;
        let may = self.complained.get().is_none_or(quiet);
        if may {
            self.complained.set(Some(Instant::now()));
        }
        may
    }

    /// Tells discovery; where it has too much to read already, one more changes nothing.
    pub(crate) fn report(&self, generation: u64, sign: Sign) {
        let _ = self.reports.try_send(Report { generation, sign });
    }
}
