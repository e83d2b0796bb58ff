//! What goes wrong in a story, and when: failovers of every kind, one after the other, and small
//! mishaps at any time beside them.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::sleep;

use super::cluster::{Cluster, Course, NODES, SENTINELS};
use super::pausing::Pauses;
use super::wire::Door;

/// When small mishaps happen, in milliseconds.
const MISHAPS: (u64, u64) = (400, 7_000);
const MISHAPS_MAX: u64 = 7;

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// The primary always lives, and its replicas keep up: nothing acknowledged may be missing.
    Gentle,
    /// Anything.
    Harsh,
}

/// The plan of one story.
pub(super) struct Faults {
    cluster: Rc<Cluster>,
    pauses: Pauses,
    temper: Temper,
}

impl Faults {
    pub(super) fn new(cluster: &Rc<Cluster>, pauses: Pauses, temper: Temper) -> Self {
        Self {
            cluster: cluster.clone(),
            pauses,
            temper,
        }
    }

    /// Everything that goes wrong; ends when it is over.
    pub(super) async fn happen(self) {
        let faults = Rc::new(self);
        let count = faults.cluster.ledger.within(0, MISHAPS_MAX);
        let mut mishaps = Vec::new();
        for _ in 0..count {
            let at = faults.cluster.ledger.within(MISHAPS.0, MISHAPS.1);
            let faults = faults.clone();
            mishaps.push(spawn_local(async move {
                sleep(Duration::from_millis(at)).await;
                faults.mishap().await;
            }));
        }
        for _ in 0..faults.cluster.ledger.within(1, 3) {
            faults.cluster.ledger.pause(800, 2_500).await;
            faults.failover().await;
        }
        for mishap in mishaps {
            let _ = mishap.await;
        }
    }

    async fn failover(&self) {
        let (cluster, ledger) = (&self.cluster, &self.cluster.ledger);
        let leader = ledger.chance.borrow_mut().index(SENTINELS);
        let kind = match self.temper {
            Temper::Gentle => ledger.within(0, 3),
            Temper::Harsh => ledger.within(0, 8),
        };
        match kind {
            0 | 1 => {
                ledger.fault(format!("planned failover, led by {leader}"));
                cluster.fail_over(leader, Course::Whole).await;
            }
            2 => {
                ledger.fault(format!("failover given up, led by {leader}"));
                cluster.fail_over(leader, Course::Aborted).await;
            }
            3 => {
                ledger.fault(format!("failover whose leader {leader} dies"));
                cluster.fail_over(leader, Course::LeaderDies).await;
            }
            4 | 5 => self.crash(leader).await,
            _ => self.freeze(leader).await,
        }
    }

    async fn crash(&self, leader: usize) {
        let (cluster, ledger) = (&self.cluster, &self.cluster.ledger);
        let old = cluster.primary();
        ledger.fault(format!("crash of node {}", old.index));
        old.crash();
        let back = Duration::from_millis(ledger.within(100, 8_000));
        let (node, story) = (old.clone(), ledger.clone());
        let restart = spawn_local(async move {
            sleep(back).await;
            story.tell(format!("node {} is back", node.index));
            node.restart();
        });
        self.after_silence(leader).await;
        let _ = restart.await;
    }

    async fn freeze(&self, leader: usize) {
        let (cluster, ledger) = (&self.cluster, &self.cluster.ledger);
        let old = cluster.primary();
        ledger.fault(format!("freeze of node {}", old.index));
        old.freeze();
        let back = Duration::from_millis(ledger.within(100, 6_000));
        let (node, story) = (old.clone(), ledger.clone());
        let wake = spawn_local(async move {
            sleep(back).await;
            story.tell(format!("node {} wakes", node.index));
            node.thaw();
        });
        self.after_silence(leader).await;
        let _ = wake.await;
    }

    /// Sentinels act when the primary has been silent for down-after.
    async fn after_silence(&self, leader: usize) {
        self.cluster.ledger.pause(1_000, 1_300).await;
        if self.cluster.primary().serves() {
            return;
        }
        self.cluster.notice_down().await;
        self.cluster.fail_over(leader, Course::Whole).await;
        self.cluster.notice_up();
    }

    async fn mishap(&self) {
        let (cluster, ledger) = (&self.cluster, &self.cluster.ledger);
        let kind = match self.temper {
            Temper::Gentle => ledger.within(0, 6),
            Temper::Harsh => ledger.within(0, 9),
        };
        match kind {
            0..=2 => self.cut_link(),
            3 => {
                let node = cluster.primary();
                ledger.fault(format!("CLIENT KILL at node {}", node.index));
                node.kill_clients();
            }
            4 => self.slow_link(),
            5 => self.pauses.pause_one(ledger).await,
            6 => self.lose_sentinel().await,
            7 => self.cut_off_sentinel().await,
            _ => self.cut_off_node().await,
        }
    }

    fn cut_link(&self) {
        let ledger = &self.cluster.ledger;
        let links = ledger.network.to(self.cluster.primary().address);
        let mut chance = ledger.chance.borrow_mut();
        let Some(link) = links.get(chance.index(links.len().max(1))) else {
            return;
        };
        let (side, bytes) = (chance.index(2), chance.index(120));
        drop(chance);
        ledger.fault(format!(
            "connection {link} breaks after {bytes} bytes, side {side}"
        ));
        ledger.network.cut_after(*link, side, bytes);
    }

    fn slow_link(&self) {
        let ledger = &self.cluster.ledger;
        let links = ledger.network.to(self.cluster.primary().address);
        let mut chance = ledger.chance.borrow_mut();
        let delay = match self.temper {
            Temper::Gentle => chance.millis(5, 30),
            Temper::Harsh => chance.millis(5, 200),
        };
        let Some(link) = links.get(chance.index(links.len().max(1))) else {
            return;
        };
        drop(chance);
        ledger.fault(format!("connection {link} slows down to {delay:?}"));
        ledger.network.slow_down(*link, delay);
    }

    /// Its process ends, and is started again.
    async fn lose_sentinel(&self) {
        let ledger = &self.cluster.ledger;
        let lost = ledger.chance.borrow_mut().index(SENTINELS);
        let address = self.cluster.sentinels[lost].address;
        ledger.fault(format!("sentinel {lost} is gone"));
        ledger.network.kill(address);
        ledger.pause(300, 4_000).await;
        ledger.network.set_door(address, Door::Open);
    }

    /// Nothing passes for a while; what was under way comes late.
    async fn cut_off_sentinel(&self) {
        let ledger = &self.cluster.ledger;
        let lost = ledger.chance.borrow_mut().index(SENTINELS);
        let address = self.cluster.sentinels[lost].address;
        ledger.fault(format!("sentinel {lost} is cut off"));
        ledger.network.cut_off(address, true);
        ledger.pause(300, 5_000).await;
        ledger.tell(format!("sentinel {lost} is reached again"));
        ledger.network.cut_off(address, false);
    }

    async fn cut_off_node(&self) {
        let ledger = &self.cluster.ledger;
        let node = &self.cluster.nodes[ledger.chance.borrow_mut().index(NODES)];
        ledger.fault(format!("node {} is cut off", node.index));
        ledger.network.cut_off(node.address, true);
        ledger.pause(200, 3_000).await;
        ledger.tell(format!("node {} is reached again", node.index));
        let door = if node.alive.get() {
            Door::Open
        } else {
            Door::Refusing
        };
        ledger.network.cut_off(node.address, false);
        ledger.network.set_door(node.address, door);
    }
}
