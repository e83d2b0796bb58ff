//! What really happened: what nodes executed and what clients were told. The oracle compares them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::time::Instant;

use super::chance::Chance;
use super::composing::Word;
use super::network::Network;
use crate::net::HostPort;
use crate::topology::{Gate, Handle};

/// A write that took effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Execution {
    pub(super) token: u64,
    pub(super) node: usize,
    /// The proxy's primary at that moment was this node.
    pub(super) at_primary: bool,
}

/// What a client was told of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its reply, by which this node executed it.
    Acknowledged(usize),
    /// A reply that does not say who gave it.
    Done,
    /// Nothing was there to be taken, in time.
    Nil,
    Uncertain,
    /// An error that says that it was not executed.
    Refused,
}

/// A command a client sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) client: usize,
    pub(super) word: Word,
    pub(super) outcome: Option<Outcome>,
    /// Its client did not wait for the answer.
    pub(super) abandoned: bool,
}

/// The record of one story.
pub(super) struct Ledger {
    pub(super) network: Network,
    handle: Handle,
    began: Instant,
    pub(super) chance: RefCell<Chance>,
    pub(super) executions: RefCell<Vec<Execution>>,
    pub(super) sent: RefCell<BTreeMap<u64, Sent>>,
    tokens: Cell<u64>,
    lines: RefCell<Vec<String>>,
    violations: RefCell<Vec<String>>,
    pub(super) faults: Cell<u64>,
    /// The outage that a worker was paused in, and when it went on.
    pub(super) believed: Cell<Option<(Instant, Instant)>>,
}

impl Ledger {
    pub(super) fn new(network: Network, handle: Handle, chance: Chance) -> Self {
        Self {
            network,
            handle,
            began: Instant::now(),
            chance: RefCell::new(chance),
            executions: RefCell::default(),
            sent: RefCell::default(),
            tokens: Cell::new(0),
            lines: RefCell::default(),
            violations: RefCell::default(),
            faults: Cell::new(0),
            believed: Cell::new(None),
        }
    }

    pub(super) fn token(&self) -> u64 {
        self.tokens.set(self.tokens.get() + 1);
        self.tokens.get()
    }

    /// A line of the story.
    pub(super) fn tell(&self, line: String) {
        let at = self.began.elapsed().as_millis();
        tracing::debug!(at, line);
        self.lines.borrow_mut().push(format!("{at:>6} {line}"));
    }

    /// As [`Ledger::tell`], of something that was done to the proxy.
    pub(super) fn fault(&self, line: String) {
        self.faults.set(self.faults.get() + 1);
        self.tell(line);
    }

    pub(super) fn complain(&self, line: String) {
        self.tell(format!("VIOLATION {line}"));
        self.violations.borrow_mut().push(line);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    pub(super) fn violations(&self) -> Vec<String> {
        let mut all = self.violations.borrow().clone();
        all.extend(self.network.lock().wiretap.violations.iter().cloned());
        all
    }

    /// A node executed a write.
    pub(super) fn executed(&self, token: u64, node: usize, address: SocketAddr) {
        let topology = self.handle.load();
        let primary = topology.primary.as_ref().map(|primary| &primary.address);
        let at_primary = primary == Some(&HostPort::from(address));
        self.tell(format!("node {node} executes @{token}"));
        self.executions.borrow_mut().push(Execution {
            token,
            node,
            at_primary,
        });
    }

    pub(super) fn outcome(&self, token: u64, outcome: Outcome) {
        self.tell(format!("@{token}: {outcome:?}"));
        if let Some(sent) = self.sent.borrow_mut().get_mut(&token) {
            sent.outcome = Some(outcome);
        }
    }

    /// The gate, and since when it has not been open.
    pub(super) fn outage(&self) -> Option<Instant> {
        let topology = self.handle.load();
        (topology.gate != Gate::Open).then_some(topology.gate_since)
    }

    pub(super) fn primary(&self) -> Option<HostPort> {
        let topology = self.handle.load();
        topology
            .primary
            .as_ref()
            .map(|primary| primary.address.clone())
    }

    pub(super) fn within(&self, from: u64, to: u64) -> u64 {
        self.chance.borrow_mut().within(from, to)
    }

    /// Waits a random time, in milliseconds.
    pub(super) async fn pause(&self, from: u64, to: u64) {
        let wait = self.chance.borrow_mut().millis(from, to);
        tokio::time::sleep(wait).await;
    }
}
