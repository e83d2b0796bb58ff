//! Child processes that never outlive the demo, free ports, and the search for a server binary.

use std::env;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A child that is killed and reaped when this value goes, on a panic too.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `program`, its output in `log`.
    ///
    /// It gets a process group of its own, so that Ctrl-C reaches the demo alone, which then stops
    /// its children in order; and where `setpriv` exists the kernel kills it should the demo itself
    /// be killed.
    pub(crate) fn start(program: &Path, args: &[String], log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut command = match find_program("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(args)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Self { child })
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: nothing of the demo is worth saving, and for the primary it is the very point.
        // Neither call can fail in a way that leaves anything to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `count` different ports nobody listens on.
pub(crate) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    // All are held until the last is chosen, or the kernel might hand one out twice.
    let held = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<Vec<_>>>()?;
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

/// The data server to use: Valkey where there is one, else Redis.
pub(crate) fn find_server() -> Option<PathBuf> {
    ["valkey-server", "redis-server"]
        .into_iter()
        .find_map(find_program)
}

/// The command line client that is installed, for the hints.
pub(crate) fn cli_name() -> &'static str {
    match find_program("valkey-cli") {
        Some(_) => "valkey-cli",
        None => "redis-cli",
    }
}

/// The `steadfast` binary of the same build: `target/PROFILE/examples/..`.
pub(crate) fn find_steadfast() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let profile = own.ancestors().nth(2);
    let found = profile
        .map(|folder| folder.join("steadfast"))
        .filter(|path| path.is_file());
    found.ok_or_else(|| {
        let message = format!(
            "no steadfast binary beside {}: build it first",
            own.display()
        );
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
