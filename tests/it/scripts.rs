//! Goal: a script that was given once can be asked for by its digest on every primary. Method: real
//! servers, which do not hand their scripts on.

use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
const SCRIPT: &str = "return redis.call('INCR', KEYS[1])";

/// Gives the script through this client, and returns its digest.
#[track_caller]
fn load(client: &mut Client) -> String {
    let digest = client.call(&["SCRIPT", "LOAD", SCRIPT]).text();
    assert_eq!(digest.len(), 40, "{digest}");
    digest
}

#[track_caller]
fn is_noscript(reply: &Value) -> bool {
    reply
        .error()
        .is_some_and(|text| text.starts_with("NOSCRIPT"))
}

fn switch(bed: &Bed, proxy: &Proxy) {
    let new = bed.failover();
    assert_eq!(new.command(&["SCRIPT", "EXISTS", ""]).items().len(), 1);
    proxy.wait_primary(SOON, new.addr());
}

#[test]
fn a_script_given_before_a_switch_works_after_it_for_everybody() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut giver = proxy.connect();
    let digest = load(&mut giver);
    let mut evaluator = proxy.connect();
    let text = "return ARGV[1]";
    assert_eq!(evaluator.call(&["EVAL", text, "0", "a"]).text(), "a");
    switch(&bed, &proxy);
    let by_digest = ["EVALSHA", &digest, "1", "k"];
    assert_eq!(giver.call(&by_digest), Value::Int(1));
    assert_eq!(proxy.connect().call(&by_digest), Value::Int(2));
    let sum = evaluator.call(&["EVAL", "return redis.sha1hex(ARGV[1])", "0", text]);
    let reply = proxy.connect().call(&["EVALSHA", &sum.text(), "0", "b"]);
    assert_eq!(reply.text(), "b", "what EVAL brought is known as well");
}

#[test]
fn a_transaction_begun_after_a_switch_finds_its_scripts() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let digest = load(&mut client);
    switch(&bed, &proxy);
    let mut other = proxy.connect();
    for client in [&mut client, &mut other] {
        let mut burst = Vec::new();
        for line in [
            &["MULTI"][..],
            &["EVALSHA", &digest, "1", "k"],
            &["SET", "other", "1"],
            &["EXEC"],
        ] {
            burst.extend(command(line));
        }
        client.send_raw(&burst).unwrap();
        assert!(client.reply().unwrap().is_ok());
        assert_eq!(client.reply().unwrap().text(), "QUEUED");
        assert_eq!(client.reply().unwrap().text(), "QUEUED");
        let results = client.reply().unwrap();
        assert!(
            matches!(results.items()[0], Value::Int(1 | 2)),
            "{results:?}"
        );
    }
}

#[test]
fn a_transaction_open_over_a_switch_finds_its_scripts() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let digest = load(&mut client);
    client.call(&["MULTI"]);
    assert_eq!(
        client.call(&["EVALSHA", &digest, "1", "k"]).text(),
        "QUEUED"
    );
    switch(&bed, &proxy);
    assert_eq!(client.call(&["EXEC"]).items(), [Value::Int(1)]);
}

#[test]
fn a_script_the_server_lost_is_loaded_again_where_that_can_be_in_order() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let digest = load(&mut client);
    let by_digest = ["EVALSHA", &digest, "1", "k"];
    assert_eq!(client.call(&by_digest), Value::Int(1));
    assert!(bed.server(0).command(&["SCRIPT", "FLUSH"]).is_ok());
    assert_eq!(client.call(&by_digest), Value::Int(2));
    assert!(bed.server(0).command(&["SCRIPT", "FLUSH"]).is_ok());
    let burst = [command(&by_digest), command(&["GET", "k"])].concat();
    client.send_raw(&burst).unwrap();
    assert!(is_noscript(&client.reply().unwrap()), "GET is on its way");
    assert_eq!(client.reply().unwrap().text(), "2");
    let burst = [command(&by_digest), command(&["GET", "k"])].concat();
    client.send_raw(&burst).unwrap();
    assert_eq!(client.reply().unwrap(), Value::Int(3), "it is known now");
    assert_eq!(client.reply().unwrap().text(), "3");
}

#[test]
fn a_server_that_was_started_anew_gets_the_scripts_of_a_transaction() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let digest = load(&mut client);
    bed.server(0).restart();
    assert!(client.call(&["PING"]).error().is_none());
    client.call(&["MULTI"]);
    client.call(&["EVALSHA", &digest, "1", "k"]);
    assert_eq!(client.call(&["EXEC"]).items(), [Value::Int(1)]);
}

#[test]
fn what_a_client_flushed_stays_away() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let digest = load(&mut client);
    assert!(client.call(&["SCRIPT", "FLUSH"]).is_ok());
    assert!(is_noscript(&client.call(&["EVALSHA", &digest, "1", "k"])));
    let unknown = "0".repeat(40);
    assert!(is_noscript(&client.call(&["EVALSHA", &unknown, "0"])));
    assert!(client.call(&["EVALSHA"]).error().is_some());
}

#[test]
fn who_may_not_load_scripts_is_told_that_there_is_none() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let digest = load(&mut client);
    let rules = ["on", ">p", "~*", "&*", "+@all", "-script"];
    let user = [&["ACL", "SETUSER", "reader"][..], &rules].concat();
    assert!(bed.server(0).command(&user).is_ok());
    assert!(bed.server(0).command(&["SCRIPT", "FLUSH"]).is_ok());
    let mut reader = proxy.connect();
    assert!(reader.call(&["AUTH", "reader", "p"]).is_ok());
    for _ in 0..2 {
        assert!(is_noscript(&reader.call(&["EVALSHA", &digest, "1", "k"])));
        assert!(reader.call(&["SET", "still", "here"]).is_ok());
    }
    assert_eq!(client.call(&["EVALSHA", &digest, "1", "k"]), Value::Int(1));
    assert_eq!(reader.call(&["EVALSHA", &digest, "1", "k"]), Value::Int(2));
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
