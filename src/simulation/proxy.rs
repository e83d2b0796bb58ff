//! The proxy as `steadfast::run` puts it together, each worker on what stands in for its thread.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::network::Network;
use super::pausing::Pauses;
use crate::config::Config;
use crate::discovery;
use crate::net::{Incoming, Transport};
use crate::shutdown::Lifecycle;
use crate::topology::{Publisher, View};
use crate::worker;

/// What clients dial; nobody listens there, they are handed over.
const ADDRESS: ([u8; 4], u16) = ([10, 0, 0, 9], 6379);
const REPORTS_MAX: usize = 64;
const HAND_OVER_MAX: usize = 64;

/// Where clients come in.
#[derive(Clone)]
pub(super) struct Entrance {
    network: Network,
    doors: Vec<mpsc::Sender<Incoming>>,
}

impl Entrance {
    /// A new client's side of its connection.
    pub(super) async fn enter(&self, number: usize) -> Transport {
        let [client, proxy] = self.network.ends(SocketAddr::from(ADDRESS));
        let door = &self.doors[number % self.doors.len()];
        let sent = door.send(Incoming::Simulated(proxy)).await;
        assert!(sent.is_ok(), "a worker has ended");
        Transport::Simulated(client)
    }
}

/// The proxy.
pub(super) struct Proxy {
    pub(super) pauses: Pauses,
    pub(super) entrance: Entrance,
    /// Of a process that never ends.
    _lifecycle: Lifecycle,
}

impl Proxy {
    pub(super) fn start(
        config: &Arc<Config>,
        publisher: Publisher,
        views: Vec<View>,
        network: &Network,
    ) -> Self {
        let (reports, incoming) = mpsc::channel(REPORTS_MAX);
        let (ids, scripts) = (Arc::default(), Arc::default());
        let held_bytes = Arc::new(worker::HeldBytes::new(
            config.max_held_bytes,
            config.max_output_bytes,
        ));
        let mut pauses = Pauses::default();
        let mut doors = Vec::new();
        let lifecycle = Lifecycle::default();
        for view in views {
            let (door, clients) = mpsc::channel(HAND_OVER_MAX);
            pauses.run(worker::run(worker::Parts {
                config: config.clone(),
                view,
                counters: Arc::default(),
                ids: Arc::clone(&ids),
                scripts: Arc::clone(&scripts),
                held_bytes: held_bytes.clone(),
                reports: reports.clone(),
                clients,
                stages: lifecycle.stages(),
            }));
            doors.push(door);
        }
        let discovery = discovery::run(config.clone(), publisher, incoming, Arc::default(), None);
        spawn_local(async move { match discovery.await {} });
        let network = network.clone();
        Self {
            pauses,
            entrance: Entrance { network, doors },
            _lifecycle: lifecycle,
        }
    }
}
