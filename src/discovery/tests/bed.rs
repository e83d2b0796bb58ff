//! Real servers on loopback, and discovery running against them.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::discovery::connection::{Connection, Reply};

use crate::config::{Config, HoldTimeout, OnSentinelLoss, SwitchOn};
use crate::discovery::{Status, StatusHandle, message, run};
use crate::net::HostPort;
use crate::topology::{Gate, Handle, Publisher, Report, Topology, View};

pub(super) const LIMIT: Duration = Duration::from_secs(1);
/// Longer than two attempts at a failover: Sentinels that split their votes try again only after
/// twice the failover-timeout.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

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
}

impl Server {
    /// Starts again what was killed, at the same address.
    pub(super) fn restart(&mut self) {
        let _ = self.process.wait();
        self.process = self.command.spawn().expect("the server runs");
    }

    pub(super) fn start(dir: &Path, config: &str, sentinel: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
        let file = dir.join(format!("{port}.conf"));
        let dir = dir.display();
        let text = format!("port {port}\nbind 127.0.0.1\ndir {dir}\nsave \"\"\n{config}");
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
        }
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
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) async fn ask(address: &HostPort, args: &[&str]) -> Option<Reply> {
    let mut connection = Connection::open(address, None, LIMIT).await.ok()?;
    let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
    connection.request(&args, LIMIT).await.ok()
}

pub(super) struct Bed {
    pub(super) nodes: Vec<Server>,
    pub(super) sentinels: Vec<Server>,
    _dir: TempDir,
}

impl Bed {
    pub(super) async fn start(down_after_ms: u32) -> Self {
        Self::start_at("127.0.0.1", down_after_ms).await
    }

    /// The same, with the primary told to the Sentinels as this host.
    pub(super) async fn start_at(host: &str, down_after_ms: u32) -> Self {
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
            until("a Sentinel knows all", async || {
                let args = ["SENTINEL", "REPLICAS", "mymaster"];
                let replicas = sentinel.ask(&args).await.map_or(0, |reply| entries(&reply));
                let args = ["SENTINEL", "SENTINELS", "mymaster"];
                let peers = sentinel.ask(&args).await.map_or(0, |reply| entries(&reply));
                replicas == 2 && peers == 2
            })
            .await;
        }
        Self {
            nodes,
            sentinels,
            _dir: dir,
        }
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
                let mut connection = Connection::open(&address, None, LIMIT).await.expect("open");
                let question: &[&[u8]] = &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"mymaster"];
                while let Ok(reply) = connection.request(question, LIMIT).await {
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

/// Settings as they are by default, but for the Sentinels.
pub(super) fn config(sentinels: Vec<HostPort>) -> Config {
    Config {
        pool: crate::config::Pool::Session,
        sentinels,
        primary_name: "mymaster".to_owned(),
        listen: Vec::new(),
        admin_listen: None,
        sentinel_credentials: None,
        control_credentials: None,
        login: None,
        client_password: None,
        hold_timeout: HoldTimeout::Auto,
        max_held_bytes: 64 << 20,
        max_held_bytes_per_client: 1 << 20,
        connect_timeout: LIMIT,
        heartbeat_timeout: LIMIT,
        poll_interval: LIMIT,
        sentinel_discovery: true,
        switch_on: SwitchOn::Named,
        on_sentinel_loss: OnSentinelLoss::Serve,
        blocking_on_failover: crate::config::BlockingOnFailover::Resume,
        pubsub_on_failover: crate::config::PubsubOnFailover::Resume,
        scan_on_failover: crate::config::ScanOnFailover::Error,
        on_uncertain: crate::config::OnUncertain::Reply,
        workers: 1,
        max_clients: 10,
    }
}

/// Discovery under test, with one worker that confirms everything at once.
pub(super) struct Running {
    pub(super) handle: Handle,
    pub(super) status: StatusHandle,
    pub(super) reports: mpsc::Sender<Report>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Running {
    pub(super) fn start(config: Config) -> Self {
        let (publisher, views) = Publisher::new(1, Duration::from_secs(15));
        let handle = publisher.handle();
        let status: StatusHandle = Arc::new(ArcSwap::from_pointee(Status::default()));
        let (reports, receiver) = mpsc::channel(8);
        let discovery = run(Arc::new(config), publisher, receiver, status.clone());
        let tasks = [
            tokio::spawn(async move { match discovery.await {} }),
            tokio::spawn(confirm(views)),
        ];
        Self {
            handle,
            status,
            reports,
            tasks,
        }
    }

    pub(super) fn now(&self) -> Arc<Topology> {
        self.handle.load().clone()
    }

    pub(super) async fn open_at(&self, generation: u64) -> (HostPort, Instant) {
        until("an open gate", async || {
            let now = self.now();
            now.generation == generation && now.gate == Gate::Open
        })
        .await;
        let seen = Instant::now();
        let primary = self.now().primary.clone().expect("a primary");
        (primary.address, seen)
    }

    pub(super) async fn gate(&self, gate: Gate) {
        until("the gate", async || self.now().gate == gate).await;
    }
}

pub(super) async fn confirm(views: Vec<View>) {
    let mut view = views.into_iter().next().expect("one worker");
    loop {
        view.confirm(&view.load());
        view.changed().await;
    }
}
