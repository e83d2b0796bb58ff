//! The simulated network: who listens, all connections, and when what is under way arrives.
//!
//! Everything runs on one thread; the lock is there because a connection may be held by a task that
//! must be `Send`, and is never contended.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::chance::Chance;
use super::end::End;
use super::wire::{DELAY_MAX, Door, Listener, State};
use super::wiretap::Wiretap;

thread_local! {
    static CURRENT: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// A handle to it.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

/// Makes the network the one of this thread for as long as it lives.
#[derive(Debug)]
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| current.take());
    }
}

impl Network {
    pub(crate) fn new(chance: Chance) -> Self {
        let state = State {
            chance,
            wiretap: Wiretap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            next: 0,
            agenda: BTreeSet::new(),
            wakers: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            news: Arc::default(),
        }
    }

    pub(crate) fn enter(&self) -> Entered {
        CURRENT.with(|current| current.replace(Some(self.clone())));
        Entered(())
    }

    /// The network of this thread, while a simulation runs on it.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.with(|current| current.borrow().clone())
    }

    /// A number for whoever else needs chance while a simulation runs.
    pub(crate) fn random(&self) -> u64 {
        self.lock().chance.next()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes whom that concerns.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        if !wakers.is_empty() {
            wakers.into_iter().for_each(Waker::wake);
        }
        result
    }

    /// Lets everything arrive in time. Never returns.
    pub(crate) async fn run(self) {
        loop {
            let next = self.lock().agenda.first().copied();
            let Some((due, connection, side)) = next else {
                self.news.notified().await;
                continue;
            };
            if due > Instant::now() {
                tokio::select! {
                    biased;
                    () = self.news.notified() => {}
                    () = sleep_until(due) => {}
                }
                continue;
            }
            self.with(|state| {
                state.agenda.pop_first();
                state.land(connection, side);
            });
        }
    }

    /// Takes connections at `address` from now on.
    pub(crate) fn listen(&self, address: SocketAddr) -> mpsc::UnboundedReceiver<End> {
        let (queue, incoming) = mpsc::unbounded_channel();
        let door = Door::Open;
        self.lock()
            .listeners
            .insert(address, Listener { door, queue });
        incoming
    }

    /// Dials.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<End> {
        let delay = self.lock().chance.millis(0, DELAY_MAX * 2);
        sleep(delay).await;
        let door = self.lock().listeners.get(&address).map(|known| known.door);
        match door {
            Some(Door::Open) => self.pair(address),
            Some(Door::Silent) => std::future::pending().await,
            Some(Door::Refusing) | None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Both ends of a new connection to `address`: who dialled, who accepted.
    pub(crate) fn ends(&self, address: SocketAddr) -> [End; 2] {
        let connection = self.lock().open(address);
        [0, 1].map(|side| End {
            network: self.clone(),
            connection,
            side,
        })
    }

    fn pair(&self, address: SocketAddr) -> io::Result<End> {
        let [dialler, acceptor] = self.ends(address);
        let state = self.lock();
        let listener = state
            .listeners
            .get(&address)
            .map(|known| known.queue.clone());
        drop(state);
        match listener.map(|queue| queue.send(acceptor)) {
            Some(Ok(())) => Ok(dialler),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    /// Whether there is something to be read.
    pub(super) fn has_arrived(&self, id: u64, side: usize) -> bool {
        self.with(|state| {
            let connection = state.connections.get(&id);
            connection.is_some_and(|connection| !connection.lanes[1 - side].ready.is_empty())
        })
    }

    pub(super) fn read(
        &self,
        id: u64,
        side: usize,
        waker: &Waker,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|state| {
            let State {
                connections,
                wakers,
                ..
            } = state;
            let Some(connection) = connections.get_mut(&id) else {
                return Poll::Ready(Ok(()));
            };
            let lane = &mut connection.lanes[1 - side];
            if lane.deaf {
                return Poll::Ready(Ok(()));
            }
            let len = lane.ready.len().min(buffer.remaining());
            if len > 0 {
                let bytes: Vec<u8> = lane.ready.drain(..len).collect();
                buffer.put_slice(&bytes);
                wakers.extend(lane.writer.take());
                return Poll::Ready(Ok(()));
            }
            if connection.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if lane.fin_arrived {
                return Poll::Ready(Ok(()));
            }
            lane.reader = Some(waker.clone());
            Poll::Pending
        })
    }

    pub(super) fn write(&self, id: u64, side: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        let State {
            connections,
            chance,
            agenda,
            wiretap,
            ..
        } = &mut *state;
        let Some(connection) = connections.get_mut(&id) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let lane = &mut connection.lanes[side];
        if connection.reset || lane.fin_sent {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if lane.room() == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (len, arrivals) = lane.send(bytes, chance);
        wiretap.written(id, side, connection.addresses[1], &bytes[..len]);
        agenda.extend(arrivals.into_iter().map(|due| (due, id, side)));
        drop(state);
        self.news.notify_one();
        Ok(len)
    }

    pub(super) fn write_ready(&self, id: u64, side: usize, waker: &Waker) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        let Some(connection) = state.connections.get_mut(&id) else {
            return Poll::Ready(Ok(()));
        };
        let lane = &mut connection.lanes[side];
        // A socket that is broken takes the next write at once, which then fails.
        if connection.reset || lane.fin_sent || lane.room() > 0 {
            return Poll::Ready(Ok(()));
        }
        lane.writer = Some(waker.clone());
        Poll::Pending
    }

    pub(super) fn is_read_closed(&self, id: u64, side: usize) -> bool {
        self.lock().connections.get(&id).is_none_or(|connection| {
            let lane = &connection.lanes[1 - side];
            connection.reset || lane.fin_arrived || lane.deaf
        })
    }

    pub(super) fn shutdown_write(&self, id: u64, side: usize) {
        let mut state = self.lock();
        let Some(connection) = state.connections.get_mut(&id) else {
            return;
        };
        if let Some(due) = connection.lanes[side].send_fin() {
            state.agenda.insert((due, id, side));
        }
        drop(state);
        self.news.notify_one();
    }

    pub(super) fn close(&self, id: u64, side: usize) {
        self.shutdown_write(id, side);
        self.with(|state| {
            let State {
                connections,
                wakers,
                ..
            } = state;
            if let Some(connection) = connections.get_mut(&id) {
                let lane = &mut connection.lanes[1 - side];
                lane.deaf = true;
                lane.ready.clear();
                wakers.extend(lane.reader.take());
            }
        });
    }

    pub(super) fn peer(&self, id: u64, side: usize) -> SocketAddr {
        let state = self.lock();
        let found = state.connections.get(&id);
        found.map_or(([0, 0, 0, 0], 0).into(), |found| found.addresses[1 - side])
    }

    pub(super) fn forget(&self, id: u64, side: usize) {
        self.close(id, side);
        let mut state = self.lock();
        if let Some(connection) = state.connections.get_mut(&id) {
            connection.held[side] = false;
            if connection.held == [false; 2] {
                state.connections.remove(&id);
            }
        }
    }
}
