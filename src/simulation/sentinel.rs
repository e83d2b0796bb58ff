//! A Sentinel: what it answers to discovery, and whom it tells of events. What it knows and when is
//! `cluster`'s business.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::ledger::Ledger;
use super::words::{bulk, bulks, take_command};
use crate::net::Transport;

/// Sentinels that must agree.
const QUORUM: &str = "2";
pub(super) const NAME: &str = "mymaster";

/// What it knows.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// What it names when asked for the address.
    pub(super) named: SocketAddr,
    /// What `MASTER` shows, which on a leader is the old address for a second longer.
    pub(super) shown: SocketAddr,
    pub(super) epoch: u64,
    pub(super) flags: String,
    pub(super) state: &'static str,
}

struct Subscriber {
    channels: Vec<String>,
    push: mpsc::UnboundedSender<Vec<u8>>,
}

/// One Sentinel.
pub(super) struct Sentinel {
    pub(super) index: usize,
    pub(super) address: SocketAddr,
    pub(super) view: RefCell<View>,
    /// Its neighbours, and the nodes it would list.
    peers: Vec<SocketAddr>,
    nodes: Vec<SocketAddr>,
    subscribers: RefCell<BTreeMap<u64, Subscriber>>,
    served: Cell<u64>,
    ledger: Rc<Ledger>,
}

impl Sentinel {
    pub(super) fn start(
        index: usize,
        addresses: &[SocketAddr],
        nodes: &[SocketAddr],
        ledger: &Rc<Ledger>,
    ) -> Rc<Self> {
        let address = addresses[index];
        let view = View {
            named: nodes[0],
            shown: nodes[0],
            epoch: 1,
            flags: "master".to_owned(),
            state: "",
        };
        let peers = addresses.iter().filter(|peer| **peer != address);
        let sentinel = Rc::new(Self {
            index,
            address,
            view: RefCell::new(view),
            peers: peers.copied().collect(),
            nodes: nodes.to_vec(),
            subscribers: RefCell::default(),
            served: Cell::new(0),
            ledger: ledger.clone(),
        });
        let mut incoming = ledger.network.listen(address);
        let acceptor = sentinel.clone();
        spawn_local(async move {
            while let Some(end) = incoming.recv().await {
                spawn_local(acceptor.clone().serve(Transport::Simulated(end)));
            }
        });
        sentinel
    }

    async fn serve(self: Rc<Self>, mut stream: Transport) {
        let id = self.served.get() + 1;
        self.served.set(id);
        let (push, mut pushes) = mpsc::unbounded_channel();
        let channels = Vec::new();
        self.subscribers
            .borrow_mut()
            .insert(id, Subscriber { channels, push });
        let mut input = Vec::new();
        let mut output = Vec::new();
        loop {
            while let Some(args) = take_command(&mut input) {
                output.extend(self.answer(id, &args));
            }
            if stream.write_all(&output).await.is_err() {
                break;
            }
            output.clear();
            tokio::select! {
                biased;
                Some(pushed) = pushes.recv() => output.extend(pushed),
                read = stream.read_buf(&mut input) => {
                    if !matches!(read, Ok(1..)) {
                        break;
                    }
                }
            }
        }
        self.subscribers.borrow_mut().remove(&id);
    }

    fn answer(&self, id: u64, args: &[Vec<u8>]) -> Vec<u8> {
        let words: Vec<_> = args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg))
            .collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let view = self.view.borrow();
        match words.as_slice() {
            ["PING"] => b"+PONG\r\n".to_vec(),
            ["SENTINEL", "MYID"] => bulk(&run_id(self.address)),
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", _] => {
                bulks(&[&view.named.ip().to_string(), &view.named.port().to_string()])
            }
            ["SENTINEL", "MASTER", _] => self.master(&view),
            ["SENTINEL", "SENTINELS", _] => list(&self.peers),
            ["SENTINEL", "REPLICAS", _] => {
                let others: Vec<_> = self
                    .nodes
                    .iter()
                    .filter(|node| **node != view.shown)
                    .copied()
                    .collect();
                list(&others)
            }
            ["SUBSCRIBE", channel] => self.subscribe(id, channel),
            _ => b"+OK\r\n".to_vec(),
        }
    }

    fn master(&self, view: &View) -> Vec<u8> {
        let (ip, port) = (view.shown.ip().to_string(), view.shown.port().to_string());
        let epoch = view.epoch.to_string();
        let peers = self.peers.len().to_string();
        bulks(&[
            "name",
            NAME,
            "ip",
            &ip,
            "port",
            &port,
            "flags",
            &view.flags,
            "failover-state",
            view.state,
            "config-epoch",
            &epoch,
            "num-other-sentinels",
            &peers,
            "quorum",
            QUORUM,
            "down-after-milliseconds",
            "1000",
        ])
    }

    fn subscribe(&self, id: u64, channel: &str) -> Vec<u8> {
        let mut subscribers = self.subscribers.borrow_mut();
        let Some(subscriber) = subscribers.get_mut(&id) else {
            return Vec::new();
        };
        subscriber.channels.push(channel.to_owned());
        let count = subscriber.channels.len();
        let mut confirmation = b"*3\r\n$9\r\nsubscribe\r\n".to_vec();
        confirmation.extend(bulk(channel));
        confirmation.extend(format!(":{count}\r\n").into_bytes());
        confirmation
    }

    /// Tells whoever has subscribed.
    pub(super) fn publish(&self, channel: &str, payload: &str) {
        self.ledger
            .tell(format!("sentinel {}: {channel} {payload}", self.index));
        for subscriber in self.subscribers.borrow().values() {
            if subscriber.channels.iter().any(|known| known == channel) {
                let _ = subscriber.push.send(bulks(&["message", channel, payload]));
            }
        }
    }
}

fn run_id(address: SocketAddr) -> String {
    format!("{:040x}", address.port())
}

fn list(addresses: &[SocketAddr]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", addresses.len()).into_bytes();
    for address in addresses {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let name = run_id(*address);
        out.extend(bulks(&[
            "name", &name, "ip", &ip, "port", &port, "runid", &name,
        ]));
    }
    out
}
