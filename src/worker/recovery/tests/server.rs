//! A model of the server: what it does with the commands of one connection, and when.
//!
//! A command is executed when its last byte has arrived, never before, and a reply is written after
//! that (prior-art.md section 5). Nothing of the proxy is known here.

use std::collections::VecDeque;

use crate::resp::Class;

/// What tells one command of the client from all others.
pub(crate) type Id = u32;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Write,
    Read,
    Pop,
    Setting,
    Wait,
    Node,
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
}

impl Op {
    /// What recovery knows of it.
    pub(super) fn class(self) -> Class {
        match self {
            Self::Write => Class::Effect,
            Self::Read => Class::Read,
            Self::Pop => Class::Blocking,
            Self::Setting => Class::Connection,
            Self::Wait => Class::Wait,
            Self::Node => Class::Node,
            Self::Multi => Class::Multi,
            Self::Exec => Class::Exec,
            Self::Discard => Class::Discard,
            Self::Watch => Class::Watch,
            Self::Unwatch => Class::Unwatch,
        }
    }

    fn changes_data(self) -> bool {
        matches!(self, Self::Write | Self::Pop)
    }
}

/// One command of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) id: Id,
    pub(crate) op: Op,
    /// Small enough for its bytes to be kept while it is in flight.
    pub(crate) kept: bool,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Executed.
    Done,
    /// Success, without any effect on data.
    Ok,
    Queued,
    /// EXEC: these were executed.
    Executed(Vec<Id>),
    Nil,
    /// Not executed, because the node is no primary (yet).
    NotPrimary,
    /// Not executed, for any other reason.
    Error,
    /// The proxy's own words.
    Uncertain,
    NotExecuted,
    Aborted,
    Zero,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    Replica,
    Loading,
}

/// Something a node did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) id: Id,
    pub(crate) op: Op,
    /// The EXEC that did it.
    pub(crate) exec: Option<Id>,
    /// The connection it came on.
    pub(crate) conn: u32,
}

/// One data node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) role: Role,
    pub(crate) effects: Vec<Effect>,
    /// The one watched key changes with every number.
    pub(crate) key: u32,
    /// What a pop finds.
    pub(crate) jobs: u32,
    /// This user may not use MULTI.
    pub(crate) forbids_multi: bool,
}

impl Node {
    pub(crate) fn primary() -> Self {
        Self {
            role: Role::Primary,
            effects: Vec::new(),
            key: 0,
            jobs: 0,
            forbids_multi: false,
        }
    }
}

/// What a node knows of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    pub(crate) id: u32,
    queue: Option<Vec<Command>>,
    dirty: bool,
    watched: Option<u32>,
}

impl Connection {
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// Acts on a command that has arrived to its last byte; none while it blocks.
    pub(crate) fn execute(&mut self, node: &mut Node, command: Command) -> Option<Reply> {
        let op = command.op;
        match op {
            Op::Exec => return Some(self.exec(node, command.id)),
            Op::Discard => return Some(self.discard()),
            _ => {}
        }
        if node.role != Role::Primary && op.changes_data()
            || node.role == Role::Loading && matches!(op, Op::Read | Op::Wait | Op::Node)
        {
            self.dirty |= self.queue.is_some();
            return Some(Reply::NotPrimary);
        }
        if let Some(queue) = &mut self.queue {
            if matches!(op, Op::Multi | Op::Watch) {
                self.dirty = true;
                return Some(Reply::Error);
            }
            queue.push(command);
            return Some(Reply::Queued);
        }
        self.alone(node, command)
    }

    fn alone(&mut self, node: &mut Node, command: Command) -> Option<Reply> {
        match command.op {
            Op::Multi if node.forbids_multi => return Some(Reply::Error),
            Op::Multi => self.queue = Some(Vec::new()),
            Op::Watch => {
                self.watched.get_or_insert(node.key);
            }
            Op::Unwatch => self.watched = None,
            Op::Pop if node.jobs == 0 => return None,
            Op::Setting | Op::Wait => {}
            _ => {
                self.affect(node, command, None);
                return Some(Reply::Done);
            }
        }
        Some(Reply::Ok)
    }

    fn affect(&self, node: &mut Node, command: Command, exec: Option<Id>) {
        match command.op {
            Op::Pop if node.jobs == 0 => return,
            Op::Pop => node.jobs -= 1,
            Op::Write | Op::Read | Op::Node => {}
            _ => return,
        }
        node.effects.push(Effect {
            id: command.id,
            op: command.op,
            exec,
            conn: self.id,
        });
    }

    fn discard(&mut self) -> Reply {
        if self.queue.take().is_none() {
            return Reply::Error;
        }
        self.dirty = false;
        self.watched = None;
        Reply::Ok
    }

    fn exec(&mut self, node: &mut Node, id: Id) -> Reply {
        let Some(queue) = self.queue.take() else {
            return Reply::Error;
        };
        let dirty = std::mem::take(&mut self.dirty);
        let watched = self.watched.take();
        let writes = queue.iter().any(|command| command.op.changes_data());
        match node.role {
            _ if dirty => return Reply::Error,
            Role::Loading => return Reply::NotPrimary,
            Role::Replica if writes => return Reply::NotPrimary,
            _ if watched.is_some_and(|key| key != node.key) => return Reply::Nil,
            _ => {}
        }
        for command in &queue {
            self.affect(node, *command, Some(id));
        }
        Reply::Executed(queue.iter().map(|command| command.id).collect())
    }
}

/// Parts every command and every reply travels in.
pub(crate) const PARTS: usize = 2;

/// Both directions between the proxy and a node, byte by byte as far as it matters.
#[derive(Debug)]
pub(crate) struct Wire {
    connection: Connection,
    /// Handed over by the proxy and not executed yet, oldest first.
    sent: VecDeque<Command>,
    handed: usize,
    /// Taken by the socket; arrived at the server; both counted as `handed`.
    pub(crate) written: usize,
    arrived: usize,
    executed: usize,
    /// Written by the server, not read by the proxy.
    pub(crate) replies: VecDeque<(Id, Reply)>,
}

impl Wire {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            sent: VecDeque::new(),
            handed: 0,
            written: 0,
            arrived: 0,
            executed: 0,
            replies: VecDeque::new(),
        }
    }

    pub(crate) fn conn(&self) -> u32 {
        self.connection.id
    }

    /// All that was ever handed over.
    pub(crate) fn handed(&self) -> usize {
        self.handed
    }

    pub(crate) fn hand(&mut self, command: Command) {
        self.sent.push_back(command);
        self.handed += PARTS;
    }

    /// The socket takes so many parts more.
    pub(crate) fn write(&mut self, parts: usize) {
        self.written = self.handed.min(self.written.saturating_add(parts));
    }

    /// So many of the parts that were written arrive; what is complete is executed.
    pub(crate) fn arrive(&mut self, node: &mut Node, parts: usize) {
        self.arrived = self.written.min(self.arrived.saturating_add(parts));
        while self.executed + PARTS <= self.arrived {
            let Some(command) = self.sent.front().copied() else {
                return;
            };
            let Some(reply) = self.connection.execute(node, command) else {
                return;
            };
            self.sent.pop_front();
            self.executed += PARTS;
            self.replies.push_back((command.id, reply));
        }
    }
}
