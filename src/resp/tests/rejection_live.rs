//! The words of a running server, in each state that makes it reject commands.

use std::time::Instant;

use super::rejection::{LOADING, READONLY};
use super::server::{Client, PATIENCE, Server, command};
use crate::resp::{Class, Rejection, class, rejection};

/// What the server's answer to these words proves.
fn proven(client: &mut Client, words: &[&str]) -> Rejection {
    let reply = client.ask(words);
    rejection(&reply, class(&command(words)))
}

const SET: &[&str] = &["SET", "k", "v"];
const GET: &[&str] = &["GET", "k"];
const WRITES: &[&str] = &["EVAL", "return redis.call('SET', 'k', 'v')", "1", "k"];
const READS: &[&str] = &["XREAD", "BLOCK", "0", "STREAMS", "s", "$"];
const POPS: &[&str] = &["BLPOP", "none", "0"];

#[test]
fn a_demoted_server_says_so() {
    let server = Server::start();
    let mut client = server.connect();
    let mut watcher = server.connect();
    assert_eq!(watcher.ask(&["MULTI"]), b"+OK\r\n");
    assert_eq!(watcher.ask(SET), b"+QUEUED\r\n");
    let waiting = [READS, POPS, &["WAIT", "1", "0"]].map(|words| {
        let mut client = server.connect();
        client.send(&command(words));
        (client, class(&command(words)))
    });
    server.wait_for_blocked(waiting.len());
    server.demote();

    for (mut client, class) in waiting {
        let expected = match class {
            Class::Wait => Rejection::None,
            _ => Rejection::NotPrimary,
        };
        let reply = client.reply();
        assert!(reply.starts_with(b"-UNBLOCKED "), "{reply:?}");
        assert_eq!(rejection(&reply, class), expected);
    }
    assert_eq!(proven(&mut watcher, &["EXEC"]), Rejection::NotPrimary);
    for words in [SET, WRITES, POPS] {
        assert_eq!(proven(&mut client, words), Rejection::NotPrimary);
    }
    for words in [GET, &["PUBLISH", "c", "m"], &["WAIT", "1", "0"]] {
        assert_eq!(proven(&mut client, words), Rejection::None);
    }
}

#[test]
fn a_script_that_hands_on_an_error_is_not_believed() {
    let server = Server::start();
    let mut client = server.connect();
    let handed_on = "redis.call('INCR', 'n'); return redis.error_reply(ARGV[1])";
    for text in [READONLY, LOADING, "READONLY x", "REDIRECT 127.0.0.1:1"] {
        let words = ["EVAL", handed_on, "1", "n", text];
        let reply = client.ask(&words);
        assert_eq!(reply, format!("-{text}\r\n").as_bytes());
        assert_eq!(rejection(&reply, class(&command(&words))), Rejection::None);
    }
    server.demote();
    let caught = ["EVAL", "return redis.pcall('SET', 'k', 'v')", "1", "k"];
    assert_eq!(proven(&mut client, &caught), Rejection::None);
}

#[test]
fn a_replica_without_its_primary_says_so() {
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    server.demote();
    for words in [GET, SET, READS, &["PING"], &["EVAL_RO", "return 1", "0"]] {
        assert_eq!(proven(&mut client, words), Rejection::NotPrimary);
    }
}

#[test]
fn a_redirection_is_understood_where_there_is_one() {
    let server = Server::start();
    let mut client = server.connect();
    let mut waiting = server.connect();
    if client.ask(&["CLIENT", "CAPA", "redirect"]) != b"+OK\r\n" {
        return; // Redis has none.
    }
    waiting.ask(&["CLIENT", "CAPA", "redirect"]);
    waiting.send(&command(POPS));
    server.wait_for_blocked(1);
    client.ask(&["MULTI"]);
    client.ask(SET);
    server.demote();
    for words in [&["EXEC"][..], SET, GET, READS, POPS] {
        let reply = client.ask(words);
        assert_eq!(reply, b"-REDIRECT 127.0.0.1:1\r\n");
        let proven = rejection(&reply, class(&command(words)));
        assert_eq!(proven, Rejection::NotPrimary, "{words:?}");
    }
    let reply = waiting.reply();
    assert_eq!(rejection(&reply, Class::Blocking), Rejection::NotPrimary);
}

#[test]
fn a_primary_without_replicas_says_so() {
    let server = Server::start();
    let mut client = server.connect();
    client.ask(&["MULTI"]);
    client.ask(SET);
    server.ask(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_eq!(proven(&mut client, &["EXEC"]), Rejection::NoReplicas);
    for words in [SET, WRITES, POPS] {
        assert_eq!(proven(&mut client, words), Rejection::NoReplicas);
    }
    assert_eq!(proven(&mut client, GET), Rejection::None);
}

#[test]
fn a_missing_script_is_said_to_be() {
    let server = Server::start();
    let mut client = server.connect();
    let sha = "f".repeat(40);
    for name in ["EVALSHA", "EVALSHA_RO"] {
        assert_eq!(proven(&mut client, &[name, &sha, "0"]), Rejection::NoScript);
    }
}

#[test]
fn an_unblocked_call_is_said_to_be() {
    let server = Server::start();
    for words in [READS, POPS] {
        let mut client = server.connect();
        let reply = client.ask(&["CLIENT", "ID"]);
        let id = str::from_utf8(&reply[1..reply.len() - 2]).expect("a number");
        client.send(&command(words));
        server.wait_for_blocked(1);
        assert_eq!(server.ask(&["CLIENT", "UNBLOCK", id, "ERROR"]), b":1\r\n");
        let proven = rejection(&client.reply(), class(&command(words)));
        assert_eq!(proven, Rejection::Unblocked);
    }
}

#[test]
fn a_loading_server_says_so() {
    let server = Server::start();
    let mut client = server.connect();
    let value = "x".repeat(4096);
    for key in 0..200 {
        client.ask(&["SET", &key.to_string(), &value]);
    }
    // It looks at its clients after each KiB, and takes 2 s for it all.
    for (name, value) in [
        ("rdbcompression", "no"),
        ("loading-process-events-interval-bytes", "1024"),
        ("key-load-delay", "10000"),
    ] {
        assert_eq!(client.ask(&["CONFIG", "SET", name, value]), b"+OK\r\n");
    }
    client.ask(&["MULTI"]);
    client.ask(SET);
    let mut loader = server.connect();
    loader.send(&command(&["DEBUG", "RELOAD"]));
    let deadline = Instant::now() + PATIENCE;
    let mut asking = server.connect();
    while proven(&mut asking, GET) != Rejection::Loading {
        assert!(Instant::now() < deadline, "it is never loading");
    }
    for words in [&["EXEC"][..], SET, POPS] {
        assert_eq!(proven(&mut client, words), Rejection::Loading);
    }
    assert_eq!(proven(&mut asking, WRITES), Rejection::None);
}
