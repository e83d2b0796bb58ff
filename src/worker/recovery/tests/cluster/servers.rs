//! The servers' side of the simulation: three data nodes that replicate, three Sentinels with a view
//! each, and what a failover does to them, step by step (timelines: sentinel-facts.md section 1).

use super::super::server::{Id, Node, Role};
use super::chance::Chance;
use crate::discovery::election::{Claim, Millis, Says};
use crate::discovery::event::{Event, Kind};
use crate::net::HostPort;

pub(super) const NODES: usize = 3;
pub(super) const SENTINELS: usize = 3;
/// What a replica may lack of what its primary has executed.
const LAG: Millis = 20;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Planned,
    Crash,
    /// The primary stands still for so long.
    Freeze(Millis),
    /// A planned failover that comes to nothing after so long.
    Abort(Millis),
}

/// One step of what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The primary dies, or stands still.
    Down { frozen: bool },
    /// It goes on.
    Wakes,
    /// A Sentinel leads a failover: it says so when asked, and to its subscribers.
    Leads,
    /// The leader gave it up.
    GivesUp,
    /// The chosen replica becomes a primary.
    Promoted,
    /// This Sentinel names it.
    Names(usize),
    /// The old primary becomes a replica.
    Demoted,
}

/// A data node and what it holds.
pub(super) struct Data {
    pub(super) node: Node,
    pub(super) answers: bool,
    pub(super) frozen: bool,
    /// Writes it holds, and when each was executed or received.
    pub(super) holds: Vec<(Id, Millis)>,
    seen: usize,
}

/// One Sentinel.
pub(super) struct Sentinel {
    pub(super) view: (usize, u64),
    pub(super) in_trouble: bool,
}

pub(super) struct Servers {
    pub(super) nodes: Vec<Data>,
    pub(super) sentinels: Vec<Sentinel>,
    pub(super) old: usize,
    pub(super) new: usize,
    pub(super) leader: usize,
    /// The leader has begun and not ended.
    pub(super) leading: bool,
    pub(super) promoted: bool,
}

pub(super) fn address(node: usize) -> HostPort {
    HostPort::new("10.0.0.1", u16::try_from(7000 + node).unwrap_or(0))
}

impl Servers {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let data = |index| Data {
            node: Node {
                role: if index == 0 {
                    Role::Primary
                } else {
                    Role::Replica
                },
                ..Node::primary()
            },
            answers: true,
            frozen: false,
            holds: Vec::new(),
            seen: 0,
        };
        let sentinel = |_| Sentinel {
            view: (0, 1),
            in_trouble: false,
        };
        Self {
            nodes: (0..NODES).map(data).collect(),
            sentinels: (0..SENTINELS).map(sentinel).collect(),
            old: 0,
            new: 1 + chance.index(NODES - 1),
            leader: chance.index(SENTINELS),
            leading: false,
            promoted: false,
        }
    }

    /// When each step of `fault` comes.
    pub(super) fn plan(&self, fault: Fault, chance: &mut Chance) -> Vec<(Millis, Turn)> {
        let start = chance.within(700, 1_200);
        let (leads, mut turns) = match fault {
            Fault::Planned | Fault::Abort(_) => (start, Vec::new()),
            Fault::Crash => (
                start + chance.within(1_000, 1_400),
                vec![(start, Turn::Down { frozen: false })],
            ),
            Fault::Freeze(wakes) => (
                start + chance.within(1_000, 1_400),
                vec![
                    (start, Turn::Down { frozen: true }),
                    (start + wakes, Turn::Wakes),
                ],
            ),
        };
        match fault {
            Fault::Freeze(wakes) if start + wakes < leads => return turns,
            Fault::Abort(after) => {
                return vec![(start, Turn::Leads), (start + after, Turn::GivesUp)];
            }
            _ => {}
        }
        let promoted = leads + chance.within(350, 500);
        let named = promoted + chance.within(50, 1_000);
        turns.extend([(leads, Turn::Leads), (promoted, Turn::Promoted)]);
        for sentinel in 0..SENTINELS {
            let later = match sentinel == self.leader {
                true => 0,
                false => chance.within(1, 4_500),
            };
            turns.push((named + later, Turn::Names(sentinel)));
        }
        let wakes = match fault {
            Fault::Freeze(wakes) => start + wakes,
            _ => named,
        };
        let demoted = named.max(wakes) + chance.within(10, 3_000);
        if fault != Fault::Crash {
            turns.push((demoted, Turn::Demoted));
        }
        turns
    }

    /// Carries a step out; what subscribers of which Sentinel hear of it.
    pub(super) fn turn(&mut self, turn: Turn, now: Millis) -> Option<(usize, Event)> {
        let (old, new, leader) = (self.old, self.new, self.leader);
        match turn {
            Turn::Down { frozen } => {
                self.nodes[old].answers = false;
                self.nodes[old].frozen = frozen;
            }
            Turn::Wakes => self.nodes[old].answers = true,
            Turn::Leads => {
                self.leading = true;
                self.sentinels[leader].in_trouble = true;
                return Some((leader, self.event(Kind::Step, "+try-failover")));
            }
            Turn::GivesUp => {
                self.leading = false;
                self.sentinels[leader].in_trouble = false;
                return Some((
                    leader,
                    self.event(Kind::Aborted, "-failover-abort-no-good-slave"),
                ));
            }
            Turn::Promoted => {
                self.settle(now);
                let copy = self.nodes[old].holds.iter();
                let received = copy.filter(|(_, at)| at + LAG <= now).copied().collect();
                self.nodes[new].holds = received;
                self.nodes[new].node.role = Role::Primary;
                self.promoted = true;
            }
            Turn::Names(sentinel) => {
                self.sentinels[sentinel].view = (new, 2);
                self.sentinels[sentinel].in_trouble = false;
                self.leading &= sentinel != leader;
                return Some((sentinel, self.event(Kind::Done, "+switch-master")));
            }
            Turn::Demoted => {
                self.settle(now);
                self.nodes[old].node.role = Role::Replica;
            }
        }
        None
    }

    fn event(&self, kind: Kind, channel: &'static str) -> Event {
        Event {
            kind,
            channel,
            about: Some(address(self.old)),
            candidate: None,
        }
    }

    /// Takes note of what was executed since the last time.
    pub(super) fn settle(&mut self, now: Millis) {
        for data in &mut self.nodes {
            let fresh = data.node.effects.get(data.seen..).unwrap_or_default();
            data.holds
                .extend(fresh.iter().map(|effect| (effect.id, now)));
            data.seen = data.node.effects.len();
        }
    }

    pub(super) fn claim(&self, sentinel: usize) -> Claim {
        let (node, epoch) = self.sentinels[sentinel].view;
        Claim {
            address: address(node),
            epoch,
        }
    }

    /// What a node says of itself, if it answers at all.
    pub(super) fn says(&self, node: usize) -> Says {
        let data = &self.nodes[node];
        match data.node.role {
            _ if !data.answers => Says::Nothing,
            Role::Primary => Says::Master,
            Role::Replica => Says::Replica,
            Role::Loading => Says::Nothing,
        }
    }

    /// The one that all Sentinels will name in the end.
    pub(super) fn primary(&self) -> usize {
        if self.promoted { self.new } else { self.old }
    }
}
