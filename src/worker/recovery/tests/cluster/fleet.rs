//! One proxy of the simulation: the real election and the real opinion on failovers under way, with
//! what `steering` and `topology` make of them; the sessions are the model of `recovery`'s tests.

use super::super::proxy::{May, Proxy};
use super::super::server::{Command, Id, Op, Wire};
use super::servers::{NODES, SENTINELS, address};
use super::{Bug, Rules};
use crate::discovery::election::{Claim, Decision, Election, Millis, Says};
use crate::discovery::event::{Event, Kind};
use crate::discovery::message::Trouble;
use crate::discovery::underway::Underway;
use crate::net::HostPort;
use std::time::Duration;

/// How long a heartbeat keeps the gate open, from when it was sent.
const LEASE: Millis = 2_000;
const HOLD: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Quiescing,
    Shut,
}

/// One client and its session.
pub(super) struct Client {
    pub(super) proxy: Proxy,
    pub(super) sent: Vec<Command>,
    /// Where its link leads.
    pub(super) node: usize,
    /// Something is on its way.
    pub(super) busy: bool,
}

/// One proxy.
pub(super) struct Instance {
    rules: Rules,
    election: Election,
    underway: Underway,
    pub(super) gate: Gate,
    gate_since: Millis,
    lease_until: Millis,
    /// When the newest answer of each Sentinel was asked for.
    asked: [Option<Millis>; SENTINELS],
    /// The newest claim that a node itself confirmed.
    known: Option<Claim>,
    named: Vec<(Claim, Millis)>,
    /// Failovers heard of whose end was not.
    heard: [Option<Millis>; SENTINELS],
    pub(super) clients: Vec<Client>,
    /// What of lost links may still arrive.
    pub(super) late: Vec<(usize, Wire)>,
    pub(super) conns: u32,
}

impl Instance {
    pub(super) fn new(rules: Rules, clients: usize, first_conn: u32) -> Self {
        let client = |_| {
            let mut proxy = Proxy::new(rules.planner, true);
            proxy.reorders = rules.bug == Some(Bug::Reorders);
            Client {
                proxy,
                sent: Vec::new(),
                node: 0,
                busy: false,
            }
        };
        Self {
            rules,
            election: Election::default(),
            underway: Underway::default(),
            gate: Gate::Shut,
            gate_since: 0,
            lease_until: 0,
            asked: [None; SENTINELS],
            known: None,
            named: Vec::new(),
            heard: [None; SENTINELS],
            clients: (0..clients).map(client).collect(),
            late: Vec::new(),
            conns: first_conn,
        }
    }

    fn from(sentinel: usize) -> HostPort {
        HostPort::new("10.0.0.9", u16::try_from(26_379 + sentinel).unwrap_or(0))
    }

    /// A Sentinel's answer.
    pub(super) fn answer(&mut self, sentinel: usize, claim: Claim, trouble: bool, asked: Millis) {
        if !self.named.iter().any(|(named, _)| *named == claim) {
            self.named.push((claim.clone(), asked));
        }
        let claim = match self.rules.bug {
            // The last answer wins.
            Some(Bug::ForgetsTheEpoch) => Claim {
                epoch: asked,
                ..claim
            },
            _ => claim,
        };
        self.asked[sentinel] = self.asked[sentinel].max(Some(asked));
        let from = Self::from(sentinel);
        let trouble = match trouble {
            true => Trouble::Failover,
            false => Trouble::None,
        };
        let run_id = format!("sentinel-{sentinel}");
        self.underway
            .polled(&from, &run_id, trouble, Some(&claim.address), asked);
        self.election.observe(&run_id, claim, 2, asked);
    }

    /// What a Sentinel publishes.
    pub(super) fn event(&mut self, sentinel: usize, event: Event, now: Millis) {
        self.underway.event(&Self::from(sentinel), &event, now);
        self.heard[sentinel] = (event.kind == Kind::Step).then_some(now);
        self.follow(now);
    }

    /// What the signs of a failover of our primary make of the gate.
    fn follow(&mut self, now: Millis) {
        let Some(ours) = self.election.current().map(|claim| &claim.address) else {
            return;
        };
        if self.underway.promoted(ours, now).is_some() {
            self.set_gate(Gate::Shut, now);
        } else if self.gate == Gate::Open && self.underway.begun(ours, now).is_some() {
            self.set_gate(Gate::Quiescing, now);
        }
    }

    fn set_gate(&mut self, gate: Gate, now: Millis) {
        if self.gate == Gate::Open || gate == Gate::Open {
            self.gate_since = now;
        }
        self.gate = gate;
    }

    /// What a node said of itself.
    pub(super) fn verdict(
        &mut self,
        node: usize,
        says: Says,
        sent: Millis,
        now: Millis,
    ) -> Result<(), String> {
        let address = address(node);
        self.election.verdict(&address, says, sent);
        if says == Says::Master {
            let confirmed =
                |(claim, asked): &&(Claim, Millis)| claim.address == address && *asked <= sent;
            let newest = self.named.iter().filter(confirmed).map(|(claim, _)| claim);
            let newest = newest.max_by_key(|claim| claim.epoch).cloned();
            if newest.as_ref().map(|claim| claim.epoch) > self.known.as_ref().map(|it| it.epoch) {
                self.known = newest;
            }
        }
        if self.election.current().map(|claim| &claim.address) != Some(&address) {
            self.underway.role(&address, says, sent);
            return Ok(());
        }
        match says {
            Says::Master if self.gate == Gate::Open => {
                self.lease_until = self.lease_until.max(sent + LEASE);
            }
            Says::Master => return self.open_in_place(sent, now),
            _ => self.set_gate(Gate::Shut, now),
        }
        Ok(())
    }

    fn open_in_place(&mut self, sent: Millis, now: Millis) -> Result<(), String> {
        let fresh = |asked: &Option<Millis>| asked.is_some_and(|at| at >= self.gate_since);
        if !self.asked.iter().all(fresh) || sent < self.gate_since {
            return Ok(());
        }
        let decision = self.election.decide(now, SENTINELS);
        if matches!(decision, Decision::Switch { .. } | Decision::Verify { .. }) {
            return Ok(());
        }
        let Some(ours) = self.election.current().map(|claim| &claim.address) else {
            return Ok(());
        };
        let may = self.underway.may_open(ours, self.gate_since, now, HOLD);
        if !may && self.rules.bug != Some(Bug::OpensTooEarly) {
            return Ok(());
        }
        let since = self.gate_since;
        let heard = self.heard.iter().flatten();
        let pending = heard.filter(|at| now - **at <= 10_000 && now - since < 15_000);
        if pending.count() > 0 {
            return Err("the gate opened in place while a failover was under way".to_owned());
        }
        self.lease_until = sent + LEASE;
        self.set_gate(Gate::Open, now);
        Ok(())
    }

    /// Acts on what is known now.
    pub(super) fn steer(&mut self, now: Millis) {
        match self.election.decide(now, SENTINELS) {
            Decision::Switch { claim, .. } => self.switch(claim, now),
            Decision::Verify {
                by_majority: true, ..
            } => self.set_gate(Gate::Shut, now),
            Decision::Learn(epoch) => self.election.learned(epoch),
            _ => {}
        }
        self.follow(now);
    }

    fn switch(&mut self, claim: Claim, now: Millis) {
        let since = self.underway.since().unwrap_or_default();
        let first = self.election.current().is_none();
        if first && !self.underway.may_open(&claim.address, since, now, HOLD) {
            return;
        }
        for client in &mut self.clients {
            if self.rules.bug == Some(Bug::KeepsAnOldLink) {
                continue;
            }
            if let Some(wire) = client.proxy.lose_link() {
                self.late.push((client.node, wire));
            }
        }
        let former = self.election.current().map(|old| old.address.clone());
        self.underway.concluded(former, &claim.address);
        self.heard = [None; SENTINELS];
        self.election.switched(claim);
        self.lease_until = now + LEASE;
        self.set_gate(Gate::Open, now);
    }

    /// Nodes that are asked for their role.
    pub(super) fn watched(&self, now: Millis) -> Vec<usize> {
        let mut wanted = self.election.candidates(now);
        wanted.extend(self.election.current().map(|claim| claim.address.clone()));
        (0..NODES)
            .filter(|node| wanted.contains(&address(*node)))
            .collect()
    }

    pub(super) fn current(&self) -> Option<usize> {
        let current = self.election.current()?;
        (0..NODES).find(|node| address(*node) == current.address)
    }

    /// Whether commands may be sent at this moment.
    pub(super) fn may(&self, now: Millis) -> May {
        match self.gate {
            Gate::Open if now < self.lease_until => May::Send,
            _ => May::Wait,
        }
    }

    /// A client sends a command.
    pub(super) fn send(&mut self, client: usize, id: Id, op: Op, now: Millis) {
        let may = self.may(now);
        let command = Command { id, op, kept: true };
        let client = &mut self.clients[client];
        client.sent.push(command);
        client.proxy.take_in(command, may);
    }

    /// Passes on what may be passed on.
    pub(super) fn pump(&mut self, client: usize, now: Millis) -> Result<(), String> {
        let may = self.may(now);
        let current = self.current();
        let stale = match (self.election.current(), &self.known) {
            (Some(current), Some(known)) => known.address != current.address,
            _ => false,
        };
        let client = &mut self.clients[client];
        if let (May::Send, Some(node), true) = (may, current, client.proxy.wants_link()) {
            self.conns += 1;
            client.node = node;
            client.proxy.attach(self.conns);
        }
        let before = client.proxy.wire().map(|wire| wire.handed());
        client.proxy.pump(may, usize::MAX);
        let after = client.proxy.wire().map(|wire| wire.handed());
        if before < after && (Some(client.node) != current || stale) {
            return Err(format!(
                "sent to node {}, and the primary is {current:?} (outdated: {stale})",
                client.node
            ));
        }
        Ok(())
    }
}
