//! How a proxy is to be run.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{POOL, Proxy, binary, pool};
use crate::bed::with_hosts;

/// Settings of a [`Proxy`].
pub(crate) struct Builder {
    pub(super) sentinels: Vec<String>,
    pub(super) name: String,
    pub(super) args: Vec<OsString>,
    pub(super) hosts: Option<PathBuf>,
    pub(super) descriptors: Option<u32>,
    pub(super) variables: Vec<(OsString, OsString)>,
    pub(super) sockets: Option<(String, [OwnedFd; 2])>,
}

/// Leaves its standard input and output open to the process it becomes, as descriptors 3 and 4.
const HAND_OVER: &str =
    "exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\"";

impl Builder {
    /// One more flag with its value.
    pub(crate) fn flag(mut self, flag: &str, value: impl Into<OsString>) -> Self {
        self.args.push(flag.into());
        self.args.push(value.into());
        self
    }

    /// One more flag that needs no value.
    pub(crate) fn switch(mut self, flag: &str) -> Self {
        self.args.push(flag.into());
        self
    }

    /// The process sees `file` as `/etc/hosts`; needs root.
    pub(crate) fn hosts(mut self, file: &Path) -> Self {
        self.hosts = Some(file.into());
        self
    }

    /// Limits the process's file descriptors.
    pub(crate) fn descriptors(mut self, limit: u32) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// One more variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// These two are handed over to it, as systemd does it, by these names.
    pub(crate) fn sockets(mut self, names: &str, first: &impl AsFd, second: &impl AsFd) -> Self {
        let both = [first.as_fd(), second.as_fd()];
        let both = both.map(|socket| socket.try_clone_to_owned().unwrap());
        self.sockets = Some((names.into(), both));
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub(crate) fn start(self) -> Proxy {
        Proxy::spawn(self.command())
    }

    /// Runs it to its end; for starts that must fail.
    #[track_caller]
    pub(crate) fn run_to_end(self) -> Output {
        self.command().output().unwrap()
    }

    fn command(self) -> Command {
        let mut command = self.program();
        command
            .arg("run")
            .args(["--sentinel", &self.sentinels.join(",")])
            .args(["--primary-name", &self.name])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["--log-format", "json"])
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some((_, [first, second])) = self.sockets {
            command.stdin(first).stdout(second);
        }
        command
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn start_ready(self) -> Proxy {
        let proxy = self.start();
        proxy.wait_ready();
        proxy
    }

    fn program(&self) -> Command {
        let mut command = match (&self.hosts, self.descriptors) {
            _ if self.sockets.is_some() => {
                let mut shell = Command::new("sh");
                shell.args(["-c", HAND_OVER]).arg(binary());
                shell
            }
            (Some(hosts), _) => with_hosts(hosts, &binary()),
            (None, Some(limit)) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script]).arg(binary());
                shell
            }
            (None, None) => Command::new(binary()),
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(pool().map(|pool| (POOL, pool)))
            .envs(self.variables.iter().cloned());
        if let Some((names, _)) = &self.sockets {
            command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", names);
        }
        command
    }
}
