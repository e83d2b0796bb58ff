//! A deployment of real servers: one primary, its replicas, their Sentinels.
//!
//! Everything listens on loopback, lives in a directory of its own and dies with its [`Bed`].

mod binary;
mod config;
mod node;
mod panics;
mod ports;
mod process;
mod recorder;
mod stall;
mod wait;

pub(crate) use node::{Node, with_hosts};
pub(crate) use ports::free_port;
pub(crate) use process::Process;
pub(crate) use recorder::Recorder;
pub(crate) use stall::{Start, withheld_since};
pub(crate) use wait::{eventually, holds_for, wait_until};

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use binary::server_binary;
pub(crate) use binary::{server_name, speaks_tls, valkey_9};
pub(crate) use config::Builder;
use node::Kind;
use ports::Permit;

use crate::value::Value;

/// Tries to start a bed when another process takes a port first.
const TRIES: usize = 3;
/// A Sentinel that was kept from running for two seconds does nothing for thirty, unless told that only
/// more is too long.
const NO_TILT: [&str; 4] = ["SENTINEL", "DEBUG", "tilt-trigger", "60000"];
/// How long a bed may take to be whole.
const WHOLE_LIMIT: Duration = Duration::from_secs(60);
/// How long a failover may take: several attempts, because Sentinels that split their votes try again
/// only after twice the failover-timeout.
pub(crate) const FAILOVER_LIMIT: Duration = Duration::from_secs(90);

/// One running deployment.
pub(crate) struct Bed {
    servers: Vec<Node>,
    sentinels: Vec<Node>,
    name: String,
    dir: TempDir,
    _permit: Permit,
}

impl Bed {
    /// A bed of one primary, two replicas and three Sentinels, unless told otherwise.
    pub(crate) fn builder() -> Builder {
        Builder::new()
    }

    /// The usual bed.
    #[track_caller]
    pub(crate) fn usual() -> Self {
        Self::builder().start()
    }

    /// One server and one Sentinel that fails nothing over: for what a failover has no part in.
    #[track_caller]
    pub(crate) fn lonely() -> Self {
        Self::builder()
            .replicas(0)
            .sentinels(1)
            .down_after(60_000)
            .start()
    }

    /// Two beds of one test.
    #[track_caller]
    pub(crate) fn pair(first: Builder, second: Builder) -> [Self; 2] {
        let [one, other] = Permit::take_two();
        [
            Self::start_with(first, one),
            Self::start_with(second, other),
        ]
    }

    #[track_caller]
    fn start(wish: Builder) -> Self {
        let permit = if wish.alone {
            Permit::take_all()
        } else {
            Permit::take()
        };
        Self::start_with(wish, permit)
    }

    #[track_caller]
    fn start_with(wish: Builder, permit: Permit) -> Self {
        let take = if wish.alone {
            Permit::take_all
        } else {
            Permit::take
        };
        let mut permit = Some(permit);
        stall::watch();
        panics::tell_at_once();
        let mut trouble = None;
        for _ in 0..TRIES {
            let bed = Self::lay_out(&wish, permit.take().unwrap_or_else(take)).unwrap();
            match bed.bring_up() {
                Ok(()) => {
                    bed.wait_whole();
                    return bed;
                }
                Err(error) => trouble = Some(error),
            }
        }
        panic!("the bed does not start: {trouble:?}");
    }

    fn lay_out(wish: &Builder, permit: Permit) -> io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("steadfast-bed-")
            .tempdir()?;
        let binary = wish.binary.clone().unwrap_or_else(server_binary);
        let servers: Vec<_> = (0..=wish.replicas).map(|_| free_port()).collect();
        let sentinels: Vec<_> = (0..wish.sentinels).map(|_| free_port()).collect();
        let node = |server: Option<usize>, port: u16, text: String, password: &Option<String>| {
            let home = dir.path().join(port.to_string());
            fs::create_dir(&home)?;
            fs::write(home.join("node.conf"), text)?;
            let login = password
                .clone()
                .map(|password| ("default".into(), password));
            io::Result::Ok(Node {
                kind: server.map_or(Kind::Sentinel, |_| Kind::Server),
                ip: wish.ip_of(server),
                port,
                binary: binary.clone(),
                dir: home,
                login,
                trust: wish.trust_of(server).cloned(),
                hosts: wish.hosts.clone(),
                namespace: wish.namespace_of(server),
                process: Mutex::new(None),
            })
        };
        let server = |i: usize| {
            let text = wish.server_config(i, &servers);
            node(Some(i), servers[i], text, &wish.password)
        };
        let sentinel = |i: usize| {
            let text = wish.sentinel_config(i, &servers, &sentinels);
            node(None, sentinels[i], text, &wish.sentinel_password)
        };
        Ok(Self {
            servers: (0..servers.len()).map(server).collect::<Result<_, _>>()?,
            sentinels: (0..sentinels.len())
                .map(sentinel)
                .collect::<Result<_, _>>()?,
            name: wish.name.clone(),
            dir,
            _permit: permit,
        })
    }

    /// The primary first: a replica that does not find it waits a second before it tries again.
    fn bring_up(&self) -> io::Result<()> {
        let (primary, replicas) = self.servers.split_at(1);
        for node in primary {
            node.spawn()?;
            node.wait_up()?;
        }
        let others = || replicas.iter().chain(&self.sentinels);
        others().try_for_each(Node::spawn)?;
        others().try_for_each(Node::wait_up)?;
        for sentinel in &self.sentinels {
            // Where that is unknown or forbidden, a pause of the machine costs half a minute.
            let _ = sentinel.try_command(&NO_TILT);
        }
        Ok(())
    }

    /// Waits until replicas are in sync and every Sentinel could carry out a failover.
    #[track_caller]
    pub(crate) fn wait_whole(&self) {
        for replica in self.servers.iter().filter(|node| node.role() == "slave") {
            replica.wait_link_up();
        }
        self.wait_streaming();
        for (index, sentinel) in self.sentinels.iter().enumerate() {
            wait_until(
                WHOLE_LIMIT,
                &format!("sentinel {index} sees everything"),
                || self.sees_everything(sentinel),
            );
        }
    }

    /// Waits until every replica has received what its primary did last: after a full sync a link is
    /// up before anything is streamed over it, and a replica promoted by then would have nothing.
    #[track_caller]
    fn wait_streaming(&self) {
        let with_role = |role| self.servers.iter().filter(move |node| node.role() == role);
        let Some(primary) = with_role("master").next() else {
            return;
        };
        let replicas = with_role("slave").count();
        let mut client = primary.connect();
        wait_until(WHOLE_LIMIT, "every replica receives", || {
            client.call(&["PUBLISH", "bed", "whole"]);
            let received = client.call(&["WAIT", &replicas.to_string(), "1000"]);
            received == Value::Int(replicas as i64)
        });
    }

    fn sees_everything(&self, sentinel: &Node) -> bool {
        let ask = |what: &str| {
            sentinel
                .try_command(&["SENTINEL", what, &self.name])
                .unwrap_or(Value::Null)
        };
        let settled = |list: Value, wanted: &dyn Fn(&Value) -> bool, count: usize| {
            list.items().len() == count && list.items().iter().all(wanted)
        };
        let replica_fine = |entry: &Value| {
            let fields = entry.fields();
            fields.get("flags").is_some_and(|flags| flags == "slave")
                && fields
                    .get("master-link-status")
                    .is_some_and(|status| status == "ok")
        };
        let peer_fine = |entry: &Value| {
            entry
                .fields()
                .get("flags")
                .is_some_and(|flags| flags == "sentinel")
        };
        let alive = self
            .servers
            .iter()
            .filter(|node| !node.role().is_empty())
            .count();
        ask("MASTER")
            .fields()
            .get("flags")
            .is_some_and(|flags| flags == "master")
            && settled(ask("REPLICAS"), &replica_fine, alive - 1)
            && settled(ask("SENTINELS"), &peer_fine, self.sentinels.len() - 1)
    }

    /// Server `index`; 0 was the first primary.
    pub(crate) fn server(&self, index: usize) -> &Node {
        &self.servers[index]
    }

    /// Sentinel `index`.
    pub(crate) fn sentinel(&self, index: usize) -> &Node {
        &self.sentinels[index]
    }

    /// All Sentinels.
    pub(crate) fn sentinels(&self) -> &[Node] {
        &self.sentinels
    }

    /// Sentinel's name for the set.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A directory of this bed for the test's own files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server at `address`.
    #[track_caller]
    pub(crate) fn server_at(&self, address: SocketAddr) -> &Node {
        let found = self.servers.iter().find(|node| node.addr() == address);
        found.unwrap_or_else(|| panic!("{address} is none of ours"))
    }

    /// Whom this Sentinel names; none while it cannot say.
    pub(crate) fn named_by(&self, sentinel: usize) -> Option<SocketAddr> {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.name];
        let reply = self.sentinels[sentinel].try_command(&ask).ok()?;
        format!("{}:{}", reply.at(0), reply.at(1)).parse().ok()
    }

    /// The node that Sentinel 0 names.
    #[track_caller]
    pub(crate) fn primary(&self) -> &Node {
        let named = eventually(FAILOVER_LIMIT, "a Sentinel names a primary", || {
            self.named_by(0)
        });
        self.server_at(named)
    }

    /// Asks Sentinel `leader` for a planned failover and returns when it has begun.
    #[track_caller]
    pub(crate) fn begin_failover(&self, leader: usize) {
        let ask = ["SENTINEL", "FAILOVER", &self.name];
        // It answers an error while the previous one is being finished.
        wait_until(FAILOVER_LIMIT, "the Sentinel agrees to a failover", || {
            self.sentinels[leader]
                .try_command(&ask)
                .is_ok_and(|reply| reply.is_ok())
        });
    }

    /// As [`Bed::begin_failover`] for one that the old primary takes part in (Valkey 9).
    #[track_caller]
    pub(crate) fn begin_coordinated_failover(&self, leader: usize) {
        let ask = ["SENTINEL", "FAILOVER", &self.name, "COORDINATED"];
        wait_until(FAILOVER_LIMIT, "the Sentinel agrees to a failover", || {
            self.sentinels[leader]
                .try_command(&ask)
                .is_ok_and(|reply| reply.is_ok())
        });
    }

    /// Whether every Sentinel sees a primary that is up and no failover.
    pub(crate) fn is_quiet(&self) -> bool {
        let flags = |sentinel: &Node| {
            let reply = sentinel.try_command(&["SENTINEL", "MASTER", &self.name]);
            reply.ok()?.fields().remove("flags")
        };
        let mut sentinels = self.sentinels.iter();
        sentinels.all(|sentinel| flags(sentinel).is_some_and(|flags| flags == "master"))
    }

    /// A planned failover led by Sentinel 0; returns the new primary once it says so itself.
    #[track_caller]
    pub(crate) fn failover(&self) -> &Node {
        let old = self.primary().port();
        self.begin_failover(0);
        self.wait_promoted(old)
    }

    /// Waits for a server other than that at port `old` whose ROLE says master.
    #[track_caller]
    pub(crate) fn wait_promoted(&self, old: u16) -> &Node {
        eventually(FAILOVER_LIMIT, "a replica is promoted", || {
            self.servers
                .iter()
                .find(|node| node.port() != old && node.role() == "master")
        })
    }

    /// Waits until every Sentinel that answers names `node`.
    #[track_caller]
    pub(crate) fn wait_named(&self, node: &Node) {
        wait_until(FAILOVER_LIMIT, "all Sentinels name the new primary", || {
            (0..self.sentinels.len())
                .filter_map(|index| self.named_by(index))
                .all(|named| named == node.addr())
        });
    }

    /// Records what the Sentinels say from now on.
    pub(crate) fn record(&self) -> Recorder {
        Recorder::start(self)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if thread::panicking() {
            for node in self.sentinels.iter().chain(&self.servers) {
                eprintln!("--- {:?} {}\n{}", node.kind, node.port, node.log_tail());
            }
        }
    }
}
