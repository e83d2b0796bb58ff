//! A model of one session: what `session`, `intercept`, `learning`, `refusing`, `loss`, `backlog`
//! and `restoring` do with commands and replies, without their bytes, sockets and clocks. What is
//! decided about a loss is decided by the real `plan`, or by a planner that a test spoils.

mod answers;
mod loss;
mod sending;

use std::collections::VecDeque;

use super::super::{Before, Entry, Plan, Progress};
use super::server::{Command, Connection, Id, Node, PARTS, Reply, Wire};

/// Decides about a loss; the real one is `plan`.
pub(crate) type Planner = fn(&Before, &[Entry]) -> Plan;

/// What the client was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reply: Reply,
    /// Whose reply it is, where a server wrote it.
    pub(crate) of: Option<Id>,
    /// The connection it came on.
    pub(crate) conn: Option<u32>,
}

/// What a reply will mean.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Plain,
    Blocking,
    Queued,
    Multi,
    Exec,
    Discard,
    LostWatch,
    Watch,
    Unwatch,
    Setting,
    Local(Told),
    Restore,
    Restored,
}

#[derive(Debug)]
struct Slot {
    kind: Kind,
    id: Id,
    command: Option<Command>,
    /// What had been handed to the wire by its end.
    end: usize,
}

#[derive(Debug)]
struct Case {
    kind: Kind,
    id: Id,
    command: Option<Command>,
    progress: Progress,
    reply: Option<Told>,
}

#[derive(Debug)]
struct Link {
    wire: Wire,
    slots: VecDeque<Slot>,
    handed: usize,
    /// The first part of the oldest reply has gone to the client.
    in_delivery: bool,
    refused: Option<Vec<Case>>,
}

#[derive(Debug)]
enum Item {
    /// `true`: it may have been executed.
    Command(Kind, Command, bool),
    Answer(Told),
}

/// How a client ends, as far as the proxy has noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    HalfClosed,
    Ended,
}

/// What may be done with commands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    /// The gate is open.
    Send,
    /// It is not.
    Wait,
    /// It has not been for longer than commands are held.
    Refuse,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Proxy {
    planner: Planner,
    resume_blocking: bool,
    /// A planted bug: what a lost link leaves is put back in the wrong order.
    pub(crate) reorders: bool,
    pub(crate) phase: Phase,
    /// What the client has sent and is not yet passed on; `true`: it was held.
    waiting: VecDeque<(Command, bool)>,
    in_multi: bool,
    hopeless: bool,
    watch_lost: bool,
    blocked: bool,
    /// MULTI and what was queued; none when something of it is missing.
    transaction: Option<Option<Vec<Command>>>,
    /// What the link has queued is not what its client sent.
    holed: bool,
    watching: bool,
    multi_granted: bool,
    backlog: VecDeque<Item>,
    link: Option<Link>,
    pub(crate) told: Vec<Told>,
}

fn own(reply: Reply) -> Told {
    Told {
        reply,
        of: None,
        conn: None,
    }
}

impl Proxy {
    pub(crate) fn new(planner: Planner, resume_blocking: bool) -> Self {
        Self {
            planner,
            resume_blocking,
            reorders: false,
            phase: Phase::Open,
            waiting: VecDeque::new(),
            in_multi: false,
            hopeless: false,
            watch_lost: false,
            blocked: false,
            transaction: None,
            holed: false,
            watching: false,
            multi_granted: false,
            backlog: VecDeque::new(),
            link: None,
            told: Vec::new(),
        }
    }

    /// The client sends a command.
    pub(crate) fn take_in(&mut self, command: Command, may: May) {
        if self.phase == Phase::Open {
            self.waiting.push_back((command, may != May::Send));
        }
    }

    /// The client leaves; what was held for it until then is returned, and never sent.
    pub(crate) fn leave(&mut self, may: May) -> Vec<Id> {
        if self.phase != Phase::Open {
            return Vec::new();
        }
        self.phase = Phase::HalfClosed;
        let held = !self.backlog.is_empty()
            || self.waiting.iter().any(|(_, held)| *held)
            || (may != May::Send && !self.waiting.is_empty());
        if !held {
            return Vec::new();
        }
        let items = self.backlog.iter().filter_map(|item| match item {
            Item::Command(_, command, _) => Some(command.id),
            Item::Answer(_) => None,
        });
        let waiting = self.waiting.iter().map(|(command, _)| command.id);
        let ids = items.chain(waiting).collect();
        self.end();
        ids
    }

    fn end(&mut self) -> Option<Wire> {
        self.phase = Phase::Ended;
        self.waiting.clear();
        self.backlog.clear();
        self.link.take().map(|link| link.wire)
    }

    /// Whether a link would be of use.
    pub(crate) fn wants_link(&self) -> bool {
        self.phase != Phase::Ended
            && self.link.is_none()
            && !(self.backlog.is_empty() && self.waiting.is_empty())
    }

    /// The wire of the link, if there is one.
    pub(crate) fn wire(&mut self) -> Option<&mut Wire> {
        self.link.as_mut().map(|link| &mut link.wire)
    }

    /// Whether every command has been passed on and answered.
    pub(crate) fn is_at_rest(&self) -> bool {
        let idle = self.link.as_ref().is_none_or(|link| link.slots.is_empty());
        self.phase == Phase::Ended || (idle && self.waiting.is_empty() && self.backlog.is_empty())
    }

    /// A new link: the transaction that was open is queued again.
    pub(crate) fn attach(&mut self, conn: u32) {
        self.link = Some(Link {
            wire: Wire::new(Connection::new(conn)),
            slots: VecDeque::new(),
            handed: 0,
            in_delivery: false,
            refused: None,
        });
        if let Some(Some(frames)) = self.transaction.clone() {
            self.blocked = true;
            for frame in frames {
                self.send(Kind::Restore, frame);
            }
            self.expect(Kind::Restored);
        }
    }

    fn send(&mut self, kind: Kind, command: Command) {
        let Some(link) = &mut self.link else { return };
        link.wire.hand(command);
        link.handed += PARTS;
        let restores = kind == Kind::Restore;
        link.slots.push_back(Slot {
            kind,
            id: command.id,
            command: (command.kept && !restores).then_some(command),
            end: link.handed,
        });
    }

    fn expect(&mut self, kind: Kind) {
        if let Some(link) = &mut self.link {
            let end = link.handed;
            link.slots.push_back(Slot {
                kind,
                id: 0,
                command: None,
                end,
            });
        }
    }

    fn answer(&mut self, told: Told) {
        match &self.link {
            Some(link) if !link.slots.is_empty() => self.expect(Kind::Local(told)),
            _ => self.told.push(told),
        }
    }

    /// Nothing can be sent for longer than commands are held: gives up what is in flight.
    pub(crate) fn outlast(&mut self) -> Option<Wire> {
        let link = self.link.as_ref()?;
        match link.slots.is_empty() && !self.in_multi {
            true => None,
            false => self.lose_link(),
        }
    }

    /// A queue with a hole in it must never be executed.
    pub(crate) fn drop_holed(&mut self) -> Option<Wire> {
        match self.holed {
            true => self.lose_link(),
            false => None,
        }
    }

    /// Passes on at most `most` commands, as far as they may go.
    pub(crate) fn pump(&mut self, may: May, most: usize) {
        for _ in 0..most {
            let sends = may == May::Send && self.link.is_some();
            if self.blocked || (may != May::Refuse && !sends) || self.phase == Phase::Ended {
                return;
            }
            if let Some(item) = self.backlog.pop_front() {
                self.take_back(item, sends);
            } else if let Some((command, held)) = self.waiting.pop_front() {
                self.pass_on(command, held, sends);
            } else {
                return;
            }
        }
    }

    /// So many of the parts that were written arrive at the node.
    pub(crate) fn arrive(&mut self, node: &mut Node, parts: usize) {
        if let Some(link) = &mut self.link {
            link.wire.arrive(node, parts);
        }
    }
}
