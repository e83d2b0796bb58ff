//! What faults do to connections and to doors.

use std::net::SocketAddr;
use std::time::Duration;

use super::network::Network;
use super::wire::Door;

impl Network {
    /// Changes how dials to `address` are answered.
    pub(crate) fn set_door(&self, address: SocketAddr, door: Door) {
        if let Some(listener) = self.lock().listeners.get_mut(&address) {
            listener.door = door;
        }
    }

    /// The connections to `address`, oldest first.
    pub(crate) fn to(&self, address: SocketAddr) -> Vec<u64> {
        let state = self.lock();
        let found = state.connections.iter();
        found
            .filter(|(_, connection)| connection.addresses[1] == address && !connection.reset)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Breaks a connection when `bytes` more have arrived in the lane of `side`.
    pub(crate) fn cut_after(&self, id: u64, side: usize, bytes: usize) {
        if let Some(connection) = self.lock().connections.get_mut(&id) {
            connection.lanes[side].cut_after = Some(bytes.max(1));
        }
    }

    /// Makes a connection slow, both ways.
    pub(crate) fn slow_down(&self, id: u64, delay: Duration) {
        if let Some(connection) = self.lock().connections.get_mut(&id) {
            connection
                .lanes
                .iter_mut()
                .for_each(|lane| lane.delay = delay);
        }
    }

    /// Lets nothing arrive on a connection, or lets it arrive again.
    pub(crate) fn stall(&self, id: u64, stalled: bool) {
        self.with(|state| {
            if let Some(connection) = state.connections.get_mut(&id) {
                connection
                    .lanes
                    .iter_mut()
                    .for_each(|lane| lane.stalled = stalled);
            }
            state.land(id, 0);
            state.land(id, 1);
        });
    }

    /// As [`Network::stall`], for all connections to `address`; dials are not answered meanwhile.
    pub(crate) fn cut_off(&self, address: SocketAddr, cut_off: bool) {
        self.set_door(address, if cut_off { Door::Silent } else { Door::Open });
        for id in self.to(address) {
            self.stall(id, cut_off);
        }
    }

    /// The process at `address` is gone, and with it all its connections.
    pub(crate) fn kill(&self, address: SocketAddr) {
        self.set_door(address, Door::Refusing);
        for id in self.to(address) {
            self.with(|state| state.reset(id));
        }
    }
}
