//! SIGHUP has the files read at once, says what came of it, and ends nothing.

use std::time::Duration;

use serde_json::Value as Json;

use crate::bed::{Bed, wait_until};
use crate::pki::{LOCAL, Pair, Pki};
use crate::proxy::Proxy;

use super::rotation::{Volume, connect};

const SOON: Duration = Duration::from_secs(60);
/// The files are looked at every ten seconds anyway. That this comes just before the signal, so that the
/// signal finds nothing new, happens once in a while, but not so many times in a row.
const ROUNDS: usize = 4;

fn with_volume(bed: &Bed, pki: &Pki) -> (Volume, Proxy) {
    let volume = Volume::new(bed.dir(), &pki.ca(), &pki.issue(&LOCAL));
    let proxy = Proxy::for_bed(bed)
        .flag("--listen-tls", "127.0.0.1:0")
        .flag("--listen-tls-cert-file", volume.at("tls.crt"))
        .flag("--listen-tls-key-file", volume.at("tls.key"))
        .start_ready();
    (volume, proxy)
}

/// Makes the change, sends the signal, waits for what comes of the change, and says whether it was the
/// signal that brought it.
#[track_caller]
fn brought_by_signal(proxy: &Proxy, event: &str, change: impl FnOnce()) -> bool {
    let known = proxy.events(event).len();
    change();
    proxy.hang_up();
    let latest = || proxy.events(event).get(known).cloned();
    wait_until(SOON, event, || latest().is_some());
    latest().is_some_and(|fields: Json| fields["asked"] == true)
}

#[test]
fn new_connections_see_a_new_certificate_at_once() {
    let bed = Bed::lonely();
    let old = Pki::new();
    let (volume, proxy) = with_volume(&bed, &old);
    let mut before = connect(&proxy, &old.trust(None)).unwrap();
    let noticed_at_once = (2..2 + ROUNDS).any(|version| {
        let new = Pki::new();
        let at_once = brought_by_signal(&proxy, "tls_renewed", || {
            volume.publish(&format!("..{version}"), &new.ca(), &new.issue(&LOCAL));
        });
        connect(&proxy, &new.trust(None)).unwrap();
        assert!(connect(&proxy, &old.trust(None)).is_err());
        at_once
    });
    assert!(noticed_at_once, "each time it was the clock");
    assert_eq!(before.call(&["PING"]).text(), "PONG");
}

#[test]
fn what_cannot_be_used_is_said_and_the_old_kept() {
    let bed = Bed::lonely();
    let pki = Pki::new();
    let (volume, proxy) = with_volume(&bed, &pki);
    let said_at_once = (2..2 + ROUNDS).any(|version| {
        let torn = Pair {
            cert: pki.issue(&LOCAL).cert,
            key: pki.issue(&LOCAL).key,
        };
        brought_by_signal(&proxy, "tls_not_renewed", || {
            volume.publish(&format!("..{version}"), &pki.ca(), &torn);
        })
    });
    assert!(said_at_once, "each time it was the clock");
    connect(&proxy, &pki.trust(None)).unwrap();
}

#[test]
fn where_nothing_is_new_that_is_said_and_nothing_ends() {
    let bed = Bed::lonely();
    let (_volume, proxy) = with_volume(&bed, &Pki::new());
    let mut client = proxy.connect();
    for told in 1..=3 {
        proxy.hang_up();
        wait_until(SOON, "it is said", || {
            proxy.events("tls_unchanged").len() == told
        });
    }
    assert_eq!(proxy.events("reload_asked").len(), 3);
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    assert!(proxy.events("tls_renewed").is_empty());
}

#[test]
fn without_any_file_it_ends_nothing_either() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    proxy.hang_up();
    wait_until(SOON, "it is heard", || {
        proxy.events("reload_asked").len() == 1
    });
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
}
