//! What may change something is answered as a replica answers it, and is never sent.

use super::*;
use crate::client::command;
use crate::value::Value;

const POOLS: [&str; 2] = ["shared", "session"];

/// What must not be carried out, in whatever way it could be asked for.
const WRITES: [&[&str]; 14] = [
    &["SET", "k", "v"],
    &["set", "k", "v"],
    &["DEL", "k"],
    &["FLUSHALL"],
    &["GETEX", "k", "EX", "10"],
    &["SORT", "l", "STORE", "k"],
    &["BLPOP", "l", "0"],
    &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"],
    &["EVAL", "return redis.call('SET', 'k', 'v')", "0"],
    &["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"],
    &["FCALL", "f", "0"],
    &["NO.SUCH.COMMAND", "k"],
    &["REPLICAOF", "NO", "ONE"],
    &["CONFIG", "SET", "replica-read-only", "no"],
];

fn each_pool(story: impl Fn(&Bed, &Proxy)) {
    let bed = Bed::usual();
    for pool in POOLS {
        let proxy = serving(reading(&bed).flag("--pool", pool), 2);
        story(&bed, &proxy);
    }
    let primary = bed.primary();
    assert_eq!(primary.command(&["DBSIZE"]), Value::Int(0));
    for index in 1..=2 {
        assert_eq!(bed.server(index).role(), "slave");
    }
}

#[test]
fn writes_are_refused_whatever_they_look_like() {
    each_pool(|_, proxy| {
        for version in ["2", "3"] {
            let mut client = connect(proxy);
            assert_eq!(client.call(&["HELLO", version]).error(), None);
            for write in WRITES {
                let reply = client.call(write);
                assert_eq!(reply.error(), Some(READONLY), "{write:?}");
                assert_eq!(client.call(&["GET", "k"]).error(), None);
            }
        }
    });
}

#[test]
fn a_pipeline_is_answered_in_its_order() {
    each_pool(|_, proxy| {
        let mut client = connect(proxy);
        let mut batch = Vec::new();
        for write in WRITES {
            batch.extend(command(&["ECHO", write[0]]));
            batch.extend(command(write));
        }
        batch.extend(b"SET k inline\r\nECHO end\r\n");
        client.send_raw(&batch).unwrap();
        for write in WRITES {
            assert_eq!(client.reply().unwrap().text(), write[0]);
            assert_eq!(client.reply().unwrap().error(), Some(READONLY), "{write:?}");
        }
        assert_eq!(client.reply().unwrap().error(), Some(READONLY));
        assert_eq!(client.reply().unwrap().text(), "end");
    });
}

#[test]
fn a_large_write_is_refused_before_its_end_and_swallowed() {
    each_pool(|_, proxy| {
        let mut client = connect(proxy);
        let value = "v".repeat(1 << 20);
        let frame = command(&["SET", "k", &value]);
        let (front, rest) = frame.split_at(frame.len() / 2);
        client.send_raw(front).unwrap();
        assert_eq!(client.reply().unwrap().error(), Some(READONLY));
        client.send_raw(rest).unwrap();
        assert_eq!(client.call(&["ECHO", &value]).text(), value);
    });
}

#[test]
fn a_transaction_with_a_write_is_aborted_as_by_a_replica() {
    let transactions: [&[&[&str]]; 3] = [
        &[
            &["MULTI"],
            &["GET", "k"],
            &["SET", "k", "v"],
            &["GET", "k"],
            &["EXEC"],
        ],
        &[&["MULTI"], &["SET", "k", "v"], &["DISCARD"], &["GET", "k"]],
        &[&["MULTI"], &["GET", "k"], &["EXEC"]],
    ];
    each_pool(|bed, proxy| {
        for transaction in transactions {
            let mut replica = bed.server(1).connect();
            let by_replica: Vec<_> = transaction
                .iter()
                .map(|words| replica.call(words))
                .collect();
            let mut client = connect(proxy);
            let stepwise: Vec<_> = transaction.iter().map(|words| client.call(words)).collect();
            assert_eq!(stepwise, by_replica);
            let batch: Vec<u8> = transaction
                .iter()
                .flat_map(|words| command(words))
                .collect();
            client.send_raw(&batch).unwrap();
            let at_once: Vec<_> = transaction
                .iter()
                .map(|_| client.reply().unwrap())
                .collect();
            assert_eq!(at_once, by_replica);
        }
    });
}

#[test]
fn what_only_reads_or_listens_is_served() {
    let bed = Bed::usual();
    for pool in POOLS {
        let proxy = serving(reading(&bed).flag("--pool", pool), 2);
        let mut writer = proxy.connect();
        assert!(writer.call(&["SET", "k", "v"]).is_ok());
        assert_eq!(writer.call(&["WAIT", "2", "10000"]), Value::Int(2));
        let mut client = connect(&proxy);
        assert_eq!(client.call(&["GET", "k"]).text(), "v");
        let script = ["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "k"];
        assert_eq!(client.call(&script).text(), "v");
        let digest = client.call(&["SCRIPT", "LOAD", "return 7"]).text();
        assert_eq!(client.call(&["EVALSHA_RO", &digest, "0"]), Value::Int(7));
        assert_eq!(client.call(&["PUBLISH", "nobody", "x"]), Value::Int(0));
        assert!(client.call(&["CLIENT", "CAPA", "redirect"]).is_ok());
        assert_eq!(client.call(&["GET", "k"]).text(), "v");
        let mut listener = connect(&proxy);
        assert_eq!(listener.call(&["SUBSCRIBE", "news"]).at(1), "news");
        writer.call(&["PUBLISH", "news", "told"]);
        assert_eq!(listener.reply().unwrap().at(2), "told");
        let stream = format!("stream-{pool}");
        client
            .send(&["XREAD", "BLOCK", "0", "STREAMS", &stream, "$"])
            .unwrap();
        let waits = || (1..=2).any(|index| bed.server(index).info("blocked_clients") == "1");
        wait_until(SOON, "it waits at a replica", waits);
        writer.call(&["XADD", &stream, "1-1", "f", "v"]);
        assert_eq!(client.reply().unwrap().error(), None);
    }
}
