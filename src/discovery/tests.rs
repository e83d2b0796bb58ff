//! Discovery against real servers: one primary, two replicas, three Sentinels on loopback.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Connection, Reply};
use super::message;
use super::*;
use crate::config::{HoldTimeout, OnSentinelLoss};
use crate::net::HostPort;
use crate::topology::{Gate, Handle, Sign, Topology, View};

const LIMIT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);

/// One server process, killed when dropped.
struct Server {
    address: HostPort,
    command: Command,
    process: Child,
}

impl Server {
    /// Starts again what was killed, at the same address.
    fn restart(&mut self) {
        let _ = self.process.wait();
        self.process = self.command.spawn().expect("redis-server runs");
    }

    fn start(dir: &Path, config: &str, sentinel: bool) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|socket| socket.local_addr())
            .expect("a free port")
            .port();
        let file = dir.join(format!("{port}.conf"));
        let dir = dir.display();
        let text = format!("port {port}\nbind 127.0.0.1\ndir {dir}\nsave \"\"\n{config}");
        std::fs::write(&file, text).expect("configuration written");
        let mut command = Command::new("redis-server");
        command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if sentinel {
            command.arg("--sentinel");
        }
        Self {
            address: HostPort::new("127.0.0.1", port),
            process: command.spawn().expect("redis-server runs"),
            command,
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.process.id()).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("signal sent");
    }

    async fn ask(&self, args: &[&str]) -> Option<Reply> {
        ask(&self.address, args).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn ask(address: &HostPort, args: &[&str]) -> Option<Reply> {
    let mut connection = Connection::open(address, None, LIMIT).await.ok()?;
    let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
    connection.request(&args, LIMIT).await.ok()
}

struct Bed {
    nodes: Vec<Server>,
    sentinels: Vec<Server>,
    _dir: TempDir,
}

impl Bed {
    async fn start(down_after_ms: u32) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let node = |more: &str| {
            let config = format!("repl-diskless-sync-delay 0\n{more}");
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
            "sentinel monitor mymaster 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds mymaster {down_after_ms}\n\
             sentinel failover-timeout mymaster 20000\n"
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

    fn node(&self, address: &HostPort) -> &Server {
        let found = self.nodes.iter().find(|node| node.address == *address);
        found.expect("one of ours")
    }

    /// When the first Sentinel stops naming `old`.
    fn first_naming_of_another(&self, old: &HostPort) -> JoinHandle<Instant> {
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

fn entries(reply: &Reply) -> usize {
    match reply {
        Reply::Array(entries) => entries.len(),
        _ => 0,
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let poll = async {
        while !condition().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(PATIENCE, poll).await.is_ok(), "not in time: {what}");
}

/// Discovery under test, with one worker that confirms everything at once.
struct Running {
    handle: Handle,
    status: StatusHandle,
    reports: mpsc::Sender<Report>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Running {
    fn start(sentinels: Vec<HostPort>, on_sentinel_loss: OnSentinelLoss) -> Self {
        let config = Config {
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
            max_held_bytes_per_client: 1 << 20,
            client_output_limit: 1 << 26,
            connect_timeout: LIMIT,
            heartbeat_timeout: LIMIT,
            poll_interval: LIMIT,
            sentinel_discovery: true,
            on_sentinel_loss,
            workers: 1,
            max_clients: 10,
        };
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

    fn now(&self) -> Arc<Topology> {
        self.handle.load().clone()
    }

    async fn open_at(&self, generation: u64) -> (HostPort, Instant) {
        until("an open gate", async || {
            let now = self.now();
            now.generation == generation && now.gate == Gate::Open
        })
        .await;
        let seen = Instant::now();
        let primary = self.now().primary.clone().expect("a primary");
        (primary.address, seen)
    }

    async fn gate(&self, gate: Gate) {
        until("the gate", async || self.now().gate == gate).await;
    }
}

async fn confirm(views: Vec<View>) {
    let mut view = views.into_iter().next().expect("one worker");
    loop {
        view.confirm(&view.load());
        view.changed().await;
    }
}

#[tokio::test]
async fn follows_a_planned_failover_and_a_crash() {
    let bed = Bed::start(1_000).await;
    // One Sentinel is enough to start from: the others are learned.
    let running = Running::start(
        vec![bed.sentinels[0].address.clone()],
        OnSentinelLoss::Serve,
    );
    let (first, _) = running.open_at(1).await;
    assert_eq!(first, bed.nodes[2].address);
    until("all Sentinels are heard", async || {
        let status = running.status.load();
        (status.reachable, status.subscribed) == (3, 3)
    })
    .await;
    assert_eq!(running.status.load().quorum, Some(2));

    let named = bed.first_naming_of_another(&first);
    let failover = bed.sentinels[1].ask(&["SENTINEL", "FAILOVER", "mymaster"]);
    assert!(failover.await.is_some());
    let (second, published) = running.open_at(2).await;
    let delay = published.saturating_duration_since(named.await.expect("named"));
    eprintln!("planned: published {delay:?} after the first Sentinel named it");
    assert_ne!(second, first);
    assert!(delay < Duration::from_millis(200), "{delay:?}");

    // The leader is done with the first failover once all three agree.
    until("the Sentinels are done", async || {
        let status = running.status.load();
        let named = |named: &SentinelStatus| named.primary.as_deref() == Some(&*second.to_string());
        let idle = bed.sentinels[1]
            .ask(&["SENTINEL", "MASTER", "mymaster"])
            .await;
        let idle = idle.and_then(|reply| message::master_fields(&reply).ok());
        status.sentinels.iter().all(named) && idle.is_some_and(|fields| !fields.in_trouble)
    })
    .await;
    until("another replica is ready", async || {
        let role = bed.node(&second).ask(&["ROLE"]).await;
        matches!(role, Some(Reply::Array(parts)) if parts.get(2).map_or(0, entries) > 0)
    })
    .await;
    let named = bed.first_naming_of_another(&second);
    bed.node(&second).signal(rustix::process::Signal::KILL);
    let report = Report {
        generation: 2,
        sign: Sign::LinkLost,
    };
    running.reports.send(report).await.expect("discovery runs");
    running.gate(Gate::Shut).await;
    let (third, published) = running.open_at(3).await;
    let delay = published.saturating_duration_since(named.await.expect("named"));
    eprintln!("crash: published {delay:?} after the first Sentinel named it");
    assert_ne!(third, second);
    assert!(delay < Duration::from_millis(200), "{delay:?}");
    assert_eq!(running.status.load().switches, 2);
}

#[tokio::test]
async fn a_silent_primary_holds_and_opens_in_place() {
    let mut bed = Bed::start(60_000).await;
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(sentinels, OnSentinelLoss::Serve);
    let (address, _) = running.open_at(1).await;

    // Cutting our control connection is no reason to hold.
    let since = running.now().gate_since;
    let kill = bed
        .node(&address)
        .ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(kill.await.is_some());
    let report = Report {
        generation: 1,
        sign: Sign::LinkLost,
    };
    running.reports.send(report).await.expect("discovery runs");
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(running.now().gate_since, since, "the gate never moved");

    bed.node(&address).signal(rustix::process::Signal::STOP);
    running.gate(Gate::Shut).await;
    assert!(running.status.load().waiting_for.is_some());
    bed.node(&address).signal(rustix::process::Signal::CONT);
    let (same, _) = running.open_at(1).await;
    assert_eq!(same, address);

    // Back at once, and empty: no Sentinel notices, so it is said here.
    bed.node(&address).signal(rustix::process::Signal::KILL);
    running.gate(Gate::Shut).await;
    bed.nodes[2].restart();
    running.open_at(1).await;
    assert_eq!(running.status.load().restarts, 1);

    // Without any Sentinel the primary serves on; when it goes too, commands are held.
    bed.sentinels.clear();
    until("degraded", async || running.status.load().degraded).await;
    assert_eq!(running.now().gate, Gate::Open);
    bed.node(&address).signal(rustix::process::Signal::KILL);
    running.gate(Gate::Shut).await;
}

#[tokio::test]
async fn follows_operators_and_is_not_delayed_by_a_frozen_sentinel() {
    let bed = Bed::start(60_000).await;
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(sentinels, OnSentinelLoss::Serve);
    let (old, _) = running.open_at(1).await;
    let new = &bed.nodes[0];
    bed.sentinels[0].signal(rustix::process::Signal::STOP);
    for sentinel in &bed.sentinels[1..] {
        let removed = sentinel.ask(&["SENTINEL", "REMOVE", "mymaster"]).await;
        assert!(removed.is_some());
    }
    until("the name is unknown", async || {
        let status = running.status.load();
        let unknown = |s: &&SentinelStatus| s.error.as_deref().is_some_and(|e| e.contains("name"));
        status.sentinels.iter().filter(unknown).count() == 2
    })
    .await;
    assert_eq!(
        running.now().gate,
        Gate::Open,
        "a gap in the answers cuts nobody"
    );

    let port = new.address.port.to_string();
    assert!(new.ask(&["REPLICAOF", "NO", "ONE"]).await.is_some());
    let demote = ["REPLICAOF", "127.0.0.1", &port];
    assert!(bed.node(&old).ask(&demote).await.is_some());
    for sentinel in &bed.sentinels[1..] {
        let args = ["SENTINEL", "MONITOR", "mymaster", "127.0.0.1", &port, "2"];
        assert!(sentinel.ask(&args).await.is_some());
    }
    let moved = Instant::now();
    let (address, published) = running.open_at(2).await;
    assert_eq!(address, new.address);
    let delay = published.saturating_duration_since(moved);
    eprintln!("by hand: published after {delay:?}");
    assert!(delay < Duration::from_millis(1_500), "{delay:?}");
}

#[test]
fn a_process_that_slept_through_a_failover_trusts_nothing_it_finds() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let bed = Bed::start(1_000).await;
        let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
        let running = Running::start(sentinels, OnSentinelLoss::Serve);
        let (old, _) = running.open_at(1).await;
        let failover = bed.sentinels[0].ask(&["SENTINEL", "FAILOVER", "mymaster"]);
        assert!(failover.await.is_some());
        // Everything of this runtime sleeps while the Sentinels promote another node.
        std::thread::sleep(Duration::from_secs(4));
        let watcher = Watcher::start(running.handle.clone(), old.clone());
        let (new, _) = running.open_at(2).await;
        assert_ne!(new, old);
        assert!(
            !watcher.stop(),
            "the old primary was believed after the sleep"
        );
    });
}

/// Looks from another thread whether a worker would ever have used the old primary.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watcher {
    fn start(handle: Handle, old: HostPort) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut used = false;
            while !stopped.load(Ordering::SeqCst) {
                let now = handle.load();
                let at_old = now.primary.as_ref().is_some_and(|p| p.address == old);
                used |= at_old && now.gate == Gate::Open && now.lease_valid(Instant::now());
            }
            used
        });
        Self { stop, thread }
    }

    fn stop(self) -> bool {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the watcher ends")
    }
}
