//! A front: where the clients of one primary come in, and all that leads them to it: its topology, its
//! workers with their counters, its doors. A process has one for each endpoint.
//!
//! Fronts share threads, bounds and the end of the process. What means something to one primary alone,
//! such as client ids and scripts, each has for itself, so that nothing of one reaches another.
//! Who the primary is, a front does not know: whoever has its [`Source`] says so.

mod readers;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Span;

use crate::config::Config;
use crate::discovery::StatusHandle;
use crate::listener::{self, Door, Places};
use crate::net::Listener;
use crate::shutdown::Stages;
use crate::tls::{self, Legs};
use crate::topology::{Handle, Publisher, Report};
use crate::worker::{self, Counters, HeldBytes, Parts};

use readers::ReaderPlan;
pub(crate) use readers::ReaderSource;
pub use readers::Readers;

/// Reports from workers that discovery has not read yet; more are dropped, for they say the same.
const REPORTS_MAX: usize = 64;

/// What those see of a front who only look at it.
#[derive(Debug, Clone)]
pub struct Front {
    /// What the operator calls it; no other front of the process has this name.
    pub name: String,
    /// Sentinel's name for the set.
    pub primary_name: String,
    /// The published topology.
    pub topology: Handle,
    /// Discovery's picture.
    pub discovery: StatusHandle,
    /// The counters of its workers, one for each thread.
    pub workers: Vec<Arc<Counters>>,
    /// The legs that have TLS.
    pub tls: Legs,
    /// Its read-only endpoint, if there is one.
    pub readers: Option<Readers>,
}

impl Front {
    /// The counters of all its workers, those of its read-only endpoint included.
    pub fn all_workers(&self) -> impl Iterator<Item = &Arc<Counters>> {
        let readers = self.readers.iter().flat_map(|readers| &readers.workers);
        self.workers.iter().chain(readers)
    }

    /// What log lines about it are in, where it is one of `several`.
    pub(crate) fn span(&self, several: bool) -> Span {
        match several {
            // An error's, so that it is there with any --log-level.
            true => tracing::error_span!("front", endpoint = self.name),
            false => Span::none(),
        }
    }
}

/// What all fronts of a process share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Threads that move data; each has a worker of every front.
    pub(crate) threads: usize,
    /// Clients at the same time.
    pub(crate) max_clients: usize,
    /// What is kept for clients that wait.
    pub(crate) held_bytes: Arc<HeldBytes>,
    /// How far the process is on its way to its end.
    pub(crate) stages: Stages,
}

impl Shared {
    /// As the settings of the process say.
    pub(crate) fn of(process: &Config, stages: Stages) -> Self {
        Self {
            threads: process.workers,
            max_clients: process.max_clients,
            held_bytes: Arc::new(HeldBytes::new(
                process.max_held_bytes,
                process.max_output_bytes,
            )),
            stages,
        }
    }
}

/// The side from which a front is told who its primary is.
#[derive(Debug)]
pub(crate) struct Source {
    /// Publishes it to the workers.
    pub(crate) publisher: Publisher,
    /// What the workers noticed of it.
    pub(crate) reports: mpsc::Receiver<Report>,
    /// The same for its read-only endpoint, if there is one.
    pub(crate) readers: Option<ReaderSource>,
}

/// Where clients come in, and what secures them there.
pub(crate) type Listening = Vec<(Listener, Option<Arc<tls::Server>>)>;

/// A front before its workers and acceptors are started by [`start`].
#[derive(Debug)]
pub(crate) struct Plan {
    /// For those who look.
    pub(crate) front: Front,
    listening: Listening,
    doors: Arc<[Door]>,
    parts: Vec<Parts>,
    readers: Option<ReaderPlan>,
}

impl Plan {
    /// A front with these settings, whose clients come in there, and those who only read at `reading`,
    /// if anywhere.
    pub(crate) fn new(
        config: &Arc<Config>,
        listening: Listening,
        reading: Listening,
        shared: &Shared,
    ) -> (Self, Source) {
        // Who leads readers to replicas has to follow a change of the primary as workers do.
        let followers = usize::from(!reading.is_empty());
        let hold = config.hold_timeout.initial();
        let (publisher, mut views) = Publisher::new(shared.threads + followers, hold);
        let follower = views.split_off(shared.threads).pop();
        let readers = follower.map(|view| readers::plan(config, reading, view, shared));
        let (readers, reader_plan, reader_source) = match readers {
            Some((readers, plan, source)) => (Some(readers), Some(plan), Some(source)),
            None => (None, None, None),
        };
        let (reports, incoming) = mpsc::channel(REPORTS_MAX);
        let (ids, scripts) = (Arc::default(), Arc::default());
        let (mut doors, mut parts) = (Vec::new(), Vec::new());
        for view in views {
            let counters = Arc::new(Counters::default());
            let (clients, receiver) = mpsc::channel(listener::HAND_OVER_MAX);
            parts.push(Parts {
                config: config.clone(),
                view,
                counters: counters.clone(),
                ids: Arc::clone(&ids),
                scripts: Arc::clone(&scripts),
                held_bytes: shared.held_bytes.clone(),
                reports: reports.clone(),
                clients: receiver,
                stages: shared.stages.clone(),
            });
            doors.push(Door {
                clients,
                counters,
                leads: None,
            });
        }
        let front = Front {
            name: config.name.clone(),
            primary_name: config.primary_name.clone(),
            topology: publisher.handle(),
            discovery: StatusHandle::default(),
            workers: doors.iter().map(|door| door.counters.clone()).collect(),
            tls: config.tls.clone(),
            readers,
        };
        let source = Source {
            publisher,
            reports: incoming,
            readers: reader_source,
        };
        let plan = Self {
            front,
            listening,
            doors: doors.into(),
            parts,
            readers: reader_plan,
        };
        (plan, source)
    }
}

/// Fronts that are served.
pub(crate) struct Started {
    /// The threads; they end with the process, or by a defect.
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Each ends with its worker. Workers end once nobody can bring clients any more, which those here
    /// could: to be dropped for that.
    pub(crate) workers: JoinSet<()>,
}

/// Starts the threads, each with one worker of every front, and its share of those of read-only
/// endpoints. The first one accepts, for all of them:
/// where it is the only one, no client costs a switch of threads.
///
/// # Errors
/// When a thread or its runtime cannot be made.
pub(crate) fn start(plans: Vec<Plan>, shared: &Shared) -> io::Result<Started> {
    let places = Arc::new(places(&plans, shared));
    let mut crews: Vec<Vec<Parts>> = (0..shared.threads).map(|_| Vec::new()).collect();
    let mut workers = JoinSet::new();
    let mut entrances = Vec::new();
    for plan in plans {
        entrances.push((plan.listening, plan.doors));
        for (crew, parts) in crews.iter_mut().zip(plan.parts) {
            crew.push(parts);
        }
        let Some(readers) = plan.readers else {
            continue;
        };
        entrances.push((readers.listening, readers.doors));
        for (slot, parts) in readers.parts.into_iter().enumerate() {
            if let Some(crew) = crews.get_mut(slot % shared.threads.max(1)) {
                crew.push(parts);
            }
        }
    }
    for door in entrances.iter().flat_map(|(_, doors)| doors.iter()) {
        let clients = door.clients.clone();
        workers.spawn(async move { clients.closed().await });
    }
    let mut accepting = Some(accept_all(entrances, places, shared.stages.clone()));
    let mut threads = Vec::new();
    for (index, crew) in crews.into_iter().enumerate() {
        let accepting = accepting.take();
        let beside = async move {
            if let Some(accepting) = accepting {
                accepting.await;
            }
        };
        threads.push(worker::spawn(index, crew, beside)?);
    }
    Ok(Started { threads, workers })
}

/// The places at all doors: by front, or by as many slots of a read-only endpoint as there are threads,
/// and in these by thread.
fn places(plans: &[Plan], shared: &Shared) -> Places {
    let mut crews: Vec<Vec<_>> = Vec::new();
    for Plan { front, .. } in plans {
        crews.push(front.workers.clone());
        let slots = front
            .readers
            .iter()
            .map(|readers| readers.workers.as_slice());
        let by_thread = slots.flat_map(|slots| slots.chunks(shared.threads.max(1)));
        crews.extend(by_thread.map(<[_]>::to_vec));
    }
    Places::new(shared.max_clients, crews)
}

/// Where the clients of one front come in, and where they go.
type Way = (Listening, Arc<[Door]>);

/// Accepts from all listeners until `stages` says that no client is to come in any more.
async fn accept_all(ways: Vec<Way>, places: Arc<Places>, stages: Stages) {
    let mut accepting = JoinSet::new();
    for (listening, doors) in ways {
        for (listener, tls) in listening {
            let (doors, places, stages) = (doors.clone(), places.clone(), stages.clone());
            accepting.spawn(listener::accept(listener, tls, doors, places, stages));
        }
    }
    accepting.join_all().await;
}

/// Where clients come in without TLS, and where with it.
pub(crate) fn listening(
    plain: Vec<Listener>,
    secured: Vec<Listener>,
    config: &Config,
) -> Listening {
    let server = config.tls.listen.as_ref();
    let secured = secured.into_iter();
    let secured = secured.filter_map(|socket| Some((socket, Some(server?.clone()))));
    let plain = plain.into_iter().map(|socket| (socket, None));
    plain.chain(secured).collect()
}
