//! Each leg alone, and all of them.

use std::time::Duration;

use rustls::version::{TLS12, TLS13};

use super::{all_legs, leg};
use crate::bed::Bed;
use crate::client::Client;
use crate::pki::{LOCAL, Pki, Secured};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(5);
/// A value of many records that fits no socket buffer.
const LARGE: usize = 12 << 20;

/// A client of the port for TLS.
#[track_caller]
fn connect(proxy: &Proxy, by: &Secured) -> Client {
    let address = proxy.listeners("clients_tls")[0];
    Client::try_connect_as(address, Some(&by.trust)).unwrap()
}

#[track_caller]
fn serves(client: &mut Client) {
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    assert_eq!(client.call(&["GET", "k"]).text(), "v");
}

#[test]
fn clients_alone() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let pair = by.pki.issue(&LOCAL);
    let proxy = Proxy::for_bed(&bed)
        .flag("--listen-tls-cert-file", &pair.cert)
        .flag("--listen-tls-key-file", &pair.key)
        .flag("--listen-tls", "127.0.0.1:0")
        .start_ready();
    serves(&mut connect(&proxy, &by));
    // The plain port is still there, and nobody asked for a certificate of the client's.
    serves(&mut proxy.connect());
    let anybody = by.pki.trust(None);
    let address = proxy.listeners("clients_tls")[0];
    serves(&mut Client::try_connect_as(address, Some(&anybody)).unwrap());
}

#[test]
fn data_nodes_alone() {
    let by = Secured::new();
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .servers_secured(&by)
        .start();
    let proxy = leg(Proxy::for_bed(&bed), "upstream", &by).start_ready();
    serves(&mut proxy.connect());
}

#[test]
fn sentinels_alone() {
    let by = Secured::new();
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .sentinels_secured(&by)
        .start();
    let proxy = leg(Proxy::for_bed(&bed), "sentinel", &by).start_ready();
    serves(&mut proxy.connect());
}

#[test]
fn all_legs_with_certificates_on_both_sides() {
    let by = Secured::new();
    let bed = Bed::builder().secured(&by).start();
    let proxy = all_legs(Proxy::for_bed(&bed), &by).start_ready();
    let mut client = connect(&proxy, &by);
    serves(&mut client);

    // Many records in both directions, a reader that comes late, and replies behind it.
    let large = "x".repeat(LARGE);
    assert!(client.call(&["SET", "large", &large]).is_ok());
    client.send(&["GET", "large"]).unwrap();
    for number in 0..100 {
        client.send(&["ECHO", &number.to_string()]).unwrap();
    }
    assert!(client.reply().unwrap().text() == large);
    for number in 0..100 {
        assert_eq!(client.reply().unwrap().text(), number.to_string());
    }

    // Subscribers are pushed to, and a blocked client is answered when there is something.
    let mut listener = connect(&proxy, &by);
    listener.call(&["SUBSCRIBE", "news"]);
    assert_eq!(client.call(&["PUBLISH", "news", "hello"]), Value::Int(1));
    assert_eq!(listener.reply_within(SOON).unwrap().at(2), "hello");
    let mut popper = connect(&proxy, &by);
    popper.send(&["BLPOP", "queue", "10"]).unwrap();
    client.call(&["RPUSH", "queue", "job"]);
    assert_eq!(popper.reply_within(SOON).unwrap().at(1), "job");
}

#[test]
fn a_half_closed_client_gets_its_replies_and_an_abrupt_end_is_an_end() {
    let by = Secured::new();
    let bed = Bed::builder().replicas(0).sentinels(1).secured(&by).start();
    let proxy = all_legs(Proxy::for_bed(&bed), &by).start_ready();
    let mut client = connect(&proxy, &by);
    client.send(&["SET", "k", "v"]).unwrap();
    client.send(&["GET", "k"]).unwrap();
    // A bare FIN, without TLS's own farewell.
    client.shutdown_write();
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().text(), "v");
    assert!(client.closed_within(SOON).is_some());
    let complaints = proxy.events("tls_failed");
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn both_versions_are_spoken_and_clients_resume() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let proxy = leg(Proxy::for_bed(&bed), "listen", &by)
        .flag("--listen-tls", "127.0.0.1:0")
        .start_ready();
    for version in [&TLS12, &TLS13] {
        let mut by = by.clone();
        by.trust = by.pki.trust_by(Some(&by.nodes), &[version]);
        let version = version.version;
        let mut first = connect(&proxy, &by);
        serves(&mut first);
        assert_eq!(first.tls_version(), Some(version));
        assert!(!first.has_resumed());
        let mut second = connect(&proxy, &by);
        serves(&mut second);
        assert!(second.has_resumed(), "{version:?}");
    }
}

#[test]
fn a_fixed_name_stands_for_every_address() {
    let mut by = Secured::new();
    by.nodes = by.pki.issue(&["data.example"]);
    by.trust = by.trust.expecting("data.example");
    let other = Pki::new();
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .servers_secured(&by)
        .start();
    let named = leg(Proxy::for_bed(&bed), "upstream", &by)
        .flag("--upstream-tls-server-name", "data.example")
        .start_ready();
    serves(&mut named.connect());
    assert!(named.events("tls_not_verified").is_empty());
    // Verified by nobody: it works, and is said.
    let unverified = Proxy::for_bed(&bed)
        .flag("--upstream-tls-ca-file", other.ca())
        .flag("--upstream-tls-cert-file", &by.nodes.cert)
        .flag("--upstream-tls-key-file", &by.nodes.key)
        .switch("--upstream-tls-skip-verify")
        .start_ready();
    serves(&mut unverified.connect());
    assert_eq!(unverified.events("tls_not_verified").len(), 1);
}
