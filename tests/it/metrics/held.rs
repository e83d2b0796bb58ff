//! What is counted of commands that wait, of subscriptions that are restored, of names, and of the end of
//! the process: told, and counted by the clients.

use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;

use super::Scrape;

const SOON: Duration = Duration::from_secs(60);
/// Longer than an outage takes here, so that nothing is refused.
const HOLD: &str = "600s";
const CLIENTS: usize = 7;
/// Commands that each of them sends during the outage, in one write.
const EACH: usize = 40;
/// One command in so many is looked at.
const SAMPLED_OF: usize = 64;

fn patient(bed: &Bed) -> Proxy {
    Proxy::for_bed(bed)
        .flag("--hold-timeout", HOLD)
        .start_ready()
}

/// Waits until `/metrics` says this.
#[track_caller]
fn wait_told(proxy: &Proxy, name: &str, expected: usize) {
    wait_until(SOON, &format!("{name} is {expected}"), || {
        Scrape::of(proxy).count(name, &[]) == expected
    });
}

#[test]
fn commands_that_wait_are_counted_one_by_one() {
    let bed = Bed::lonely();
    let proxy = patient(&bed);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        assert!(client.call(&["SET", "k", "v"]).is_ok());
    }
    assert_eq!(Scrape::of(&proxy).count("steadfast_held_requests", &[]), 0);
    bed.primary().kill();
    wait_until(SOON, "the loss is noticed", || proxy.gate_is("shut"));
    let mut batch = command(&["INCR", "n"]).repeat(EACH);
    // Neither half a command nor an empty line is a command.
    batch.extend_from_slice(b"\r\n*2\r\n$3\r\nGET\r\n$1\r\n");
    for client in &mut clients {
        client.send_raw(&batch).unwrap();
    }
    wait_told(&proxy, "steadfast_held_requests", CLIENTS * EACH);
    wait_told(&proxy, "steadfast_held_connections", CLIENTS);
    bed.server(0).restart();
    for client in &mut clients {
        client.send_raw(b"n\r\n").unwrap();
        let mut replies = (0..EACH).map(|_| client.reply_within(FAILOVER_LIMIT).unwrap());
        assert!(replies.all(|reply| reply.error().is_none()));
        assert!(
            client
                .reply_within(FAILOVER_LIMIT)
                .unwrap()
                .error()
                .is_none()
        );
    }
    wait_told(&proxy, "steadfast_held_requests", 0);
}

#[test]
fn subscriptions_made_again_are_counted_as_the_clients_have_them() {
    const CHANNELS: usize = 5;
    let bed = Bed::usual();
    let proxy = patient(&bed);
    let mut listeners: Vec<_> = (0..CLIENTS).map(|_| proxy.connect()).collect();
    for (index, listener) in listeners.iter_mut().enumerate() {
        for channel in 0..CHANNELS {
            listener.call(&["SUBSCRIBE", &format!("{index}:{channel}")]);
        }
        listener.call(&["PSUBSCRIBE", &format!("{index}:*")]);
    }
    let restored = "steadfast_subscriptions_restored_total";
    assert_eq!(Scrape::of(&proxy).count(restored, &[]), 0);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    wait_told(&proxy, restored, CLIENTS * (CHANNELS + 1));
    let restores = Scrape::of(&proxy).count("steadfast_session_restores_total", &[]);
    assert_eq!(restores, CLIENTS);
}

/// Sends all of these, `rounds` times, and waits for the replies.
fn converse(client: &mut Client, commands: &[&[&str]], rounds: usize) {
    for _ in 0..rounds {
        for args in commands {
            client.send(args).unwrap();
        }
        for _ in commands {
            client.reply().unwrap();
        }
    }
}

#[test]
fn one_command_in_so_many_is_counted_by_its_name_and_timed() {
    const ROUNDS: usize = 4_000;
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed).flag("--workers", "1").start_ready();
    let mut client = proxy.connect();
    let commands: [&[&str]; 4] = [
        &["set", "k", "v"],
        &["GET", "k"],
        &["Incr", "n"],
        &["NOSUCHCOMMAND", "x"],
    ];
    converse(&mut client, &commands, ROUNDS);
    let scrape = Scrape::of(&proxy);
    let expected = ROUNDS / SAMPLED_OF;
    for name in ["SET", "GET", "INCR", "other"] {
        let counted = scrape.count("steadfast_requests_sampled_total", &[("command", name)]);
        let is_near = counted > expected / 2 && counted < expected * 2;
        assert!(
            is_near,
            "{counted} {name} of {ROUNDS}, not about {expected}"
        );
    }
    let all = scrape.count("steadfast_requests_sampled_total", &[]);
    let total = scrape.count("steadfast_requests_total", &[]);
    assert_eq!(total, ROUNDS * commands.len());
    let near = total / SAMPLED_OF;
    assert!(all > near / 2 && all < near * 2, "{all} of {total}");

    let count = |name: &str| scrape.value(&format!("{name}_count"), &[]);
    let sum = |name: &str| scrape.value(&format!("{name}_sum"), &[]);
    let (client_view, server, own) = (
        "steadfast_request_duration_seconds",
        "steadfast_upstream_request_duration_seconds",
        "steadfast_proxy_overhead_seconds",
    );
    let timed = count(client_view);
    assert!(timed > 0.0 && timed <= all as f64, "{timed} of {all}");
    assert_eq!((count(server), count(own)), (timed, timed));
    // What the client sees ends before the last of our own part, its reply on its way.
    assert!(sum(server) <= sum(client_view), "{}", sum(server));
    assert!(sum(client_view) <= sum(server) + sum(own), "{}", sum(own));
}

#[test]
fn a_process_that_was_asked_to_stop_says_that_it_drains() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--drain-timeout", HOLD)
        .start_ready();
    let mut busy = proxy.connect();
    assert!(busy.call(&["MULTI"]).is_ok());
    let is = |state| Scrape::of(&proxy).value("steadfast_state", &[("state", state)]) == 1.0;
    assert!(is("serving"));
    proxy.terminate();
    wait_until(SOON, "it drains", || is("draining"));
    assert!(!is("serving"));
}
