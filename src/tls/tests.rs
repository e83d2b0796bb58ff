//! Files that can be used, files that cannot, and what is said of them.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::reload::News;
use super::{Client, Leg, Paths, Server};

/// A certificate for `name` and its key.
fn pair(name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("signed");
    (cert.pem(), key.serialize_pem())
}

/// A directory with a good `cert` and `key`.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a directory"));
        let (cert, key) = pair("a.example");
        files.write("cert", &cert);
        files.write("key", &key);
        files
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).expect("read")
    }

    pub(crate) fn paths(&self) -> Paths {
        Paths {
            ca: None,
            cert: Some(self.at("cert")),
            key: Some(self.at("key")),
        }
    }

    #[track_caller]
    fn complaint(&self) -> String {
        let refused = Server::load(self.paths()).expect_err("it must be refused");
        refused.to_string()
    }
}

fn client(ca: &Path) -> Result<Client, super::Unusable> {
    let paths = Paths {
        ca: Some(ca.to_owned()),
        ..Paths::default()
    };
    Client::load(Leg::Upstream, paths, None, false)
}

#[test]
fn each_fault_of_a_file_has_words_of_its_own() {
    let files = Files::new();
    assert!(Server::load(files.paths()).is_ok());
    let (cert, key) = (files.read("cert"), files.read("key"));

    files.write("key", &key[..key.len() / 2]);
    let text = files.complaint();
    assert!(
        text.contains("--listen-tls-key-file") && text.contains("half written"),
        "{text}"
    );
    files.write("key", "");
    assert!(files.complaint().contains("holds no private key"));
    files.write(
        "key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    assert!(files.complaint().contains("passphrase"));
    files.write("key", &pair("b.example").1);
    assert!(files.complaint().contains("does not match the certificate"));
    files.write("key", &key);

    files.write("cert", &cert[..cert.len() - 30]);
    let text = files.complaint();
    assert!(
        text.contains("--listen-tls-cert-file") && text.contains("half written"),
        "{text}"
    );
    files.write("cert", &key);
    assert!(files.complaint().contains("holds no certificate"));
    fs::remove_file(files.at("cert")).expect("removed");
    let text = files.complaint();
    assert!(text.contains("cannot read the certificate file"), "{text}");
    let text = client(&files.at("none"))
        .expect_err("unreadable")
        .to_string();
    assert!(text.contains("--upstream-tls-ca-file"), "{text}");
}

#[test]
fn a_certificate_and_its_key_belong_together() {
    let files = Files::new();
    let alone = Paths {
        key: None,
        ..files.paths()
    };
    let text = Server::load(alone).expect_err("half").to_string();
    assert!(text.contains("without --listen-tls-key-file"), "{text}");
    let text = Server::load(Paths::default())
        .expect_err("none")
        .to_string();
    assert!(text.contains("needs a certificate"), "{text}");
}

#[test]
fn what_is_new_is_taken_once_and_what_is_bad_leaves_the_old() {
    let files = Files::new();
    let server = Server::load(files.paths()).expect("usable");
    assert!(matches!(server.refresh(), News::None));
    let (cert, key) = pair("b.example");
    files.write("cert", &cert);
    assert!(
        matches!(server.refresh(), News::Refused(_)),
        "the key is still the old one"
    );
    assert!(matches!(server.refresh(), News::None), "that has been said");
    files.write("key", &key);
    assert!(matches!(server.refresh(), News::Renewed));
    fs::remove_file(files.at("key")).expect("removed");
    assert!(matches!(server.refresh(), News::Refused(_)));
    assert!(matches!(server.refresh(), News::None));
    assert!(server.begin().is_ok());
    files.write("key", &key);
    assert!(matches!(server.refresh(), News::Renewed));
}

#[test]
fn nothing_printed_shows_a_key() {
    let files = Files::new();
    let server = Server::load(files.paths()).expect("usable");
    let key = files.read("key");
    let line = key.lines().nth(1).expect("a line of the key");
    assert!(!format!("{server:?}").contains(line));
}

#[test]
fn without_a_ca_file_somebody_is_believed_all_the_same() {
    let client = Client::load(Leg::Sentinel, Paths::default(), None, false);
    assert!(client.is_ok(), "{client:?}");
    let text = Client::load(
        Leg::Sentinel,
        Paths::default(),
        Some("a b".to_owned()),
        false,
    );
    assert!(
        text.expect_err("no name")
            .to_string()
            .contains("--sentinel-tls-server-name")
    );
}
