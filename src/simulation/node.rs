//! A data node: its role, its clients, and what becomes of both in a failover. What its commands do
//! is in `commands`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep_until};

use super::commands::Conversation;
use super::data::Data;
use super::end::End;
use super::ledger::Ledger;
use super::wire::Door;
use super::words::take_command;
use crate::net::Transport;

/// A client that waits for a list.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) client: u64,
    pub(super) list: String,
    pub(super) token: u64,
    pub(super) key: String,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    task: Option<AbortHandle>,
    pub(super) push: mpsc::UnboundedSender<Vec<u8>>,
    pub(super) channels: Vec<String>,
}

/// A data node.
pub(super) struct Node {
    pub(super) index: usize,
    pub(super) address: SocketAddr,
    pub(super) ledger: Rc<Ledger>,
    pub(super) data: RefCell<Data>,
    pub(super) is_primary: Cell<bool>,
    /// Whom it follows while it is a replica.
    pub(super) leader: Cell<usize>,
    pub(super) alive: Cell<bool>,
    frozen: Cell<bool>,
    thawed: Notify,
    pub(super) lag: Duration,
    /// Counts its processes.
    pub(super) run: Cell<u64>,
    pub(super) clients: RefCell<BTreeMap<u64, Client>>,
    pub(super) waiting: RefCell<VecDeque<Waiting>>,
    served: Cell<u64>,
}

impl Node {
    pub(super) fn start(
        index: usize,
        address: SocketAddr,
        ledger: &Rc<Ledger>,
        lag: Duration,
    ) -> Rc<Self> {
        let node = Rc::new(Self {
            index,
            address,
            ledger: ledger.clone(),
            data: RefCell::default(),
            is_primary: Cell::new(index == 0),
            leader: Cell::new(0),
            alive: Cell::new(true),
            frozen: Cell::new(false),
            thawed: Notify::new(),
            lag,
            run: Cell::new(1),
            clients: RefCell::default(),
            waiting: RefCell::default(),
            served: Cell::new(0),
        });
        let mut incoming = ledger.network.listen(address);
        let acceptor = node.clone();
        spawn_local(async move {
            while let Some(end) = incoming.recv().await {
                acceptor.accept(end);
            }
        });
        node
    }

    fn accept(self: &Rc<Self>, end: End) {
        let id = self.served.get() + 1;
        self.served.set(id);
        let (push, pushes) = mpsc::unbounded_channel();
        let client = Client {
            task: None,
            push,
            channels: Vec::new(),
        };
        self.clients.borrow_mut().insert(id, client);
        let serving = self.clone().serve(id, Transport::Simulated(end), pushes);
        let task = spawn_local(serving).abort_handle();
        if let Some(client) = self.clients.borrow_mut().get_mut(&id) {
            client.task = Some(task);
        }
    }

    async fn serve(
        self: Rc<Self>,
        id: u64,
        mut stream: Transport,
        mut pushes: mpsc::UnboundedReceiver<Vec<u8>>,
    ) {
        let mut input = Vec::new();
        let mut output = Vec::new();
        let mut conversation = Conversation::new(id);
        loop {
            self.while_frozen().await;
            while conversation.blocked.is_none()
                && let Some(args) = take_command(&mut input)
            {
                self.command(&mut conversation, &args, &mut output);
            }
            if stream.write_all(&output).await.is_err() {
                break;
            }
            output.clear();
            let until = conversation.blocked;
            tokio::select! {
                biased;
                Some(pushed) = pushes.recv() => {
                    output.extend(pushed);
                    conversation.blocked = None;
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    self.while_frozen().await;
                    if self.stop_waiting(id) {
                        output.extend(b"*-1\r\n");
                        conversation.blocked = None;
                    } else if let Some(pushed) = pushes.recv().await {
                        output.extend(pushed);
                        conversation.blocked = None;
                    }
                }
                read = stream.read_buf(&mut input) => {
                    if !matches!(read, Ok(1..)) {
                        break;
                    }
                }
            }
        }
        self.while_frozen().await;
        self.stop_waiting(id);
        self.clients.borrow_mut().remove(&id);
    }

    async fn while_frozen(&self) {
        while self.frozen.get() {
            self.thawed.notified().await;
        }
    }

    /// Whether this client was waiting for a list.
    pub(super) fn stop_waiting(&self, client: u64) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.len();
        waiting.retain(|one| one.client != client);
        waiting.len() < before
    }

    pub(super) fn serves(&self) -> bool {
        self.alive.get() && !self.frozen.get()
    }

    /// CLIENT KILL, of all.
    pub(super) fn kill_clients(&self) {
        self.waiting.borrow_mut().clear();
        let clients = std::mem::take(&mut *self.clients.borrow_mut());
        for task in clients.into_values().filter_map(|client| client.task) {
            task.abort();
        }
    }

    /// Follows what it has received so far, and becomes a primary.
    pub(super) fn promote(&self, leader: &Self) {
        self.catch_up(leader);
        self.is_primary.set(true);
        self.ledger.tell(format!("node {} is promoted", self.index));
        self.kill_clients();
    }

    /// Becomes a replica of `leader`, or of another one.
    pub(super) fn demote(&self, former: Option<&Self>, leader: &Self) {
        if let Some(former) =
            former.filter(|former| !self.is_primary.get() && former.index != self.index)
        {
            self.catch_up(former);
        }
        self.is_primary.set(false);
        self.leader.set(leader.index);
        self.ledger
            .tell(format!("node {} follows {}", self.index, leader.index));
        self.kill_clients();
    }

    fn catch_up(&self, leader: &Self) {
        let leader = leader.data.borrow();
        self.data.borrow_mut().follow(&leader, self.lag);
    }

    pub(super) fn crash(&self) {
        self.alive.set(false);
        self.ledger.network.kill(self.address);
        self.kill_clients();
    }

    /// Starts again with all it had, as what it was.
    pub(super) fn restart(&self) {
        self.run.set(self.run.get() + 1);
        self.alive.set(true);
        self.ledger.network.set_door(self.address, Door::Open);
    }

    pub(super) fn freeze(&self) {
        self.frozen.set(true);
    }

    pub(super) fn thaw(&self) {
        self.frozen.set(false);
        self.thawed.notify_waiters();
    }
}
