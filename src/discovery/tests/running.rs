//! Discovery running under test, with one worker that confirms everything at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bed::{Bed, LIMIT, until};
use crate::config::{Config, HoldTimeout, OnSentinelLoss, SocketPermissions, SwitchOn};
use crate::discovery::{Status, StatusHandle, run};
use crate::net::HostPort;
use crate::topology::{Gate, Handle, Publisher, Report, Topology, View};

/// Settings as they are by default, but for the Sentinels.
pub(super) fn config(sentinels: Vec<HostPort>) -> Config {
    Config {
        pool: crate::config::Pool::Session,
        sentinels,
        name: "mymaster".to_owned(),
        primary_name: "mymaster".to_owned(),
        listen: Vec::new(),
        listen_tls: Vec::new(),
        listen_unix: Vec::new(),
        socket_permissions: SocketPermissions {
            mode: 0o660,
            owner: None,
        },
        tls: crate::tls::Legs::default(),
        admin_listen: None,
        admin_actions: false,
        ready_policy: crate::config::ReadyPolicy::PrimaryOnce,
        startup_timeout: LIMIT,
        sentinel_credentials: None,
        control_credentials: None,
        login: None,
        client_password: None,
        allow_unauthenticated_clients: false,
        hold_timeout: HoldTimeout::Auto,
        max_held_bytes: 64 << 20,
        max_held_bytes_per_client: 1 << 20,
        client_output_limit: 64 << 20,
        max_output_bytes: 256 << 20,
        replicas: crate::config::Replicas {
            listen: Vec::new(),
            listen_unix: Vec::new(),
            fallback: crate::config::ReplicaFallback::Refuse,
            max_lag: Duration::from_secs(10),
            login: None,
        },
        read_only: false,
        connect_timeout: LIMIT,
        heartbeat_timeout: LIMIT,
        poll_interval: LIMIT,
        sentinel_discovery: true,
        address_map: crate::config::AddressMap::EMPTY,
        switch_on: SwitchOn::Named,
        on_sentinel_loss: OnSentinelLoss::Serve,
        blocking_on_failover: crate::config::BlockingOnFailover::Resume,
        pubsub_on_failover: crate::config::PubsubOnFailover::Resume,
        shared_commands: Vec::new(),
        scan_on_failover: crate::config::ScanOnFailover::Error,
        on_uncertain: crate::config::OnUncertain::Reply,
        workers: 1,
        max_clients: 10,
        client_idle_timeout: Duration::ZERO,
        max_connection_age: Duration::ZERO,
        drain_delay: Duration::ZERO,
        drain_timeout: Duration::ZERO,
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
        let discovery = run(Arc::new(config), publisher, receiver, status.clone(), None);
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

    /// With an open gate, and every Sentinel of the bed heard; and where the primary is.
    pub(super) async fn attentive(
        bed: &Bed,
        settings: impl FnOnce(Config) -> Config,
    ) -> (Self, HostPort) {
        let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
        let running = Self::start(settings(config(sentinels)));
        let (primary, _) = running.open_at(1).await;
        until("all Sentinels are heard", async || {
            running.status.load().subscribed == 3
        })
        .await;
        (running, primary)
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

    /// Waits until writes are held. That is by quiescing, unless this process was just paused and is
    /// still finding out whether its primary is one.
    pub(super) async fn held(&self) {
        until("writes are held", async || self.now().gate != Gate::Open).await;
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
