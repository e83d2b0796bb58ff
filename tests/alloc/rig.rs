//! The data path of Steadfast in this process, in front of a real server, and clients for it that
//! allocate nothing once they are connected.

use std::env;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use steadfast::config::{self, Machine};
use steadfast::listener::{self, Door, Places};
use steadfast::net::HostPort;
use steadfast::shutdown::{Lifecycle, Stage, Stages};
use steadfast::topology::{Primary, Publisher};
use steadfast::worker;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::process::Process;

/// How long anything here may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const WORKERS: usize = 2;
/// Longer than any test.
const LEASE: Duration = Duration::from_secs(3600);

/// One server, one proxy; both end with it.
pub(crate) struct Rig {
    address: SocketAddr,
    lifecycle: Arc<Lifecycle>,
    threads: Vec<JoinHandle<()>>,
    _server: Server,
}

impl Rig {
    /// Starts both; clients use links as `pool` says.
    pub(crate) fn start(pool: &str) -> Self {
        let server = Server::start();
        let args = ["steadfast", "--workers", "2", "--pool", pool].map(OsString::from);
        let machine = Machine {
            descriptors: 1024,
            parallelism: WORKERS,
            memory: None,
        };
        let config = Arc::new(
            config::load(args.into(), &|_| None, machine)
                .unwrap()
                .config,
        );
        let lifecycle = Arc::new(Lifecycle::default());
        let (publisher, views) = Publisher::new(WORKERS, PATIENCE);
        let mut threads = Vec::new();
        let mut doors = Vec::new();
        let ids = Arc::new(worker::Ids::default());
        for (index, view) in views.into_iter().enumerate() {
            let counters = Arc::new(worker::Counters::default());
            let (clients, incoming) = mpsc::channel(listener::HAND_OVER_MAX);
            let parts = worker::Parts {
                held_bytes: Arc::new(worker::HeldBytes::new(
                    config.max_held_bytes,
                    config.max_output_bytes,
                )),
                scripts: Arc::default(),
                config: config.clone(),
                view,
                counters: counters.clone(),
                ids: ids.clone(),
                reports: mpsc::channel(1).0,
                clients: incoming,
                stages: lifecycle.stages(),
            };
            threads.push(worker::spawn(index, vec![parts], std::future::ready(())).unwrap());
            doors.push(Door {
                clients,
                counters,
                leads: None,
            });
        }
        let socket = listener::bind(&HostPort::new("127.0.0.1", 0))
            .unwrap()
            .remove(0);
        let address = socket.local_addr().unwrap();
        let front = Front {
            socket,
            publisher,
            primary: server.address,
        };
        let stages = lifecycle.stages();
        threads.push(thread::spawn(move || front.run(doors.into(), stages)));
        Self {
            address,
            lifecycle,
            threads,
            _server: server,
        }
    }

    /// So many clients, each of which has been served once.
    pub(crate) fn connect(&self, count: usize) -> Vec<Client> {
        let connect = |_| {
            let mut client = Client::connect(self.address);
            client.send(b"PING\r\n");
            client.expect(b"+PONG\r\n");
            client
        };
        (0..count).map(connect).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.lifecycle.advance(Stage::Over);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What the control thread does here: publishes one primary, then accepts.
struct Front {
    socket: TcpListener,
    publisher: Publisher,
    primary: SocketAddr,
}

impl Front {
    fn run(self, doors: Arc<[Door]>, stages: Stages) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let primary = Primary {
            address: self.primary.into(),
            epoch: 1,
            role_verified: true,
            knows_capa: false,
        };
        runtime.block_on(async {
            let until = tokio::time::Instant::now() + LEASE;
            self.publisher.switch(primary, until).await;
            let counters = doors.iter().map(|door| door.counters.clone()).collect();
            let places = Arc::new(Places::new(usize::MAX, vec![counters]));
            listener::accept(self.socket.into(), None, doors, places, stages).await;
        });
    }
}

/// A connection with a buffer that is large enough for whatever it compares.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: vec![0; 64 * 1024].into(),
        }
    }

    /// Sends these bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads these bytes and no others.
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(self.buffer.len()) {
            let room = &mut self.buffer[..part.len()];
            self.stream.read_exact(room).unwrap();
            assert!(room == part, "other bytes than expected");
        }
    }
}

/// A server of its own port and directory.
struct Server {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Server {
    /// Another process may take a chosen port first, so there is more than one try.
    fn start() -> Self {
        let mut tries = (0..3).filter_map(|_| Self::try_start());
        tries.next().expect("a server starts")
    }

    fn try_start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let dir = TempDir::with_prefix("steadfast-alloc-").unwrap();
        let mut command = Command::new(binary());
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(address.port().to_string())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Process::spawn(&mut command).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while process.exited().is_none() && Instant::now() < deadline {
            if TcpStream::connect(address).is_ok() {
                return Some(Self {
                    address,
                    _process: process,
                    _dir: dir,
                });
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

/// `STEADFAST_TEST_SERVER` chooses the server, as for the other tests.
fn binary() -> OsString {
    match env::var("STEADFAST_TEST_SERVER").as_deref() {
        Ok("valkey") => "valkey-server".into(),
        Ok("redis") | Err(_) => "redis-server".into(),
        Ok(path) => path.into(),
    }
}
