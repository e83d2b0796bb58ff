//! Scripts: known after the loss as before it, and what they say is theirs to say.

use super::stage::{Check, Row, Stage, after, is, ok, refused};
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[
    ("a loaded script", loaded),
    ("a script that was evaluated", evaluated),
    ("a script in MULTI", in_multi),
    ("a script queued before the loss", queued),
    ("an unknown script", unknown),
    ("scripts flushed", flushed),
    ("a READONLY that a script made up", forged),
    (
        "a READONLY that a script made up, word by word",
        forged_exactly,
    ),
    ("READONLY in a value", in_value),
];

fn loaded(stage: &Stage) -> Check {
    let mut client = stage.client();
    let sha = client.call(&["SCRIPT", "LOAD", "return 'loaded'"]).text();
    after(move |_| is(&client.call(&["EVALSHA", &sha, "0"]), "loaded"))
}

/// The script's digest, as the server computes it.
fn sha_of(stage: &Stage, body: &str) -> String {
    let digest = ["EVAL", "return redis.sha1hex(ARGV[1])", "0", body];
    stage.primary().command(&digest).text()
}

fn evaluated(stage: &Stage) -> Check {
    let mut client = stage.client();
    let body = "return redis.call('INCR', KEYS[1])";
    is(&client.call(&["EVAL", body, "1", "matrix:eval"]), "1");
    let sha = sha_of(stage, body);
    after(move |_| is(&client.call(&["EVALSHA", &sha, "1", "matrix:eval"]), "2"))
}

fn in_multi(stage: &Stage) -> Check {
    let mut client = stage.client();
    let body = "return redis.call('INCRBY', KEYS[1], 10)";
    let sha = client.call(&["SCRIPT", "LOAD", body]).text();
    after(move |_| {
        ok(&client.call(&["MULTI"]));
        let evalsha = ["EVALSHA", &sha, "1", "matrix:multi:script"];
        is(&client.call(&evalsha), "QUEUED");
        let replies = client.call(&["EXEC"]);
        assert_eq!(replies, Value::Array(vec![Value::Int(10)]));
    })
}

fn queued(stage: &Stage) -> Check {
    let mut client = stage.client();
    let body = "return redis.call('INCRBY', KEYS[1], 20)";
    let sha = client.call(&["SCRIPT", "LOAD", body]).text();
    ok(&client.call(&["MULTI"]));
    let evalsha = ["EVALSHA", &sha, "1", "matrix:queued:script"];
    is(&client.call(&evalsha), "QUEUED");
    after(move |_| {
        let replies = client.call(&["EXEC"]);
        assert_eq!(replies, Value::Array(vec![Value::Int(20)]));
    })
}

fn unknown(stage: &Stage) -> Check {
    let mut client = stage.client();
    after(move |_| {
        let reply = client.call(&["EVALSHA", &"0".repeat(40), "0"]);
        refused(&reply, "NOSCRIPT");
    })
}

/// A client that flushes the scripts must find them gone, also where Steadfast had kept them.
fn flushed(stage: &Stage) -> Check {
    let mut client = stage.client();
    after(move |_| {
        let sha = client.call(&["SCRIPT", "LOAD", "return 'flushed'"]).text();
        is(&client.call(&["EVALSHA", &sha, "0"]), "flushed");
        ok(&client.call(&["SCRIPT", "FLUSH", "SYNC"]));
        refused(&client.call(&["EVALSHA", &sha, "0"]), "NOSCRIPT");
    })
}

/// A script that writes and then answers `error` is executed once and its answer passed on.
fn says(stage: &Stage, key: &'static str, error: &'static str) -> Check {
    let mut client = stage.client();
    let body = format!("redis.call('INCR', KEYS[1]); return redis.error_reply(\"{error}\")");
    refused(&client.call(&["EVAL", &body, "1", key]), error);
    after(move |stage| {
        refused(&client.call(&["EVAL", &body, "1", key]), error);
        is(&stage.primary().command(&["GET", key]), "2");
    })
}

fn forged(stage: &Stage) -> Check {
    says(stage, "matrix:forged", "READONLY x")
}

fn forged_exactly(stage: &Stage) -> Check {
    let text = "READONLY You can't write against a read only replica.";
    says(stage, "matrix:forged:exactly", text)
}

fn in_value(stage: &Stage) -> Check {
    let mut client = stage.client();
    let text = "-READONLY You can't write against a read only replica.\r\n";
    ok(&client.call(&["SET", "matrix:value", text]));
    after(move |_| is(&client.call(&["GET", "matrix:value"]), text))
}
