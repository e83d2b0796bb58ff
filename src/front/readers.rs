//! The read-only endpoint of a front: its slots, each with a topology, a worker and a door of its own.
//! Which replica a slot leads to, others say; newcomers are dealt out here so that every node gets as
//! many as the others.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Listening, REPORTS_MAX, Shared};
use crate::config::Config;
use crate::discovery::replicas::{self, Clients, Outlook, ReplicasHandle, SLOTS};
use crate::listener::{self, Door};
use crate::topology::{Publisher, View};
use crate::worker::{Counters, Parts};

/// Generations of one slot, so that no two slots have one in common: what a client's id, or a script, is
/// at one node it is not at another.
const GENERATIONS: u64 = 1 << 32;

/// What those see of it who only look at it.
#[derive(Debug, Clone)]
pub struct Readers {
    /// The counters of its workers, one for each slot.
    pub workers: Vec<Arc<Counters>>,
    /// What is known of replicas.
    pub status: ReplicasHandle,
}

/// It, before its workers and acceptors are started.
#[derive(Debug)]
pub(crate) struct ReaderPlan {
    pub(super) listening: Listening,
    pub(super) doors: Arc<[Door]>,
    pub(super) parts: Vec<Parts>,
}

/// The side from which it is told where its slots lead to.
#[derive(Debug)]
pub(crate) struct ReaderSource {
    /// Looks after the replicas.
    pub(crate) replicas: replicas::Parts,
    /// What the search for the primary tells it by.
    pub(crate) teller: replicas::Teller,
}

/// The read-only endpoint of a front with these settings, whose primary `primary` shows.
pub(super) fn plan(
    config: &Config,
    listening: Listening,
    primary: View,
    shared: &Shared,
) -> (Readers, ReaderPlan, ReaderSource) {
    let config = Arc::new(config.for_replicas());
    let (reports, incoming) = mpsc::channel(REPORTS_MAX);
    let (ids, scripts) = (Arc::default(), Arc::default());
    let (mut doors, mut parts, mut slots) = (Vec::new(), Vec::new(), Vec::new());
    for slot in (1..).take(SLOTS) {
        let hold = config.hold_timeout.initial();
        let (publisher, views) = Publisher::beginning_at(slot * GENERATIONS, 1, hold);
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
                leads: Some(publisher.handle()),
            });
        }
        slots.push(publisher);
    }
    let workers: Vec<_> = doors.iter().map(|door| door.counters.clone()).collect();
    let status = ReplicasHandle::default();
    let counters = workers.clone();
    let clients: Clients = Box::new(move |slot| {
        let counters = counters.get(slot);
        counters.map_or(0, |counters| counters.clients.load())
    });
    let (teller, outlook) = tokio::sync::watch::channel(Outlook::default());
    let replicas = replicas::Parts {
        config,
        primary,
        outlook,
        slots,
        clients,
        reports: incoming,
        status: status.clone(),
    };
    let plan = ReaderPlan {
        listening,
        doors: doors.into(),
        parts,
    };
    let readers = Readers { workers, status };
    (readers, plan, ReaderSource { replicas, teller })
}
