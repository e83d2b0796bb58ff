//! Goal: what has ended has ended everywhere: no connection, no blocked command and no descriptor
//! outlives its client, and no command its moment. Method: clients that leave at awkward moments.

use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::fakes::{FakeSentinel, FakeServer, Reaction};
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

/// A proxy whose own login makes a dial wait for a frozen server.
fn patient_dialler(bed: &Bed, hold: &str) -> Proxy {
    let password = bed.dir().join("password");
    std::fs::write(&password, "app-pw\n").unwrap();
    Proxy::for_bed(bed)
        .flag("--username", "app")
        .flag("--password-file", password)
        .flag("--connect-timeout", "9s")
        .flag("--hold-timeout", hold)
        .start_ready()
}

fn with_login() -> Bed {
    Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .user("app", "on >app-pw ~* &* +@all")
        .start()
}

#[test]
fn a_blocked_client_that_leaves_after_its_quit_pops_nothing() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let mut bytes = command(&["BLPOP", "list", "0"]);
    bytes.extend(command(&["QUIT"]));
    client.send_raw(&bytes).unwrap();
    let blocked = || bed.primary().info("blocked_clients");
    wait_until(SOON, "blocked", || blocked() == "1");
    drop(client);
    wait_until(SOON, "no longer blocked", || blocked() == "0");
    bed.primary().command(&["RPUSH", "list", "kept"]);
    assert_eq!(proxy.connect().call(&["LPOP", "list"]).text(), "kept");
}

#[test]
fn a_large_frame_that_breaks_off_is_told_and_closed() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    let mut bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000\r\n".to_vec();
    bytes.resize(bytes.len() + 200_000, b'v');
    bytes.extend_from_slice(b"xx");
    client.send_raw(&bytes).unwrap();
    let reply = client.reply_within(SOON).unwrap();
    assert!(
        reply.error().unwrap().starts_with("ERR Protocol error"),
        "{reply:?}"
    );
    assert!(client.closed_within(SOON).is_some());
    assert_eq!(proxy.connect().call(&["EXISTS", "k"]).text(), "0");
}

#[test]
fn half_a_large_command_is_not_held_longer_than_a_whole_one() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "1s")
        .start_ready();
    let mut client = proxy.connect();
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    let mut bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900000\r\n".to_vec();
    bytes.resize(500_000, b'v');
    client.send_raw(&bytes).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    bed.primary().freeze();
    let reply = client.reply_within(SOON).unwrap();
    let told = reply
        .error()
        .is_some_and(|text| text.starts_with("MASTERDOWN"));
    assert!(told, "{reply:?}");
    // The rest of it is taken and forgotten, and what follows is answered.
    let mut rest = vec![b'v'; 900_000 - (500_000 - 36)];
    rest.extend(command(&["SET", "k", "v"]));
    client.send_raw(&rest).unwrap();
}

#[test]
fn a_dial_that_outlives_its_client_leaves_no_link() {
    let bed = with_login();
    let proxy = patient_dialler(&bed, "0s");
    let server = bed.primary();
    let before = proxy.descriptors();
    server.freeze();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = proxy.connect();
            client.send(&["GET", "k"]).unwrap();
            client
        })
        .collect();
    for mut client in clients {
        let reply = client.reply_within(SOON).unwrap();
        assert!(
            reply.error().unwrap().starts_with("MASTERDOWN"),
            "{reply:?}"
        );
    }
    std::thread::sleep(Duration::from_millis(300));
    server.thaw();
    proxy.wait_ready();
    wait_until(SOON, "all is closed", || proxy.descriptors() <= before + 3);
}

#[test]
fn clients_that_do_not_wait_for_their_reply_leave_no_descriptors() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let before = proxy.descriptors();
    for _ in 0..200 {
        let mut client = proxy.connect();
        client.send(&["SET", "k", "v"]).unwrap();
    }
    wait_until(SOON, "all is closed", || proxy.descriptors() <= before + 5);
}

#[test]
fn a_stopping_process_follows_a_switch() {
    let waits = |words: &[String]| match words[0].as_str() {
        "LATER" => Reaction::Nothing,
        _ => Reaction::AsUsual,
    };
    let (old, new) = (FakeServer::start(waits), FakeServer::start(waits));
    let sentinel = FakeSentinel::start("mymaster", old.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster").start_ready();
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "early", "1"]).is_ok());
    // What is in flight keeps the session through the grace of a stop.
    client.send(&["LATER"]).unwrap();
    wait_until(SOON, "in flight", || old.count("LATER") == 1);
    proxy.terminate();
    wait_until(SOON, "stopping", || {
        Client::try_connect(proxy.addr()).is_err()
    });
    sentinel.name_primary("127.0.0.1", new.addr().port(), 2);
    wait_until(SOON, "switched", || {
        proxy.events("primary_changed").len() == 2
    });
    let _ = client.send(&["SET", "late", "1"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(old.count("late"), 0, "sent to a primary of the past");
}

#[test]
fn a_command_whose_client_left_while_its_link_was_dialled_is_not_held() {
    let bed = with_login();
    let proxy = patient_dialler(&bed, "20s");
    let server = bed.primary();
    server.freeze();
    let mut leaver = proxy.connect();
    leaver.send(&["SET", "leaver", "was here"]).unwrap();
    drop(leaver);
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    server.thaw();
    proxy.wait_ready();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(proxy.connect().call(&["EXISTS", "leaver"]).text(), "0");
}

#[test]
fn the_rest_of_a_lost_large_value_is_never_taken_for_commands() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "20s")
        .start_ready();
    let mut client = proxy.connect();
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    let ping = command(&["PING"]);
    let body = ping.repeat(400_000 / ping.len());
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", body.len());
    client.send_raw(head.as_bytes()).unwrap();
    let (begun, rest) = body.split_at(ping.len() * 15_000);
    client.send_raw(begun).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let server = bed.primary();
    server.kill();
    let reply = client.reply_within(SOON).unwrap();
    assert!(reply.is_error("MASTERDOWN"), "{reply:?}");
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    client.send_raw(rest).unwrap();
    client.send_raw(b"\r\n").unwrap();
    let told = client.reply_within(Duration::from_millis(500));
    assert!(told.is_err(), "{told:?} to a part of a value");
    server.restart();
    assert!(client.call(&["ECHO", "mine"]).text() == "mine");
}
