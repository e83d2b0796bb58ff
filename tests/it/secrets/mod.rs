//! Goal: passwords can be replaced while clients work, refused logins are said in words that tell
//! what to do, the rights that the README lists are enough, and nothing ever prints a password.
//! Method: real servers and Sentinels with ACL users, and files swapped as Kubernetes swaps them.

mod hygiene;
mod rights;
mod rotation;
mod trouble;
mod users;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT, Node, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;

/// The files are looked at every ten seconds, and sooner when a server refuses what they said.
const NOTICED: Duration = Duration::from_secs(25);
const SOON: Duration = Duration::from_secs(10);

/// A volume as the kubelet makes it: `NAME -> ..data/NAME`, `..data -> ..VERSION`.
struct Volume(PathBuf);

impl Volume {
    /// One with these files, all of them saying `text`.
    fn new(bed: &Bed, names: &[&str], text: &str) -> Self {
        let volume = Self(bed.dir().join("volume"));
        fs::create_dir(&volume.0).unwrap();
        volume.publish("1", names, text);
        for name in names {
            symlink(Path::new("..data").join(name), volume.at(name)).unwrap();
        }
        volume
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Swaps all files at once.
    fn publish(&self, version: &str, names: &[&str], text: &str) {
        let dir = self.0.join(format!("..{version}"));
        fs::create_dir(&dir).unwrap();
        for name in names {
            fs::write(dir.join(name), text).unwrap();
        }
        let next = self.0.join("..next");
        symlink(format!("..{version}"), &next).unwrap();
        fs::rename(next, self.0.join("..data")).unwrap();
    }
}

/// A password file of the bed's own.
fn file(bed: &Bed, name: &str, text: &str) -> PathBuf {
    let path = bed.dir().join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    path
}

/// Waits until the others follow `new`, which was promoted.
#[track_caller]
fn settle(bed: &Bed, new: &Node) {
    bed.wait_named(new);
    let others = [0, 1, 2].map(|index| bed.server(index));
    let follow = |node: &&Node| node.port() == new.port() || node.role() == "slave";
    wait_until(FAILOVER_LIMIT, "the others follow", || {
        others.iter().all(follow)
    });
    bed.wait_whole();
}

/// A client for which the proxy needs a connection of its own: its id has to lead somewhere.
#[track_caller]
fn with_link_of_its_own(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    let id = client.call(&["CLIENT", "ID"]);
    assert!(id.error().is_none(), "{id:?}");
    client
}
