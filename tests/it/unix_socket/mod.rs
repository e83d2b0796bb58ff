//! Goal: at a Unix socket clients find what they find at a port, and its file is in nobody's way.
//! Method: the clients of other tests by way of a file; files of every kind where the socket shall be.

mod clients;
mod file;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::client::Client;
use crate::proxy::Builder;

/// Also listens at `path`.
fn at(proxy: Builder, path: &Path) -> Builder {
    proxy.flag("--listen", listen(path))
}

fn listen(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[track_caller]
fn connect(path: &Path) -> Client {
    Client::try_connect_unix(path).unwrap()
}

/// The command line client of the servers here, connecting to `path`.
fn cli(path: &Path) -> Command {
    let there = |name: &str| {
        let mut version = Command::new(name);
        version.arg("--version").stdout(Stdio::null());
        version.status().is_ok()
    };
    let name = if there("redis-cli") {
        "redis-cli"
    } else {
        "valkey-cli"
    };
    let mut command = Command::new(name);
    command.arg("-s").arg(path);
    command
}

/// A directory for sockets, which anybody may enter.
fn directory() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new()
        .prefix("steadfast-unix-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    let path = dir.path().join("a.sock");
    (dir, path)
}
