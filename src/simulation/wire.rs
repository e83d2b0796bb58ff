//! What the network consists of: doors, connections, and the agenda of arrivals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::task::Waker;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::chance::Chance;
use super::end::End;
use super::lane::{Landed, Lane};
use super::wiretap::Wiretap;

/// Longest time a byte takes on its way while nothing is slow, in milliseconds.
pub(super) const DELAY_MAX: u64 = 3;
/// What a connection may hold in one direction.
const CAPACITIES: [usize; 4] = [512, 4 << 10, 64 << 10, 256 << 10];

/// How an address answers a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Refusing,
    /// Packets are swallowed.
    Silent,
}

#[derive(Debug)]
pub(super) struct Connection {
    /// By the side that writes into them.
    pub(super) lanes: [Lane; 2],
    /// Of the sides; the dialler's is made up.
    pub(super) addresses: [SocketAddr; 2],
    pub(super) reset: bool,
    pub(super) held: [bool; 2],
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) door: Door,
    pub(super) queue: mpsc::UnboundedSender<End>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) chance: Chance,
    pub(super) wiretap: Wiretap,
    pub(super) listeners: BTreeMap<SocketAddr, Listener>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) next: u64,
    /// When something arrives, at whom, in whose lane.
    pub(super) agenda: BTreeSet<(Instant, u64, usize)>,
    /// Woken when the lock is given back.
    pub(super) wakers: Vec<Waker>,
}

impl State {
    pub(super) fn open(&mut self, address: SocketAddr) -> u64 {
        self.next += 1;
        let capacity = CAPACITIES[self.chance.index(CAPACITIES.len())];
        let mut lane = || Lane::new(capacity, self.chance.millis(0, DELAY_MAX + 1));
        let lanes = [lane(), lane()];
        let dialler = SocketAddr::from(([10, 0, 9, 9], 40_000));
        let connection = Connection {
            lanes,
            addresses: [dialler, address],
            reset: false,
            held: [true; 2],
        };
        self.connections.insert(self.next, connection);
        self.next
    }

    pub(super) fn land(&mut self, id: u64, side: usize) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let lane = &mut connection.lanes[side];
        let landed = lane.land(Instant::now());
        if landed == Landed::Broken {
            return self.reset(id);
        }
        if lane.fin_arrived || !lane.ready.is_empty() {
            self.wakers.extend(lane.reader.take());
        }
    }

    /// Nothing under way arrives any more; what has arrived can still be read.
    pub(super) fn reset(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.reset = true;
        for lane in &mut connection.lanes {
            lane.stalled = true;
            self.wakers.extend(lane.reader.take());
            self.wakers.extend(lane.writer.take());
        }
    }
}
