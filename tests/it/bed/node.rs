//! One server or Sentinel of a bed: a process, its configuration file and its log.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use super::process::Process;
use super::wait::wait_until;
use crate::client::Client;
use crate::pki::Trust;
use crate::value::Value;

/// How long a node may take to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What kind of process a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Holds data.
    Server,
    /// Watches the servers.
    Sentinel,
}

/// A node that can be killed, frozen, thawed and started again.
pub(crate) struct Node {
    pub(super) kind: Kind,
    pub(super) ip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) binary: PathBuf,
    /// Its directory: `node.conf`, `node.log` and its data.
    pub(super) dir: PathBuf,
    /// What the tests themselves log in with (user, password).
    pub(super) login: Option<(String, String)>,
    /// What the tests themselves connect with.
    pub(super) trust: Option<Trust>,
    /// A file to be seen as `/etc/hosts`, in a mount namespace of its own.
    pub(super) hosts: Option<PathBuf>,
    /// The network namespace it runs in, when that is not ours.
    pub(super) namespace: Option<String>,
    pub(super) process: Mutex<Option<Process>>,
}

impl Node {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        (self.ip, self.port).into()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the process and returns at once.
    pub(super) fn spawn(&self) -> io::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("node.log"))?;
        let mut command = self.program();
        command.arg(self.dir.join("node.conf"));
        if self.kind == Kind::Sentinel {
            command.arg("--sentinel");
        }
        command
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        *self.process() = Some(Process::spawn(&mut command)?);
        Ok(())
    }

    fn program(&self) -> Command {
        match (&self.hosts, &self.namespace) {
            (Some(hosts), _) => with_hosts(hosts, &self.binary),
            (None, Some(namespace)) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(&self.binary);
                command
            }
            (None, None) => Command::new(&self.binary),
        }
    }

    /// Waits until it answers anything at all; an error when it has ended instead.
    pub(super) fn wait_up(&self) -> io::Result<()> {
        let deadline = std::time::Instant::now() + START_LIMIT;
        loop {
            if self.try_command(&["PING"]).is_ok() {
                return Ok(());
            }
            let ended = self.process().as_ref().is_none_or(|p| p.exited().is_some());
            if ended || std::time::Instant::now() > deadline {
                return Err(io::Error::other(format!(
                    "{}: {}",
                    self.port,
                    self.log_tail()
                )));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again with its last configuration and waits until it answers.
    #[track_caller]
    pub(crate) fn restart(&self) {
        self.kill();
        self.spawn().unwrap();
        self.wait_up().unwrap();
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) fn kill(&self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }

    /// SIGSTOP: connections stay, nothing answers. Returns when the process has stopped.
    #[track_caller]
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        wait_until(START_LIMIT, "the process has stopped", || self.is_stopped());
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// A new connection, logged in where the bed needs that.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        self.try_connect()
            .unwrap_or_else(|error| panic!("node {}: {error}", self.port))
    }

    /// A new connection, logged in where the bed needs that.
    pub(crate) fn try_connect(&self) -> io::Result<Client> {
        let mut client = Client::try_connect_as(self.addr(), self.trust.as_ref())?;
        if let Some((user, password)) = &self.login {
            let reply = client.try_call(&["AUTH", user, password])?;
            if !reply.is_ok() {
                return Err(io::Error::other(format!("{reply:?}")));
            }
        }
        Ok(client)
    }

    /// One command on a connection of its own; panics when the node cannot be reached.
    #[track_caller]
    pub(crate) fn command(&self, args: &[&str]) -> Value {
        self.try_command(args)
            .unwrap_or_else(|error| panic!("node {}: {args:?}: {error}", self.port))
    }

    /// One command on a connection of its own.
    pub(crate) fn try_command(&self, args: &[&str]) -> io::Result<Value> {
        let mut client = self.try_connect()?;
        client.send(args)?;
        client.reply_within(Duration::from_secs(5))
    }

    /// Ends all client connections but the one that asks for it.
    #[track_caller]
    pub(crate) fn cut_links(&self) {
        let killed = self.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        assert!(matches!(killed, Value::Int(1..)), "{killed:?}");
    }

    /// The first word of ROLE; empty while it cannot be asked.
    pub(crate) fn role(&self) -> String {
        self.try_command(&["ROLE"])
            .map(|reply| reply.at(0))
            .unwrap_or_default()
    }

    /// Value of `field` in INFO, empty when absent.
    pub(crate) fn info(&self, field: &str) -> String {
        let info = self
            .try_command(&["INFO", "everything"])
            .map(|reply| reply.text());
        info.unwrap_or_default()
            .lines()
            .find_map(|line| {
                line.strip_prefix(field)?
                    .strip_prefix(':')
                    .map(str::to_owned)
            })
            .unwrap_or_default()
    }

    /// Waits until a server is a replica whose link is up.
    #[track_caller]
    pub(crate) fn wait_link_up(&self) {
        wait_until(START_LIMIT, "the replica has synced", || {
            self.info("master_link_status") == "up"
        });
    }

    /// Appends lines to its configuration file, for the next restart.
    pub(crate) fn append_config(&self, lines: &str) {
        let path = self.dir.join("node.conf");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(lines);
        text.push('\n');
        fs::write(path, text).unwrap();
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.dir.join("node.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Whether the kernel runs it no more; also so when it has ended.
    fn is_stopped(&self) -> bool {
        let pid = self.process().as_ref().map(Process::pid);
        let stat = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        // After the name, which is in parentheses, comes the state.
        let state = stat.as_deref().and_then(|stat| stat.rsplit(") ").next());
        state.is_none_or(|state| state.starts_with(['T', 'Z']))
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.process().as_ref() {
            process.signal(signal);
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `program` run where `hosts` is what it sees as `/etc/hosts`; needs root.
pub(crate) fn with_hosts(hosts: &std::path::Path, program: &std::path::Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"")
        .arg(hosts)
        .arg(program);
    command
}
