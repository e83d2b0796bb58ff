//! An admin port over a real socket, and the state it tells.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::DEADLINE;
use crate::admin::{AdminState, Controls, Socket, serve};
use crate::config::ReadyPolicy;
use crate::discovery::StatusHandle;
use crate::front::Front;
use crate::net::HostPort;
use crate::shutdown::Lifecycle;
use crate::topology::{Primary, Publisher};
use crate::worker::{Counters, HeldBytes};

pub(super) struct Bed {
    pub(super) address: std::net::SocketAddr,
    pub(super) publisher: Arc<Publisher>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) discovery: StatusHandle,
    pub(super) workers: Vec<Arc<Counters>>,
    /// What was asked of the process.
    pub(super) done: Arc<Mutex<Vec<String>>>,
    pub(super) stop: CancellationToken,
    pub(super) server: JoinHandle<()>,
}

impl Bed {
    /// Started `uptime` ago, as far as the server knows.
    pub(super) async fn new(uptime: Duration) -> Self {
        let bed = Self::with(uptime, ReadyPolicy::PrimaryOnce).await;
        let publisher = bed.publisher.clone();
        tokio::spawn(async move {
            loop {
                publisher.beat();
                sleep(Duration::from_millis(100)).await;
            }
        });
        bed
    }

    /// With nobody who shows signs of life.
    pub(super) async fn with(uptime: Duration, ready_policy: ReadyPolicy) -> Self {
        Self::at("127.0.0.1:0", uptime, ready_policy, true).await
    }

    pub(super) async fn at(
        listen: &str,
        uptime: Duration,
        ready_policy: ReadyPolicy,
        acts: bool,
    ) -> Self {
        let listener = TcpListener::bind(listen).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        Self::served(Socket::Tcp(listener), address, uptime, ready_policy, acts)
    }

    /// At the Unix socket `path`.
    pub(super) fn at_file(path: &Path, acts: bool) -> Self {
        let listener = UnixListener::bind(path).expect("a new file");
        let nowhere = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let policy = ReadyPolicy::PrimaryOnce;
        Self::served(
            Socket::Unix(listener),
            nowhere,
            Duration::ZERO,
            policy,
            acts,
        )
    }

    fn served(
        listener: Socket,
        address: std::net::SocketAddr,
        uptime: Duration,
        ready_policy: ReadyPolicy,
        acts: bool,
    ) -> Self {
        let (publisher, _) = Publisher::new(0, Duration::from_secs(15));
        let publisher = Arc::new(publisher);
        let lifecycle = Arc::new(Lifecycle::default());
        let discovery = StatusHandle::default();
        let workers = vec![Arc::new(Counters::default()), Arc::new(Counters::default())];
        let stop = CancellationToken::new();
        let done = Arc::new(Mutex::new(Vec::new()));
        let front = Front {
            name: "mymaster".to_owned(),
            primary_name: "mymaster".to_owned(),
            topology: publisher.handle(),
            discovery: discovery.clone(),
            workers: workers.clone(),
            tls: crate::tls::Legs::default(),
            readers: None,
        };
        let state = AdminState {
            fronts: [front].into(),
            held_bytes: Arc::new(HeldBytes::new(1 << 20, 1 << 20)),
            max_clients: 100,
            reloads: Arc::default(),
            lifecycle: lifecycle.clone(),
            controls: acts.then(|| controls(&done)),
            ready_policy,
            startup_timeout: Duration::from_secs(30),
            started: Instant::now()
                .checked_sub(uptime)
                .expect("a machine up for long enough"),
        };
        let server = tokio::spawn(serve(listener, state, stop.clone()));
        Self {
            address,
            publisher,
            lifecycle,
            discovery,
            workers,
            done,
            stop,
            server,
        }
    }

    pub(super) async fn publish_primary(&self) {
        let primary = Primary {
            address: HostPort::new("10.0.0.7", 6379),
            epoch: 3,
            role_verified: true,
            knows_capa: false,
        };
        let lease = Instant::now() + Duration::from_secs(2);
        self.publisher.switch(primary, lease).await;
    }

    /// Sends `request` as it is and returns all that comes until the server closes.
    pub(super) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request).await.expect("sending");
        let mut response = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut response))
            .await
            .expect("an answer in time")
            .expect("reading");
        String::from_utf8(response).expect("text")
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.send("GET", path, "").await;
        (status, body)
    }

    /// Status, head and body of the answer to a request with `headers`, each ending its line.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
    ) -> (u16, String, String) {
        let host = self.address;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let response = self.raw(request.as_bytes()).await;
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (
            status.expect("a status"),
            head.to_lowercase(),
            body.to_owned(),
        )
    }
}

/// Notes what is asked.
fn controls(done: &Arc<Mutex<Vec<String>>>) -> Controls {
    let note = |what: &'static str| {
        let done = done.clone();
        Arc::new(move || done.lock().expect("no panic").push(what.to_owned()))
    };
    let levels = done.clone();
    Controls {
        drain: note("drain"),
        reload: note("reload"),
        log_level: Arc::new(move |level| {
            levels.lock().expect("no panic").push(format!("{level:?}"));
        }),
    }
}
