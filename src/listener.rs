//! Accepting clients: binds, accepts, hands each socket to the least loaded worker.
//!
//! Nothing else is awaited between two accepts but the turn of others, and no failure of one accept ends
//! the listener; only the end of the process does.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::net::{HostPort, Incoming, Listener, set_options};
use crate::resp::replies;
use crate::shutdown::{Stage, Stages};
use crate::tls::Server;
use crate::topology::Handle;
use crate::worker::Counters;

/// Connections the kernel keeps for us until we accept them; it takes the smaller of this and
/// `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;
/// Accepted clients on their way to one worker; with more the kernel keeps them.
pub const HAND_OVER_MAX: usize = 64;
/// Clients accepted before whatever else this thread has to do has its turn, lest those who only
/// connect keep all others waiting.
const TURN_MAX: u32 = 16;
/// Pauses after an accept failed for want of descriptors or memory; doubled up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Binds `address`, on every address its host has if it is a name.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind(address: &HostPort) -> io::Result<Vec<TcpListener>> {
    use std::net::ToSocketAddrs;
    let found = (address.host.as_str(), address.port).to_socket_addrs()?;
    found
        .map(|addr| {
            let domain = socket2::Domain::for_address(addr);
            let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            // Most systems have each client inherit them, which saves five calls for each.
            set_options(&socket)?;
            socket.bind(&addr.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        })
        .collect()
}

/// Where one worker's clients go in.
#[derive(Debug)]
pub struct Door {
    /// To the worker.
    pub clients: mpsc::Sender<Incoming>,
    /// How busy it is.
    pub counters: Arc<Counters>,
    /// Where its worker leads, where not all lead to the same node.
    pub leads: Option<Handle>,
}

/// How many clients the process may have, and has, at all its doors.
#[derive(Debug)]
pub struct Places {
    max_clients: usize,
    /// The counters of the workers of each front, one for each thread.
    fronts: Vec<Vec<Arc<Counters>>>,
}

impl Places {
    /// So many for the clients of all workers: those of each front, in the order of the threads.
    #[must_use]
    pub fn new(max_clients: usize, fronts: Vec<Vec<Arc<Counters>>>) -> Self {
        Self {
            max_clients,
            fronts,
        }
    }

    /// Whether one more would be too many, beside those `on_the_way`.
    fn are_taken(&self, on_the_way: usize) -> bool {
        let clients: usize = self.fronts.iter().flatten().map(|it| clients(it)).sum();
        clients.saturating_add(on_the_way) >= self.max_clients
    }

    /// The clients that the workers of this thread have.
    fn on_thread(&self, index: usize) -> usize {
        let workers = self.fronts.iter().filter_map(|front| front.get(index));
        workers.map(|it| clients(it)).sum()
    }
}

fn clients(counters: &Counters) -> usize {
    usize::try_from(counters.clients.load()).unwrap_or(usize::MAX)
}

/// Accepts from `listener` until `stages` says that no client is to come in any more, and then those who
/// were connected already: a listener that is closed resets them. One that is lent leaves them to the next
/// process. With `tls`, clients that will be secured by the worker they get.
pub async fn accept(
    listener: Listener,
    tls: Option<Arc<Server>>,
    doors: Arc<[Door]>,
    places: Arc<Places>,
    stages: Stages,
) {
    let bell = match bell(&listener) {
        Ok(bell) => bell,
        Err(error) => return tracing::error!(event = "listener_failed", %error),
    };
    let mut pause = PAUSE_MIN;
    let mut taken = 0_u32;
    let mut closing = stages.clone();
    let mut closing = pin!(closing.beyond(Stage::Serving));
    loop {
        taken = taken.wrapping_add(1);
        if taken.is_multiple_of(TURN_MAX) {
            yield_now().await;
        }
        let accepted = tokio::select! {
            // First of all, for newcomers without end would hide it.
            biased;
            () = &mut closing => break,
            accepted = accept_one(&listener, &bell) => accepted,
        };
        match accepted {
            Ok(client) => {
                pause = PAUSE_MIN;
                hand_over(client, tls.as_ref(), &doors, &places).await;
            }
            Err(error) if is_clients_own(&error) => {}
            Err(error) => {
                tracing::warn!(event = "accept_failed", %error, pause_ms = pause.as_millis());
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
    if !listener.is_lent() {
        accept_rest(&listener, tls.as_ref(), &doors, &places).await;
    }
}

/// Takes in whoever waits at a listener that is about to be closed.
async fn accept_rest(
    listener: &Listener,
    tls: Option<&Arc<Server>>,
    doors: &[Door],
    places: &Places,
) {
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok(client) => hand_over(client, tls, doors, places).await,
            Err(error) if is_clients_own(&error) => {}
            // Nobody is left, or nobody can be taken in.
            Err(_) => return,
        }
    }
}

/// The listener's own socket, of whatever kind, for its readiness alone: the runtime's listener would register each client
/// here, only to have it taken away again.
type Bell = tokio::net::TcpStream;

fn bell(listener: &Listener) -> io::Result<Bell> {
    let socket = listener.as_fd().try_clone_to_owned()?;
    Bell::from_std(socket.into())
}

/// One client, which this thread's runtime never hears of: it will live on a worker's.
async fn accept_one(listener: &Listener, bell: &Bell) -> io::Result<Incoming> {
    bell.async_io(Interest::READABLE, || listener.accept())
        .await
}

/// A client that gave up between connecting and being accepted is no trouble of ours.
fn is_clients_own(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

async fn hand_over(client: Incoming, tls: Option<&Arc<Server>>, doors: &[Door], places: &Places) {
    let client = match tls {
        Some(server) => client.secured(server.clone()),
        None => client,
    };
    if places.are_taken(doors.iter().map(on_the_way).sum()) {
        // All listeners are on the first worker's thread.
        doors
            .iter()
            .take(1)
            .for_each(|door| door.counters.turned_away.add(1));
        // The server's own words, then the end.
        return client.turn_away(replies::MAX_CLIENTS);
    }
    let load = |(index, door): &(usize, &Door)| places.on_thread(*index) + on_the_way(door);
    let door = match doors.first() {
        Some(Door { leads: Some(_), .. }) => fairest(doors),
        _ => doors
            .iter()
            .enumerate()
            .min_by_key(load)
            .map(|(_, door)| door),
    };
    if let Some(door) = door {
        // The worker ends only when the process does.
        let _ = door.clients.send(client).await;
    }
}

/// The door to the node that has the fewest clients, and of the doors there the one with the fewest.
fn fairest(doors: &[Door]) -> Option<&Door> {
    let node = |door: &Door| {
        let topology = door.leads.as_ref()?.load();
        topology.primary.as_ref().map(|node| node.address.clone())
    };
    let nodes: Vec<_> = doors.iter().map(node).collect();
    let load = |door: &Door| clients(&door.counters).saturating_add(on_the_way(door));
    let of_node = |node| {
        let all = doors.iter().zip(&nodes);
        let there = all.filter(|(_, other)| *other == node);
        there.map(|(door, _)| load(door)).sum::<usize>()
    };
    let all = doors.iter().zip(&nodes);
    let best = all.min_by_key(|(door, node)| (of_node(*node), load(door)));
    best.map(|(door, _)| door)
}

/// Clients a worker is about to have.
fn on_the_way(door: &Door) -> usize {
    door.clients.max_capacity() - door.clients.capacity()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use crate::shutdown::Lifecycle;

    use super::*;

    /// How many of the clients that wait at a listener get in, when the process stops before it has
    /// accepted any.
    async fn taken_in(waiting: usize, lend: impl FnOnce(Listener) -> Listener) -> usize {
        let socket = bind(&HostPort::new("127.0.0.1", 0))
            .expect("a free port")
            .remove(0);
        let address = socket.local_addr().expect("its address");
        let kept = socket.try_clone().expect("a descriptor");
        let connect = |_| TcpStream::connect(address).expect("it listens");
        let clients: Vec<_> = (0..waiting).map(connect).collect();
        let (sender, mut receiver) = mpsc::channel(HAND_OVER_MAX);
        let door = Door {
            clients: sender,
            counters: Arc::default(),
            leads: None,
        };
        let lifecycle = Lifecycle::default();
        lifecycle.advance(Stage::Draining);
        let listener = lend(socket.into());
        let (doors, stages) = ([door].into(), lifecycle.stages());
        let places = Arc::new(Places::new(usize::MAX, Vec::new()));
        accept(listener, None, doors, places, stages).await;
        let left = std::iter::from_fn(|| kept.accept().ok()).count();
        let taken = std::iter::from_fn(|| receiver.try_recv().ok()).count();
        assert_eq!(taken + left, clients.len());
        taken
    }

    #[tokio::test]
    async fn who_waits_at_a_socket_that_is_closed_is_taken_in() {
        assert_eq!(taken_in(20, |listener| listener).await, 20);
    }

    #[tokio::test]
    async fn who_waits_at_a_socket_that_stays_open_is_left_to_the_next_process() {
        assert_eq!(taken_in(20, Listener::lent).await, 0);
    }
}
