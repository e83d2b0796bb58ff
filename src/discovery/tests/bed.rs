//! Real servers on loopback, and discovery running against them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::panics::tell_at_once;
use super::ports::{Permit, free_port};
use crate::discovery::connection::{Connection, Reply};
use crate::discovery::message;
use crate::net::HostPort;

pub(super) const LIMIT: Duration = Duration::from_secs(1);
/// How long a server that runs may take to answer a question of the tests.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
/// A Sentinel that was kept from running for two seconds does nothing for thirty, unless told that only
/// more is too long.
const NO_TILT: [&str; 4] = ["SENTINEL", "DEBUG", "tilt-trigger", "60000"];
/// Lines of each server's log that are told when a test fails.
const LOG_TAIL: usize = 6;
/// Longer than several attempts at a failover: Sentinels that split their votes try again only after
/// twice the failover-timeout, and one that was paused does nothing for 30 s.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// The server: `STEADFAST_TEST_SERVER` is `redis`, `valkey` or the path of a binary.
fn program() -> String {
    match std::env::var("STEADFAST_TEST_SERVER").as_deref() {
        Ok("valkey") => "valkey-server".to_owned(),
        Ok(path) if path.contains('/') => path.to_owned(),
        _ => "redis-server".to_owned(),
    }
}

/// One server process, killed when dropped.
pub(super) struct Server {
    pub(super) address: HostPort,
    command: Command,
    process: Child,
    log: PathBuf,
}

impl Server {
    /// Starts again what was killed, at the same address.
    pub(super) fn restart(&mut self) {
        let _ = self.process.wait();
        self.process = self.command.spawn().expect("the server runs");
    }

    pub(super) fn start(dir: &Path, config: &str, sentinel: bool) -> Self {
        let port = free_port();
        let file = dir.join(format!("{port}.conf"));
        let log = dir.join(format!("{port}.log"));
        let (dir, log_name) = (dir.display(), log.display());
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {dir}\nlogfile {log_name}\nsave \"\"\n{config}"
        );
        std::fs::write(&file, text).expect("configuration written");
        let mut command = Command::new(program());
        command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if sentinel {
            command.arg("--sentinel");
        }
        Self {
            address: HostPort::new("127.0.0.1", port),
            process: command.spawn().expect("the server runs"),
            command,
            log,
        }
    }

    /// The end of its log.
    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process.id()).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("signal sent");
    }

    pub(super) async fn ask(&self, args: &[&str]) -> Option<Reply> {
        ask(&self.address, args).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.address, self.log_tail());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) async fn ask(address: &HostPort, args: &[&str]) -> Option<Reply> {
    let mut connection = Connection::open(address, None, None, ANSWER).await.ok()?;
    let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
    connection.request(&args, ANSWER).await.ok()
}

pub(super) struct Bed {
    pub(super) nodes: Vec<Server>,
    pub(super) sentinels: Vec<Server>,
    _dir: TempDir,
    _permit: Permit,
}

impl Bed {
    pub(super) async fn start(down_after_ms: u32) -> Self {
        Self::start_at("127.0.0.1", down_after_ms).await
    }

    /// The same, while no other bed of this process runs: for what depends on how soon Sentinels act.
    pub(super) async fn start_alone(down_after_ms: u32) -> Self {
        Self::start_with(Permit::take_all(), "127.0.0.1", down_after_ms).await
    }

    /// The same, with the primary told to the Sentinels as this host.
    pub(super) async fn start_at(host: &str, down_after_ms: u32) -> Self {
        Self::start_with(Permit::take(), host, down_after_ms).await
    }

    async fn start_with(permit: Permit, host: &str, down_after_ms: u32) -> Self {
        tell_at_once();
        let dir = tempfile::tempdir().expect("a directory");
        let node = |more: &str| {
            let config = format!("repl-diskless-sync no\n{more}");
            Server::start(dir.path(), &config, false)
        };
        let primary = node("");
        let port = primary.address.port;
        let replica = || node(&format!("replicaof 127.0.0.1 {port}\n"));
        let nodes = vec![replica(), replica(), primary];
        for node in &nodes {
            until("a node answers", async || {
                node.ask(&["PING"]).await.is_some()
            })
            .await;
        }
        let config = format!(
            "sentinel resolve-hostnames yes\n\
             sentinel monitor mymaster {host} {port} 2\n\
             sentinel down-after-milliseconds mymaster {down_after_ms}\n\
             sentinel failover-timeout mymaster 5000\n"
        );
        let start = |_| Server::start(dir.path(), &config, true);
        let sentinels: Vec<_> = (0..3).map(start).collect();
        for sentinel in &sentinels {
            until("a Sentinel bears pauses", async || {
                sentinel.ask(&NO_TILT).await.is_some()
            })
            .await;
            until("a Sentinel knows all", async || {
                let args = ["SENTINEL", "REPLICAS", "mymaster"];
                let replicas = sentinel.ask(&args).await.map_or(0, |reply| entries(&reply));
                let args = ["SENTINEL", "SENTINELS", "mymaster"];
                let peers = sentinel.ask(&args).await.map_or(0, |reply| entries(&reply));
                replicas == 2 && peers == 2
            })
            .await;
        }
        let bed = Self {
            nodes,
            sentinels,
            _dir: dir,
            _permit: permit,
        };
        bed.followed(&bed.nodes[2].address, 2).await;
        bed
    }

    /// Waits until so many nodes are in sync with this one: promoted before, they would have nothing.
    pub(super) async fn followed(&self, primary: &HostPort, count: usize) {
        until("replicas are in sync", async || {
            let mut synced = 0;
            for node in &self.nodes {
                let role = node.ask(&["ROLE"]).await;
                synced += usize::from(role.is_some_and(|role| is_synced_with(&role, primary)));
            }
            synced >= count
        })
        .await;
    }

    /// Has this Sentinel begin a failover, as soon as it finds a replica good enough.
    pub(super) async fn fail_over(&self, sentinel: usize) {
        until("a failover is accepted", async || {
            let args = ["SENTINEL", "FAILOVER", "mymaster"];
            self.sentinels[sentinel].ask(&args).await.is_some()
        })
        .await;
    }

    pub(super) fn node(&self, address: &HostPort) -> &Server {
        let found = self.nodes.iter().find(|node| node.address == *address);
        found.expect("one of ours")
    }

    /// When the first Sentinel stops naming `old`.
    pub(super) fn first_naming_of_another(&self, old: &HostPort) -> JoinHandle<Instant> {
        let (out, mut first) = mpsc::channel(8);
        for sentinel in &self.sentinels {
            let (address, old, out) = (sentinel.address.clone(), old.clone(), out.clone());
            tokio::spawn(async move {
                let opened = Connection::open(&address, None, None, ANSWER).await;
                let mut connection = opened.expect("open");
                let question: &[&[u8]] = &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"mymaster"];
                while let Ok(reply) = connection.request(question, ANSWER).await {
                    if message::address(&reply, true).is_ok_and(|named| named != old) {
                        let _ = out.send(Instant::now()).await;
                        return;
                    }
                    sleep(Duration::from_millis(3)).await;
                }
            });
        }
        tokio::spawn(async move { first.recv().await.expect("a Sentinel names another") })
    }
}

/// Whether this reply to ROLE is a replica's that receives all this primary does.
fn is_synced_with(role: &Reply, primary: &HostPort) -> bool {
    let Reply::Array(parts) = role else {
        return false;
    };
    let port = Some(i64::from(primary.port));
    let is_connected =
        |state: &Reply| matches!(state, Reply::BulkString(state) if state == b"connected");
    matches!(parts.get(2), Some(Reply::Integer(at)) if Some(*at) == port)
        && parts.get(3).is_some_and(is_connected)
}

pub(super) fn entries(reply: &Reply) -> usize {
    match reply {
        Reply::Array(entries) => entries.len(),
        _ => 0,
    }
}

pub(super) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let poll = async {
        while !condition().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(PATIENCE, poll).await.is_ok(), "not in time: {what}");
}
