//! Links of their own that clients have given back: connections on which nothing is in flight and of
//! which all is known, so that the next client that needs one finds it made, in place of a dial.

use std::cell::RefCell;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use crate::net::Transport;

use super::Worker;
use super::key::Key;
use super::names::Names;

/// Connections a worker keeps; the one that was given back first is closed for another.
const KEPT_MAX: usize = 64;
/// How long one is kept.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// A connection nobody uses.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) transport: Transport,
    pub(super) key: Key,
    /// What the last client had it called.
    pub(super) names: Names,
    pub(super) generation: u64,
    /// What the server calls it, once asked.
    pub(super) upstream_id: Option<NonZeroU64>,
    /// Its user may not load scripts.
    pub(super) scripts_refused: bool,
    /// It is to be asked to redirect, once its client has logged in.
    pub(super) wants_capa: bool,
    pub(super) since: Instant,
}

impl Idle {
    /// Whether the server has neither ended it nor said anything on it.
    fn is_quiet(&mut self) -> bool {
        let mut room = BytesMut::with_capacity(1);
        let mut cx = Context::from_waker(Waker::noop());
        let read = self.transport.poll_read(&mut cx, &mut room);
        matches!(read, Poll::Pending)
    }
}

/// All of a worker's, the one given back last at the end.
#[derive(Debug, Default)]
pub(crate) struct Shelf(RefCell<Vec<Idle>>);

impl Shelf {
    /// Keeps `idle`; says how many were closed for that.
    pub(super) fn put(&self, idle: Idle) -> u64 {
        let mut kept = self.0.borrow_mut();
        let full = kept.len() >= KEPT_MAX;
        if full {
            kept.remove(0);
        }
        kept.push(idle);
        u64::from(full)
    }

    /// One that is as `key` says already, and how many turned out to be of no use.
    pub(super) fn take(&self, key: &Key) -> (Option<Idle>, u64) {
        self.take_if(|idle| idle.key == *key)
    }

    /// Any, to be made another; the one longest unused. And how many turned out to be of no use.
    pub(super) fn take_any(&self) -> (Option<Idle>, u64) {
        self.0.borrow_mut().reverse();
        let taken = self.take_if(|_| true);
        self.0.borrow_mut().reverse();
        taken
    }

    fn take_if(&self, fits: impl Fn(&Idle) -> bool) -> (Option<Idle>, u64) {
        let mut kept = self.0.borrow_mut();
        let mut useless = 0;
        while let Some(at) = kept.iter().rposition(&fits) {
            let mut idle = kept.remove(at);
            if idle.is_quiet() {
                return (Some(idle), useless);
            }
            useless += 1;
        }
        (None, useless)
    }

    /// How many there are.
    fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Closes those that were not used for long, or lead to another primary; says how many.
    pub(super) fn tidy(&self, now: Instant, generation: u64) -> u64 {
        let mut kept = self.0.borrow_mut();
        let before = kept.len();
        kept.retain(|idle| {
            let fresh = now.saturating_duration_since(idle.since) < KEPT_FOR;
            fresh && idle.generation == generation
        });
        (before - kept.len()) as u64
    }
}

impl Worker {
    /// Keeps a connection for the next client that needs one.
    pub(super) fn shelve(&self, idle: Idle) {
        self.counters.links.sub(self.shelf.put(idle));
    }

    /// A connection that is as `key` says already.
    pub(super) fn unshelve(&self, key: &Key) -> Option<Idle> {
        self.taken(self.shelf.take(key))
    }

    /// Any connection.
    pub(super) fn unshelve_any(&self) -> Option<Idle> {
        self.taken(self.shelf.take_any())
    }

    fn taken(&self, (found, useless): (Option<Idle>, u64)) -> Option<Idle> {
        self.counters.links.sub(useless);
        if useless > 0 {
            // The node may have been started anew.
            self.scripts.doubt();
        }
        found
    }

    /// Closes connections that were not used for long, or do not lead to the primary of
    /// `generation`.
    pub(super) fn tidy_shelf(&self, now: Instant, generation: u64) {
        self.counters.links.sub(self.shelf.tidy(now, generation));
    }

    /// Closes what is no longer used.
    pub(super) fn tidy(self: &Rc<Self>, now: Instant) {
        self.tidy_shelf(now, self.generation());
        self.commons.tidy(now, self.generation());
        self.commons.look_after_stuck(self);
        self.look_at_clients(now);
        let counters = &self.counters;
        counters.links_shared.set(self.commons.count() as u64);
        counters.links_pooled.set(self.shelf.count() as u64);
        let sessions = self.sessions.borrow();
        sessions
            .iter()
            .for_each(|(_, session)| session.forget_bulk());
    }
}
