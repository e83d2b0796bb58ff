//! The built binary, run as a child: its addresses, its log, its admin endpoint.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStderr, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value as Json;

use crate::bed::{Bed, Process, eventually, wait_until};
use crate::client::Client;
use crate::fakes::FakeSentinel;

mod builder;
mod usage;

pub(crate) use builder::Builder;

/// The binary under test, unless `STEADFAST_BIN` names another.
const BINARY: &str = env!("CARGO_BIN_EXE_steadfast");
/// The variable that says how clients share links.
const POOL: &str = "STEADFAST_POOL";
/// How long it may take to find the primary of a healthy bed.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to listen.
const LISTEN_LIMIT: Duration = Duration::from_secs(60);
/// Log lines kept.
const MAX_LOG_LINES: usize = 4000;

/// One running `steadfast run`.
pub(crate) struct Proxy {
    process: Process,
    log: Arc<Mutex<VecDeque<String>>>,
    clients: SocketAddr,
    admin: SocketAddr,
}

impl Proxy {
    /// A proxy that asks these Sentinels for `name`.
    pub(crate) fn of(sentinels: &[String], name: &str) -> Builder {
        Builder {
            sentinels: sentinels.to_vec(),
            name: name.into(),
            args: Vec::new(),
            hosts: None,
            descriptors: None,
            variables: Vec::new(),
            sockets: None,
        }
    }

    /// A proxy in front of `bed` that is told of all its Sentinels.
    pub(crate) fn for_bed(bed: &Bed) -> Builder {
        let sentinels: Vec<_> = bed
            .sentinels()
            .iter()
            .map(|s| s.addr().to_string())
            .collect();
        Self::of(&sentinels, bed.name())
    }

    /// The usual proxy in front of `bed`, ready.
    #[track_caller]
    pub(crate) fn ready(bed: &Bed) -> Self {
        Self::for_bed(bed).start_ready()
    }

    #[track_caller]
    fn spawn(mut command: Command) -> Self {
        let (process, stderr) = Process::spawn_with_stderr(&mut command).unwrap();
        let log = Arc::new(Mutex::new(VecDeque::new()));
        collect(stderr, log.clone());
        let unset = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut proxy = Self {
            process,
            log,
            clients: unset,
            admin: unset,
        };
        let listening = |proxy: &Self, listener: &str| {
            eventually(LISTEN_LIMIT, "the proxy says where it listens", || {
                assert!(
                    proxy.process.exited().is_none(),
                    "the proxy ended at its start"
                );
                proxy.listening(listener)
            })
        };
        proxy.clients = listening(&proxy, "clients");
        proxy.admin = listening(&proxy, "admin");
        proxy
    }

    fn listening(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners(listener).first().copied()
    }

    /// Every address of one kind, in the order of the flags.
    pub(crate) fn listeners(&self, listener: &str) -> Vec<SocketAddr> {
        self.events("listening")
            .iter()
            .filter(|fields| fields["listener"] == listener)
            .filter_map(|fields| fields["address"].as_str()?.parse().ok())
            .collect()
    }

    /// Where clients connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.clients
    }

    /// Where the admin server listens.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A new client connection.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.clients)
    }

    /// `GET path`: the status code and the body; none when the admin server does not answer.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        http_get(self.admin, path).ok()
    }

    /// `/status`; `null` when it cannot be had.
    pub(crate) fn status(&self) -> Json {
        let body = self.get("/status").map(|(_, body)| body);
        body.and_then(|body| serde_json::from_str(&body).ok())
            .unwrap_or(Json::Null)
    }

    /// Whether `/readyz` says 200.
    pub(crate) fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|(code, _)| code == 200)
    }

    /// Waits until the gate is open.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        wait_until(READY_LIMIT, "the proxy has a primary", || {
            assert!(self.process.exited().is_none(), "the proxy ended");
            self.gate_is("open")
        });
    }

    /// Whether `/status` shows the gate in this state.
    pub(crate) fn gate_is(&self, state: &str) -> bool {
        self.status()["gate"]
            .as_str()
            .is_some_and(|gate| gate.eq_ignore_ascii_case(state))
    }

    /// The primary that `/status` shows.
    pub(crate) fn primary(&self) -> Option<SocketAddr> {
        self.status()["primary"]["address"].as_str()?.parse().ok()
    }

    /// The number of topologies it has published.
    pub(crate) fn generation(&self) -> u64 {
        self.status()["generation"].as_u64().unwrap_or(0)
    }

    /// Waits until it serves from `address`.
    #[track_caller]
    pub(crate) fn wait_primary(&self, limit: Duration, address: SocketAddr) {
        wait_until(limit, &format!("the proxy serves from {address}"), || {
            self.primary() == Some(address) && self.gate_is("open")
        });
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Whether the process runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.process.exited().is_none()
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.process.signal(Signal::HUP);
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends any signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The exit code, when it ends within `limit`.
    pub(crate) fn exit_code(&self, limit: Duration) -> Option<i32> {
        self.process.wait(limit)?.code()
    }

    /// Log lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.log).iter().cloned().collect()
    }

    /// The fields of every log line with this `event`.
    pub(crate) fn events(&self, event: &str) -> Vec<Json> {
        self.log()
            .iter()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok())
            .map(fields_of)
            .filter(|fields| fields["event"] == event)
            .collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- steadfast, exit {:?}", self.process.exited());
            for line in self.log() {
                eprintln!("{line}");
            }
        }
    }
}

/// A ready proxy in front of what listens there, as a Sentinel of its own names it.
pub(crate) fn in_front_of(address: SocketAddr) -> (FakeSentinel, Proxy) {
    let sentinel = FakeSentinel::start("mymaster", address, 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--sentinel-discovery", "off")
        .flag("--hold-timeout", "20s")
        .start_ready();
    (sentinel, proxy)
}

/// Runs the binary to its end; for subcommands and for starts that must fail.
pub(crate) fn run_to_end(args: &[&str]) -> Output {
    program().args(args).stdin(Stdio::null()).output().unwrap()
}

/// The binary without any setting, not even from the environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(binary());
    command.env_clear();
    command
}

fn binary() -> PathBuf {
    other_binary().unwrap_or_else(|| BINARY.into())
}

fn other_binary() -> Option<PathBuf> {
    std::env::var_os("STEADFAST_BIN").map(PathBuf::from)
}

/// `STEADFAST_POOL` reaches the proxies of all tests: each has to pass with either.
fn pool() -> Option<std::ffi::OsString> {
    std::env::var_os(POOL)
}

/// Whether clients share links in this run.
pub(crate) fn shares_links() -> bool {
    pool().is_none_or(|pool| pool == "shared")
}

/// Whether figures of the binary are those users get; one that is named is taken to be optimised.
pub(crate) fn is_optimised() -> bool {
    !cfg!(debug_assertions) || other_binary().is_some()
}

/// `GET path`: the status code and the body.
pub(crate) fn http_get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((code.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

/// The fields of a log line, whether they have a level of their own or not.
fn fields_of(line: Json) -> Json {
    if line["fields"].is_object() {
        line["fields"].clone()
    } else {
        line
    }
}

fn collect(stderr: ChildStderr, log: Arc<Mutex<VecDeque<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = lock(&log);
            // The first lines say where it listens, so the middle is what is given up.
            if log.len() == MAX_LOG_LINES {
                log.remove(MAX_LOG_LINES / 2);
            }
            log.push_back(line);
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
