//! What each signal asks for, and what a second one does.

use rustix::process::Signal;

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::{Builder, Proxy};

use super::{SOON, told, wait_closed};

/// A proxy that would give clients longer than any test waits, and a client it has to wait for.
fn waiting(bed: &Bed) -> (Proxy, Client) {
    waiting_as(Proxy::for_bed(bed))
}

fn waiting_as(proxy: Builder) -> (Proxy, Client) {
    let proxy = proxy.flag("--drain-timeout", "600s").start_ready();
    let mut listener = proxy.connect();
    assert_eq!(listener.call(&["SUBSCRIBE", "news"]).at(1), "news");
    (proxy, listener)
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let bed = Bed::lonely();
    for second in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let (proxy, mut listener) = waiting(&bed);
        proxy.terminate();
        wait_closed(&proxy);
        proxy.signal(second);
        assert_eq!(told(&proxy), (1, 1));
        assert!(listener.closed_within(SOON).is_some());
    }
}

#[test]
fn the_second_signal_cuts_the_delay_short() {
    let bed = Bed::lonely();
    let (proxy, _listener) = waiting_as(Proxy::for_bed(&bed).flag("--drain-delay", "600s"));
    proxy.terminate();
    wait_until(SOON, "heard", || !proxy.events("stopping").is_empty());
    proxy.terminate();
    assert_eq!(told(&proxy), (1, 1));
}

#[test]
fn sigquit_ends_it_at_once() {
    let bed = Bed::lonely();
    let (proxy, mut listener) = waiting(&bed);
    proxy.signal(Signal::QUIT);
    assert_eq!(told(&proxy), (1, 1));
    assert!(listener.closed_within(SOON).is_some());
}

#[test]
fn sigint_finishes_what_is_in_flight_and_drops_the_rest() {
    let bed = Bed::lonely();
    let (proxy, mut listener) = waiting(&bed);
    let (mut open, mut popper) = (proxy.connect(), proxy.connect());
    assert!(open.call(&["MULTI"]).is_ok());
    popper.send(&["BLPOP", "list", "0"]).unwrap();
    let blocked = || bed.primary().info("blocked_clients") == "1";
    wait_until(SOON, "blocked", blocked);
    proxy.signal(Signal::INT);
    assert!(listener.closed_within(SOON).is_some());
    assert!(open.closed_within(SOON).is_some());
    bed.primary().command(&["RPUSH", "list", "kept"]);
    assert_eq!(popper.reply_within(SOON).unwrap().at(1), "kept");
    assert!(popper.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (3, 0));
}

#[test]
fn during_the_delay_clients_come_in_and_stay() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--drain-delay", "5s")
        .start_ready();
    let mut old = proxy.connect();
    assert_eq!(old.call(&["PING"]).text(), "PONG");
    proxy.terminate();
    wait_until(SOON, "heard", || !proxy.events("stopping").is_empty());
    let mut new = proxy.connect();
    for client in [&mut old, &mut new] {
        assert_eq!(client.call(&["ECHO", "one"]).text(), "one");
        assert_eq!(client.call(&["ECHO", "two"]).text(), "two");
    }
    wait_closed(&proxy);
    assert!(old.closed_within(SOON).is_some() && new.closed_within(SOON).is_some());
    assert_eq!(told(&proxy), (1, 0));
}
