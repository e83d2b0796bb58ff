//! The story of one client: its commands, and whatever may happen between any two of their bytes.

use super::oracle;
use super::proxy::{May, Phase, Planner, Proxy};
use super::server::{Command, Effect, Id, Node, Role, Wire};

/// Rounds in which everything must have come to rest once nothing disturbs any more.
const ROUNDS_MAX: usize = 200;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The client sends its next command.
    Send,
    /// The socket takes so many parts.
    Write(usize),
    /// So many parts arrive at the server.
    Arrive(usize),
    /// A part of a reply is read.
    Read,
    /// The link breaks; so many parts of what was written arrive all the same.
    Lose(usize),
    /// What was written to a lost link arrives at last.
    Late(usize),
    /// The pool finds a link.
    Attach,
    /// The gate opens, and the lease lapses after so many commands.
    Glimpse(usize),
    /// The gate opens, shuts, stays shut for longer than commands are held.
    Gate(Gate),
    /// Another node is the primary now; the old one knows it, or does not.
    Switch { knows: bool },
    /// The node changes its role.
    Role(Role),
    /// Somebody else gives a pop something to find.
    Job,
    /// Somebody else changes the watched key.
    Touch,
    /// The client closes its connection.
    Leave,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Shut,
    Outlast,
}

/// How a story is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) planner: Planner,
    pub(super) reorders: bool,
    pub(super) resume_blocking: bool,
    pub(super) forbids_multi: bool,
}

/// Everything there is.
pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) nodes: Vec<Node>,
    /// The one published.
    current: usize,
    may: May,
    pub(super) proxy: Proxy,
    link_node: usize,
    /// Lost links whose bytes may still arrive.
    late: Vec<(usize, Wire)>,
    pub(super) conns: u32,
    /// What the client has sent.
    pub(super) sent: Vec<Command>,
    /// What was held when the client left, and the connections there had been by then.
    pub(super) held_at_leave: (Vec<Id>, u32),
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let mut node = Node::primary();
        node.forbids_multi = setting.forbids_multi;
        let mut proxy = Proxy::new(setting.planner, setting.resume_blocking);
        proxy.reorders = setting.reorders;
        Self {
            setting,
            nodes: vec![node],
            current: 0,
            may: May::Send,
            proxy,
            link_node: 0,
            late: Vec::new(),
            conns: 0,
            sent: Vec::new(),
            held_at_leave: (Vec::new(), 0),
        }
    }

    pub(super) fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.nodes.iter().flat_map(|node| &node.effects)
    }

    /// Tells the whole story and judges it.
    pub(super) fn tell(mut self, program: &[Command], steps: &[Step]) -> Result<(), String> {
        let mut program = program.iter();
        for step in steps {
            if *step == Step::Send {
                if let Some(command) = program.next() {
                    self.send(*command);
                }
            } else {
                self.step(*step);
            }
            self.proxy.pump(self.may, usize::MAX);
            let lost = self.proxy.drop_holed();
            self.lost(lost, 0);
        }
        self.come_to_rest()?;
        oracle::judge(&self)
    }

    fn send(&mut self, command: Command) {
        if self.proxy.phase == Phase::Open {
            self.sent.push(command);
            self.proxy.take_in(command, self.may);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send => {}
            Step::Write(parts) => {
                if let Some(wire) = self.proxy.wire() {
                    wire.write(parts);
                }
            }
            Step::Arrive(parts) => self.proxy.arrive(&mut self.nodes[self.link_node], parts),
            Step::Read => {
                let lost = self.proxy.read();
                self.lost(lost, 0);
            }
            Step::Lose(parts) => {
                let lost = self.proxy.lose_link();
                self.lost(lost, parts);
            }
            Step::Late(parts) => self.arrive_late(parts),
            Step::Attach => self.attach(),
            Step::Glimpse(most) => {
                self.may = May::Send;
                self.attach();
                self.proxy.pump(May::Send, most);
                self.may = May::Wait;
            }
            Step::Gate(gate) => self.gate(gate),
            Step::Switch { knows } => self.switch(knows),
            Step::Role(role) => self.nodes[self.current].role = role,
            Step::Job => self.nodes[self.current].jobs += 1,
            Step::Touch => self.nodes[self.current].key += 1,
            Step::Leave => {
                let held = self.proxy.leave(self.may);
                self.held_at_leave.0.extend(held);
                self.held_at_leave.1 = self.conns;
            }
        }
    }

    fn gate(&mut self, gate: Gate) {
        self.may = match gate {
            Gate::Open => May::Send,
            Gate::Shut => May::Wait,
            Gate::Outlast => May::Refuse,
        };
        if gate == Gate::Outlast {
            let lost = self.proxy.outlast();
            self.lost(lost, 0);
        }
    }

    fn lost(&mut self, wire: Option<Wire>, parts: usize) {
        if let Some(mut wire) = wire {
            wire.arrive(&mut self.nodes[self.link_node], parts);
            self.late.push((self.link_node, wire));
        }
    }

    fn arrive_late(&mut self, parts: usize) {
        for (node, wire) in &mut self.late {
            wire.arrive(&mut self.nodes[*node], parts);
        }
    }

    fn attach(&mut self) {
        if self.may == May::Send && self.proxy.wants_link() {
            self.conns += 1;
            self.link_node = self.current;
            self.proxy.attach(self.conns);
        }
    }

    fn switch(&mut self, knows: bool) {
        let lost = self.proxy.lose_link();
        self.lost(lost, 0);
        let old = &mut self.nodes[self.current];
        let mut new = old.clone();
        new.effects.clear();
        new.role = Role::Primary;
        if knows {
            old.role = Role::Replica;
        }
        self.nodes.push(new);
        self.current = self.nodes.len() - 1;
        self.may = May::Send;
    }

    /// From here on nothing fails; and whatever was ever written arrives.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.arrive_late(usize::MAX);
        self.nodes[self.current].role = Role::Primary;
        self.may = May::Send;
        for _ in 0..ROUNDS_MAX {
            if self.proxy.is_at_rest() {
                return Ok(());
            }
            let lost = self.proxy.drop_holed();
            self.lost(lost, usize::MAX);
            self.nodes[self.current].jobs += 1;
            self.attach();
            self.proxy.pump(self.may, usize::MAX);
            self.step(Step::Write(usize::MAX));
            self.step(Step::Arrive(usize::MAX));
            for _ in 0..4 {
                self.step(Step::Read);
            }
            self.arrive_late(usize::MAX);
        }
        Err(format!("it never comes to rest: {:?}", self.proxy))
    }
}
