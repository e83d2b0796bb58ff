//! Goal: what a loss leaves behind never makes replies and commands part ways. Method: links that
//! are lost in the middle of what has a beginning and an end: transactions, large frames, logins.

use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::fakes::{Cut, Cutter, FakeSentinel, FakeServer, Reaction};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(10);

/// Has the server end all connections but the one asking.
fn cut_links(bed: &Bed) {
    let killed = bed
        .primary()
        .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert!(matches!(killed, Value::Int(1..)), "{killed:?}");
}

fn starts(reply: &Value, text: &str) -> bool {
    reply.error().is_some_and(|error| error.starts_with(text))
}

#[test]
fn a_queue_the_server_found_fault_with_is_not_executed_on_another_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    assert!(client.call(&["NOSUCHCOMMAND"]).error().is_some());
    cut_links(&bed);
    let reply = client.call(&["EXEC"]);
    assert!(starts(&reply, "EXECABORT"), "{reply:?}");
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}

/// A proxy that gives up soon, and a client of a primary that can be demoted by hand.
fn impatient() -> (Bed, Proxy, Client) {
    let bed = Bed::builder()
        .replicas(1)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "1s")
        .start_ready();
    let client = proxy.connect();
    (bed, proxy, client)
}

fn demote(bed: &Bed) {
    let port = bed.server(1).port().to_string();
    let demoted = bed.server(0).command(&["REPLICAOF", "127.0.0.1", &port]);
    assert!(demoted.is_ok());
}

fn promote(bed: &Bed, proxy: &Proxy) {
    assert!(bed.server(0).command(&["REPLICAOF", "NO", "ONE"]).is_ok());
    proxy.wait_primary(SOON, bed.server(0).addr());
}

#[test]
fn a_transaction_that_was_given_up_is_not_begun_again() {
    let (bed, proxy, mut client) = impatient();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    demote(&bed);
    // The server discards it and says why; there is no primary until the hold is over.
    let reply = client.call(&["EXEC"]);
    assert!(starts(&reply, "EXECABORT steadfast"), "{reply:?}");
    promote(&bed, &proxy);
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}

#[test]
fn what_follows_a_refused_multi_is_not_executed_by_itself() {
    let (bed, proxy, mut client) = impatient();
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
    demote(&bed);
    wait_until(SOON, "the demotion is noticed", || proxy.gate_is("shut"));
    client.send(&["MULTI"]).unwrap();
    let _refused_or_not = client.reply().unwrap();
    promote(&bed, &proxy);
    client.send(&["SET", "k", "v"]).unwrap();
    client.send(&["EXEC"]).unwrap();
    let _about_set = client.reply().unwrap();
    let reply = client.reply().unwrap();
    assert!(starts(&reply, "EXECABORT"), "{reply:?}");
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
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
    assert!(starts(&reply, "MASTERDOWN"), "{reply:?}");
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    client.send_raw(rest).unwrap();
    client.send_raw(b"\r\n").unwrap();
    let told = client.reply_within(Duration::from_millis(500));
    assert!(told.is_err(), "{told:?} to a part of a value");
    server.restart();
    assert!(client.call(&["ECHO", "mine"]).text() == "mine");
}

/// A proxy in front of what listens there.
fn in_front_of(address: std::net::SocketAddr) -> (FakeSentinel, Proxy) {
    let sentinel = FakeSentinel::start("mymaster", address, 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--sentinel-discovery", "off")
        .flag("--hold-timeout", "20s")
        .start_ready();
    (sentinel, proxy)
}

/// More than is kept of what is in flight on one link, as this many commands.
fn more_than_kept(value: &str) -> (usize, Vec<u8>) {
    let one = command(&["SET", "k", value]);
    let count = 1_300_000 / one.len();
    (count, one.repeat(count))
}

#[test]
fn an_exec_that_was_written_is_uncertain_however_much_was_in_flight() {
    let server = FakeServer::start(|words| match words[0].as_str() {
        "MULTI" => Reaction::AsUsual,
        "SET" | "EXEC" => Reaction::Nothing,
        "INCR" => Reaction::ReplyAndClose(Vec::new()),
        _ => Reaction::AsUsual,
    });
    let (_sentinel, proxy) = in_front_of(server.addr());
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    let set = command(&["SET", "k", "v"]);
    let (_, more) = more_than_kept(&"v".repeat(1000));
    let count = 2;
    let mut bytes = set.repeat(count);
    bytes.extend(command(&["EXEC"]));
    bytes.extend(more);
    bytes.extend(command(&["INCR", "k"]));
    client.send_raw(&bytes).unwrap();
    for _ in 0..count {
        assert_eq!(client.reply().unwrap().text(), "QUEUED");
    }
    let reply = client.reply().unwrap();
    assert!(starts(&reply, "UNCERTAIN"), "{reply:?}");
    let reply = client.reply().unwrap();
    assert!(starts(&reply, "UNCERTAIN"), "{reply:?}");
}

#[test]
fn nobody_goes_on_in_another_database_however_much_was_in_flight() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let mut bytes = command(&["DEBUG", "SLEEP", "0.5"]);
    bytes.extend(command(&["SELECT", "5"]));
    let (count, sets) = more_than_kept(&"v".repeat(1000));
    bytes.extend(sets);
    client.send_raw(&bytes).unwrap();
    for _ in 0..count + 2 {
        assert!(client.reply().unwrap().is_ok());
    }
    cut_links(&bed);
    // To be closed is an answer, too.
    let _ = client.try_call(&["SET", "probe", "v"]);
    assert_eq!(bed.primary().command(&["EXISTS", "probe"]), Value::Int(0));
}

#[test]
fn what_a_large_transaction_set_is_not_forgotten() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SELECT", "5"]).text(), "QUEUED");
    let large = "v".repeat(200_000);
    assert_eq!(client.call(&["SET", "k", &large]).text(), "QUEUED");
    assert_eq!(client.call(&["EXEC"]).items().len(), 2);
    cut_links(&bed);
    let _ = client.try_call(&["SET", "probe", "v"]);
    assert_eq!(bed.primary().command(&["EXISTS", "probe"]), Value::Int(0));
}

#[test]
fn a_reply_to_be_skipped_is_skipped_also_when_it_comes_again() {
    let bed = Bed::lonely();
    let cutter = Cutter::start(bed.primary().addr());
    let (_sentinel, proxy) = in_front_of(cutter.addr());
    let mut client = proxy.connect();
    let value = "v".repeat(50_000);
    assert!(client.call(&["SET", "spared", &value]).is_ok());
    client.send(&["CLIENT", "REPLY", "SKIP"]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    cutter.arm("spared", Cut::Reply(1000));
    client.send(&["GET", "spared"]).unwrap();
    wait_until(SOON, "the link is cut", || cutter.cuts() == 1);
    assert!(client.call(&["ECHO", "mine"]).text() == "mine");
}

#[test]
fn a_script_is_loaded_once_however_many_commands_ask_for_it() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let script = format!("return 1 --{}", "x".repeat(20_000));
    let digest = client.call(&["SCRIPT", "LOAD", &script]).text();
    assert_eq!(client.call(&["EVALSHA", &digest, "0"]), Value::Int(1));
    // Nobody loads it again for the new process.
    bed.primary().restart();
    proxy.wait_ready();
    wait_until(SOON, "it serves again", || {
        client.call(&["PING"]).text() == "PONG"
    });
    let count = 200;
    let bytes = command(&["EVALSHA", &digest, "0"]).repeat(count);
    client.send_raw(&bytes).unwrap();
    for _ in 0..count {
        assert_eq!(client.reply().unwrap(), Value::Int(1));
    }
    let stats = client.call(&["INFO", "commandstats"]).text();
    let loads = stats.lines().find(|line| line.contains("script|load"));
    assert!(loads.unwrap().contains("calls=1,"), "{loads:?}");
}

#[test]
fn a_client_that_has_logged_in_again_survives_the_loss_of_its_link() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .requirepass("secret")
        .user("app", "on >app-pw ~* &* +@all")
        .start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "app", "app-pw"]).is_ok());
    assert!(client.call(&["SELECT", "3"]).is_ok());
    assert!(client.call(&["AUTH", "app", "app-pw"]).is_ok());
    assert!(client.call(&["SET", "here", "v"]).is_ok());
    let id = client.call(&["CLIENT", "LIST"]).text();
    let ours = id.lines().find(|line| line.contains("db=3"));
    let id = ours.and_then(|line| line.split(['=', ' ']).nth(1)).unwrap();
    bed.primary().command(&["CLIENT", "KILL", "ID", id]);
    assert_eq!(client.call(&["EXISTS", "here"]), Value::Int(1));
    assert_eq!(client.call(&["ACL", "WHOAMI"]).text(), "app");
}

#[test]
fn a_large_part_of_a_lost_transaction_is_no_reason_to_close() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let large = "v".repeat(200_000);
    assert!(client.call(&["MULTI"]).is_ok());
    assert_eq!(client.call(&["SET", "k", &large]).text(), "QUEUED");
    cut_links(&bed);
    assert_eq!(client.call(&["SET", "k", "v"]).text(), "QUEUED");
    assert_eq!(client.call(&["SET", "k", &large]).text(), "QUEUED");
    assert!(starts(&client.call(&["EXEC"]), "EXECABORT"));
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
}

#[test]
fn a_reset_in_flight_does_not_keep_a_client_with_a_password_waiting() {
    let lost = std::sync::atomic::AtomicBool::new(false);
    let server = FakeServer::start(move |words| {
        let first = || !lost.swap(true, std::sync::atomic::Ordering::Relaxed);
        match words[0].as_str() {
            "RESET" if first() => Reaction::ReplyAndClose(Vec::new()),
            "RESET" => Reaction::Reply(b"+RESET\r\n".to_vec()),
            _ => Reaction::AsUsual,
        }
    });
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let password = std::env::temp_dir().join(format!("steadfast-review-{}", std::process::id()));
    std::fs::write(&password, "secret\n").unwrap();
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--sentinel-discovery", "off")
        .flag("--password-file", &password)
        .flag("--client-password-file", &password)
        .start_ready();
    std::fs::remove_file(&password).unwrap();
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "secret"]).is_ok());
    assert_eq!(client.call(&["RESET"]).text(), "RESET");
    assert!(starts(&client.call(&["SET", "k", "v"]), "NOAUTH"));
    assert!(client.call(&["AUTH", "secret"]).is_ok());
    assert!(client.call(&["SET", "k", "v"]).is_ok());
}

/// CPU time a proxy uses for many of one command in pipelines.
fn cost(proxy: &Proxy, args: &[&str]) -> u64 {
    let mut client = proxy.connect();
    let before = proxy.cpu_ticks();
    for _ in 0..20 {
        client.send_raw(&command(args).repeat(2000)).unwrap();
        for _ in 0..2000 {
            client.reply().unwrap();
        }
    }
    proxy.cpu_ticks() - before
}

#[test]
fn errors_in_a_pipeline_cost_hardly_more_than_other_replies() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let (usual, errors) = (cost(&proxy, &["TTL", "k"]), cost(&proxy, &["LPUSH"]));
    assert!(errors < 10 * usual.max(10), "{errors} ticks, not {usual}");
}
