//! A slot: a part of the clients that always stays together, and the topology that leads it to one
//! node at a time.
//!
//! To the workers its node is what the primary is elsewhere: another node is a switch, with all that
//! becomes of what was in flight. Nothing here waits: a switch goes on while the slot is polled, and is
//! broken off where something else has become right.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::net::HostPort;
use crate::topology::{Primary, Publisher, Topology};

/// How long a slot that leaves its node without need lets what is in flight come to an end. Only reads
/// are sent meanwhile, which may be asked twice.
const PARTING: Duration = Duration::from_millis(100);

/// How a slot leaves its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// At once: the node is gone, or not what it was.
    AtOnce,
    /// Once what it has in flight was given time: the node is well, and another has less to do.
    InPeace,
}

/// A switch under way.
type Switch = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One slot.
pub(super) struct Slot {
    publisher: Arc<Publisher>,
    /// The node it leads to, or is about to.
    node: Option<HostPort>,
    switch: Option<Switch>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl Slot {
    /// Leads nowhere.
    pub(super) fn new(publisher: Publisher) -> Self {
        Self {
            publisher: Arc::new(publisher),
            node: None,
            switch: None,
        }
    }

    /// The node it leads to, or is about to.
    pub(super) fn node(&self) -> Option<&HostPort> {
        self.node.as_ref()
    }

    /// Whether it is about to lead elsewhere.
    pub(super) fn is_switching(&self) -> bool {
        self.switch.is_some()
    }

    /// Has nothing sent or delivered any more, from this moment on.
    pub(super) fn shut(&mut self) {
        self.switch = None;
        self.node = None;
        // The snapshot is replaced at the first poll, and from then on no worker acts by another. That
        // they have confirmed it is waited for by the next switch.
        let mut shutting = std::pin::pin!(self.publisher.shut());
        let _ = shutting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Leads to `node`, which is known to be well for as long as `until` says.
    pub(super) fn lead(&mut self, node: Primary, until: Instant, leave: Leave) {
        self.node = Some(node.address.clone());
        let publisher = self.publisher.clone();
        self.switch = Some(Box::pin(async move {
            if leave == Leave::InPeace {
                publisher.quiesce();
                sleep(PARTING).await;
            }
            publisher.switch(node, until).await;
        }));
    }

    /// Its node was found to be well until then.
    pub(super) fn renew(&self, until: Instant) {
        if !self.is_switching() {
            self.publisher.renew(until);
        }
    }

    /// Takes over what the primary's topology says of commands and of how long they are held.
    pub(super) fn follow(&self, primary: &Topology) {
        self.publisher.set_hold_timeout(primary.hold_timeout);
        let generation = self.publisher.load().generation;
        self.publisher
            .set_commands(generation, primary.commands.clone());
    }

    /// Shows that whoever leads it still runs.
    pub(super) fn beat(&self) {
        self.publisher.beat();
    }

    /// Goes on with a switch that is under way; ready when one has come to its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(switch) = &mut self.switch else {
            return Poll::Pending;
        };
        let ended = switch.as_mut().poll(cx);
        if ended.is_ready() {
            self.switch = None;
        }
        ended
    }
}
