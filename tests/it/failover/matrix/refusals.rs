//! Error replies: those that say "not here, not now" are waited out and never seen; every other one
//! is the application's.

use std::time::Duration;

use super::stage::{SOON, is, nothing, ok, refused};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, Start, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;

/// An error that is passed on comes within this.
const AT_ONCE: Duration = Duration::from_millis(1000);

/// A bed of one server and one replica that fails nothing over.
fn steady() -> Bed {
    Bed::builder().replicas(1).down_after(60_000).start()
}

/// Makes a primary a replica of nobody, behind the Sentinels' back.
fn demote(node: &Node) {
    // Nothing listens at port 1.
    ok(&node.command(&["REPLICAOF", "127.0.0.1", "1"]));
}

#[test]
fn a_demoted_primarys_refusals_are_waited_out() {
    let bed = steady();
    let proxy = Proxy::ready(&bed);
    let server = bed.primary();
    let mut clients: Vec<_> = (0..4).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        is(&client.call(&["ECHO", "here"]), "here");
    }
    let [writer, mover, scripter, popper] = &mut clients[..] else {
        unreachable!("there are four")
    };
    ok(&mover.call(&["MULTI"]));
    is(&mover.call(&["INCR", "moved"]), "QUEUED");
    popper.send(&["BLPOP", "queue", "0"]).unwrap();
    wait_until(SOON, "it waits", || server.info("blocked_clients") == "1");
    demote(server);
    writer.send(&["INCR", "written"]).unwrap();
    mover.send(&["EXEC"]).unwrap();
    let body = "return redis.call('INCR', KEYS[1])";
    scripter.send(&["EVAL", body, "1", "scripted"]).unwrap();
    for client in [&mut *writer, &mut *mover, &mut *scripter, &mut *popper] {
        nothing(client);
    }
    ok(&server.command(&["REPLICAOF", "NO", "ONE"]));
    is(&writer.reply().unwrap(), "1");
    assert_eq!(mover.reply().unwrap(), Value::Array(vec![Value::Int(1)]));
    is(&scripter.reply().unwrap(), "1");
    wait_until(SOON, "it waits again", || {
        server.info("blocked_clients") == "1"
    });
    server.command(&["RPUSH", "queue", "job"]);
    assert_eq!(popper.reply_within(SOON).unwrap().at(1), "job");
}

#[test]
fn a_watched_transaction_that_was_refused_is_a_nil() {
    let bed = steady();
    let proxy = Proxy::ready(&bed);
    let server = bed.primary();
    let mut client = proxy.connect();
    ok(&client.call(&["WATCH", "k"]));
    ok(&client.call(&["MULTI"]));
    is(&client.call(&["INCR", "k"]), "QUEUED");
    demote(server);
    client.send(&["EXEC"]).unwrap();
    ok(&server.command(&["REPLICAOF", "NO", "ONE"]));
    let reply = client.reply().unwrap();
    // The refusal may have come after the node was primary again.
    let expected = [Value::Null, Value::Array(vec![Value::Int(1)])];
    assert!(expected.contains(&reply), "{reply:?}");
    let times = if reply == Value::Null { "" } else { "1" };
    is(&client.call(&["GET", "k"]), times);
}

/// Both forms of an OOM, each passed on at once.
#[track_caller]
fn out_of_memory(client: &mut Client) {
    let asked = Start::now();
    refused(&client.call(&["SET", "k", "v"]), "OOM command not allowed");
    ok(&client.call(&["MULTI"]));
    refused(&client.call(&["SET", "k", "v"]), "OOM command not allowed");
    let aborted = client.call(&["EXEC"]);
    refused(
        &aborted,
        "EXECABORT Transaction discarded because of previous errors",
    );
    let waited = asked.elapsed();
    asked.took(waited, AT_ONCE);
}

#[test]
fn out_of_memory_is_said_before_and_after_a_failover() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    ok(&client.call(&["SET", "k", "v"]));
    for index in 0..3 {
        ok(&bed
            .server(index)
            .command(&["CONFIG", "SET", "maxmemory", "1"]));
    }
    out_of_memory(&mut client);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    out_of_memory(&mut client);
    is(&client.call(&["GET", "k"]), "v");
}

#[test]
fn missing_replicas_are_said_where_no_failover_explains_them() {
    let bed = Bed::builder()
        .replicas(1)
        .down_after(60_000)
        .server_line("min-replicas-to-write 1")
        .server_line("min-replicas-max-lag 1")
        .start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    // With a lag of one second allowed, a busy machine is without a good replica now and then.
    wait_until(SOON, "the replica is good", || {
        client.call(&["SET", "k", "v"]).is_ok()
    });
    bed.server(1).kill();
    wait_until(SOON, "the primary misses its replica", || {
        let reply = bed.primary().command(&["SET", "k", "direct"]);
        reply
            .error()
            .is_some_and(|text| text.starts_with("NOREPLICAS"))
    });
    let asked = Start::now();
    refused(&client.call(&["SET", "k", "v"]), "NOREPLICAS");
    let waited = asked.elapsed();
    asked.took(waited, AT_ONCE);
}
