//! All servers, and what Sentinels do to them in a failover, with the timing of real ones
//! (sentinel-facts.md sections 1.1 to 1.3, where measured milliseconds are).

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::sleep;

use super::ledger::Ledger;
use super::node::Node;
use super::sentinel::{NAME, Sentinel};

pub(super) const NODES: usize = 3;
pub(super) const SENTINELS: usize = 3;

/// How a failover goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Whole,
    /// Given up before anybody is promoted.
    Aborted,
    /// The leader dies when the replica is promoted and nobody has been told.
    LeaderDies,
}

/// The servers.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Rc<Node>>,
    pub(super) sentinels: Vec<Rc<Sentinel>>,
    pub(super) ledger: Rc<Ledger>,
    /// The node that Sentinels will name in the end.
    pub(super) primary: Cell<usize>,
    epoch: Cell<u64>,
    /// A failover is under way.
    pub(super) busy: Cell<bool>,
}

impl Cluster {
    pub(super) fn start(ledger: &Rc<Ledger>) -> Rc<Self> {
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        let addresses =
            |first: u16, count: usize| -> Vec<_> { (first..).take(count).map(at).collect() };
        let (data, sentinels) = (addresses(7000, NODES), addresses(26379, SENTINELS));
        ledger.network.lock().wiretap.nodes.clone_from(&data);
        let start_node = |index| {
            let lag = Duration::from_millis(ledger.within(0, 20));
            Node::start(index, data[index], ledger, lag)
        };
        let start_sentinel = |index| Sentinel::start(index, &sentinels, &data, ledger);
        Rc::new(Self {
            nodes: (0..NODES).map(start_node).collect(),
            sentinels: (0..SENTINELS).map(start_sentinel).collect(),
            ledger: ledger.clone(),
            primary: Cell::new(0),
            epoch: Cell::new(1),
            busy: Cell::new(false),
        })
    }

    pub(super) fn primary(&self) -> Rc<Node> {
        self.nodes[self.primary.get()].clone()
    }

    fn payload(&self, old: &Node) -> String {
        format!("master {NAME} {} {}", old.address.ip(), old.address.port())
    }

    fn replica_payload(&self, replica: &Node, old: &Node) -> String {
        let (at, of) = (replica.address, old.address);
        format!(
            "slave {at} {} {} @ {NAME} {} {}",
            at.ip(),
            at.port(),
            of.ip(),
            of.port()
        )
    }

    /// Each Sentinel finds the primary down; one leads what follows.
    pub(super) async fn notice_down(self: &Rc<Self>) {
        let old = self.primary();
        for sentinel in &self.sentinels {
            self.ledger.pause(0, 40).await;
            sentinel.view.borrow_mut().flags = "master,s_down".to_owned();
            sentinel.publish("+sdown", &self.payload(&old));
        }
        self.ledger.pause(10, 60).await;
    }

    pub(super) fn notice_up(&self) {
        for sentinel in &self.sentinels {
            let mut view = sentinel.view.borrow_mut();
            if view.flags != "master" {
                view.flags = "master".to_owned();
                drop(view);
                sentinel.publish("-sdown", &self.payload(&self.primary()));
            }
        }
    }

    /// A failover, led by `leader`. Ends when all but the demotion of the old primary is done.
    pub(super) async fn fail_over(self: &Rc<Self>, leader: usize, course: Course) {
        if self.busy.replace(true) {
            return;
        }
        let old = self.primary();
        let lead = self.sentinels[leader].clone();
        let down = !old.serves();
        let trouble = if down { ",s_down,o_down" } else { "" };
        lead.view.borrow_mut().flags = format!("master{trouble},failover_in_progress");
        if down {
            lead.publish("+odown", &format!("{} #quorum 2/2", self.payload(&old)));
        }
        lead.publish("+try-failover", &self.payload(&old));
        self.ledger.pause(1, 60).await;
        lead.publish("+elected-leader", &self.payload(&old));
        lead.publish("+failover-state-select-slave", &self.payload(&old));
        self.ledger.pause(30, 100).await;
        let replica = self.candidate();
        match replica.filter(|_| course != Course::Aborted) {
            None => {
                lead.publish("-failover-abort-no-good-slave", &self.payload(&old));
                lead.view.borrow_mut().flags = format!("master{trouble}");
            }
            Some(new) => self.replace(&old, &new, &lead, course).await,
        }
        self.busy.set(false);
    }

    fn candidate(&self) -> Option<Rc<Node>> {
        let usable = |node: &&Rc<Node>| node.serves() && !node.is_primary.get();
        let all: Vec<_> = self.nodes.iter().filter(usable).collect();
        let chosen = self.ledger.chance.borrow_mut().index(all.len().max(1));
        all.get(chosen).map(|node| (*node).clone())
    }

    async fn replace(
        self: &Rc<Self>,
        old: &Rc<Node>,
        new: &Rc<Node>,
        lead: &Rc<Sentinel>,
        course: Course,
    ) {
        let about = self.replica_payload(new, old);
        lead.publish("+selected-slave", &about);
        lead.publish("+failover-state-send-slaveof-noone", &about);
        self.ledger.pause(50, 90).await;
        lead.publish("+failover-state-wait-promotion", &about);
        self.ledger.pause(5, 15).await;
        new.promote(&self.nodes[new.leader.get()]);
        if course == Course::LeaderDies {
            return self.lose_leader(new, lead).await;
        }
        self.ledger.pause(800, 950).await;
        self.epoch.set(self.epoch.get() + 1);
        self.primary.set(new.index);
        lead.name(new, self.epoch.get());
        lead.publish("+promoted-slave", &about);
        lead.publish("+failover-state-reconf-slaves", &self.payload(old));
        self.spread(old, new, lead);
        self.ledger.pause(900, 1_100).await;
        lead.conclude(new);
        lead.publish("+failover-end", &self.payload(old));
        lead.publish("+switch-master", &switch(old, new));
    }

    /// The other Sentinels and nodes learn of it, each when it does.
    fn spread(self: &Rc<Self>, old: &Rc<Node>, new: &Rc<Node>, lead: &Rc<Sentinel>) {
        for sentinel in self.sentinels.iter().filter(|one| one.index != lead.index) {
            let (cluster, sentinel) = (self.clone(), sentinel.clone());
            let (old, new, epoch) = (old.clone(), new.clone(), self.epoch.get());
            spawn_local(async move {
                let late = cluster.ledger.chance.borrow_mut().once_in(4);
                cluster
                    .ledger
                    .pause(50, if late { 4_000 } else { 130 })
                    .await;
                sentinel.hear(&old, &new, epoch);
            });
        }
        for node in &self.nodes {
            if node.index == new.index {
                continue;
            }
            let is_old = node.index == old.index;
            let (cluster, node, former, new) =
                (self.clone(), node.clone(), old.clone(), new.clone());
            let epoch = self.epoch.get();
            spawn_local(async move {
                let (from, to) = if is_old { (500, 9_000) } else { (80, 1_000) };
                cluster.ledger.pause(from, to).await;
                while !node.serves() {
                    sleep(Duration::from_millis(100)).await;
                    if node.serves() {
                        cluster.ledger.pause(500, 9_000).await;
                    }
                }
                // A later failover may have made it the primary meanwhile, or need it elsewhere.
                if node.is_primary.get() && !is_old {
                    return;
                }
                if cluster.epoch.get() == epoch {
                    node.demote(Some(&former), &new);
                } else if node.index != cluster.primary.get() {
                    node.demote(None, &cluster.primary());
                }
            });
        }
    }

    /// The replica was promoted in vain: another Sentinel begins anew, later.
    async fn lose_leader(self: &Rc<Self>, new: &Rc<Node>, lead: &Rc<Sentinel>) {
        self.ledger.tell(format!("sentinel {} dies", lead.index));
        self.ledger.network.kill(lead.address);
        lead.view.borrow_mut().flags = "master".to_owned();
        self.ledger.pause(3_000, 6_000).await;
        // What calls itself a primary and is none is turned back.
        new.demote(None, &self.primary());
        self.ledger
            .network
            .set_door(lead.address, super::wire::Door::Open);
    }
}

impl Sentinel {
    /// As the leader it names the new primary, but goes on to show the old one.
    fn name(&self, new: &Node, epoch: u64) {
        let mut view = self.view.borrow_mut();
        view.named = new.address;
        view.epoch = epoch;
        view.state = "reconf_slaves";
    }

    fn conclude(&self, new: &Node) {
        let mut view = self.view.borrow_mut();
        view.shown = new.address;
        view.state = "";
        view.flags = "master".to_owned();
    }

    /// A hello told it of the new primary.
    fn hear(&self, old: &Node, new: &Node, epoch: u64) {
        let mut view = self.view.borrow_mut();
        if view.epoch >= epoch {
            return;
        }
        view.named = new.address;
        view.shown = new.address;
        view.epoch = epoch;
        view.flags = "master".to_owned();
        drop(view);
        let (ip, port) = (old.address.ip(), old.address.port());
        let told = format!("sentinel ab 10.0.0.9 26379 @ {NAME} {ip} {port}");
        self.publish("+config-update-from", &told);
        self.publish("+switch-master", &switch(old, new));
    }
}

fn switch(old: &Node, new: &Node) -> String {
    let (from, to) = (old.address, new.address);
    format!(
        "{NAME} {} {} {} {}",
        from.ip(),
        from.port(),
        to.ip(),
        to.port()
    )
}
