//! Certificates are replaced under load, as Kubernetes replaces them: a symbolic link is swapped.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::pki::{LOCAL, Pair, Pki, Trust};
use crate::proxy::Proxy;

/// The files are looked at every ten seconds.
const NOTICED: Duration = Duration::from_secs(25);
const CLIENTS: usize = 20;

/// A volume as the kubelet makes it: `tls.crt -> ..data/tls.crt`, `..data -> ..version`.
pub(super) struct Volume(PathBuf);

impl Volume {
    pub(super) fn new(dir: &Path, ca: &Path, pair: &Pair) -> Self {
        let volume = Self(dir.join("volume"));
        fs::create_dir(&volume.0).unwrap();
        volume.publish("..1", ca, pair);
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), volume.at(name)).unwrap();
        }
        volume
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Swaps all files at once.
    pub(super) fn publish(&self, version: &str, ca: &Path, pair: &Pair) {
        let dir = self.0.join(version);
        fs::create_dir(&dir).unwrap();
        fs::copy(ca, dir.join("ca.crt")).unwrap();
        fs::copy(&pair.cert, dir.join("tls.crt")).unwrap();
        fs::copy(&pair.key, dir.join("tls.key")).unwrap();
        let next = self.0.join("..next");
        symlink(version, &next).unwrap();
        fs::rename(next, self.0.join("..data")).unwrap();
    }
}

pub(super) fn connect(proxy: &Proxy, trust: &Trust) -> std::io::Result<Client> {
    let mut client = Client::try_connect_as(proxy.listeners("clients_tls")[0], Some(trust))?;
    // With TLS 1.3 a refusal of the client's certificate comes after the handshake.
    client.try_call(&["PING"])?;
    Ok(client)
}

#[track_caller]
fn all_served(clients: &mut [Client]) {
    for client in clients {
        assert!(client.call(&["INCR", "n"]).error().is_none());
    }
}

#[test]
fn new_certificates_and_cas_are_taken_over_and_nobody_is_closed() {
    let bed = Bed::lonely();
    let (old, new) = (Pki::new(), Pki::new());
    let volume = Volume::new(bed.dir(), &old.ca(), &old.issue(&LOCAL));
    let proxy = Proxy::for_bed(&bed)
        .flag("--listen-tls", "127.0.0.1:0")
        .flag("--listen-tls-ca-file", volume.at("ca.crt"))
        .flag("--listen-tls-cert-file", volume.at("tls.crt"))
        .flag("--listen-tls-key-file", volume.at("tls.key"))
        .start_ready();
    let (old_trust, new_trust) = (
        old.trust(Some(&old.issue(&["app"]))),
        new.trust(Some(&new.issue(&["app"]))),
    );
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| connect(&proxy, &old_trust).unwrap())
        .collect();
    assert!(connect(&proxy, &new_trust).is_err());

    // A key of another certificate: refused, and what was there goes on.
    let (cert, key) = (new.issue(&LOCAL), new.issue(&LOCAL));
    let torn = Pair {
        cert: cert.cert,
        key: key.key,
    };
    volume.publish("..2", &new.ca(), &torn);
    wait_until(NOTICED, "the torn pair is refused", || {
        all_served(&mut clients);
        !proxy.events("tls_not_renewed").is_empty()
    });
    let refusal = proxy.events("tls_not_renewed")[0]["error"].to_string();
    assert!(
        refusal.contains("does not match the certificate"),
        "{refusal}"
    );
    connect(&proxy, &old_trust).unwrap();

    volume.publish("..3", &new.ca(), &new.issue(&LOCAL));
    wait_until(NOTICED, "the new CA is in use", || {
        all_served(&mut clients);
        connect(&proxy, &new_trust).is_ok()
    });
    wait_until(NOTICED, "the log says so", || {
        proxy.events("tls_renewed").len() == 1
    });
    // Nor does a session of before open the door.
    assert!(connect(&proxy, &old_trust).is_err());
    all_served(&mut clients);
}
