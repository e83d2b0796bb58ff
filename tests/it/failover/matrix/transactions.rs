//! MULTI cut anywhere runs once; WATCH answers the nil that says "somebody may have been here";
//! what a transaction changes of the session counts only when EXEC says so.

use super::stage::{Check, Row, Stage, after, is, ok, refused};
use crate::client::{Client, command};
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[
    ("MULTI cut at every byte", cut_anywhere),
    ("MULTI cut between commands, each answered", cut_between),
    ("DISCARD of what was queued before", discard),
    ("WATCH", watch),
    ("WATCH and MULTI", watch_and_multi),
    ("WATCH given up", unwatch),
    ("WATCH used up by EXEC", watch_used),
    ("SELECT in MULTI that is discarded", select_discarded),
    ("SELECT in MULTI that is executed", select_executed),
    ("SELECT in MULTI that is aborted", select_aborted),
    ("a SELECT that fails in MULTI", select_failed),
    ("an error inside EXEC", nested_error),
];

fn transaction(key: &str) -> Vec<u8> {
    let words: [&[&str]; 4] = [&["MULTI"], &["INCR", key], &["INCR", key], &["EXEC"]];
    words.into_iter().flat_map(command).collect()
}

/// The replies to a whole transaction.
#[track_caller]
fn done(client: &mut Client) {
    ok(&client.reply().unwrap());
    is(&client.reply().unwrap(), "QUEUED");
    is(&client.reply().unwrap(), "QUEUED");
    let both = Value::Array(vec![Value::Int(1), Value::Int(2)]);
    assert_eq!(client.reply().unwrap(), both);
}

fn cut_anywhere(stage: &Stage) -> Check {
    let whole = |cut: usize| transaction(&format!("matrix:multi:{cut:04}"));
    let cuts = 1..whole(0).len();
    let mut clients: Vec<_> = cuts.clone().map(|_| stage.client()).collect();
    for (client, cut) in clients.iter_mut().zip(cuts.clone()) {
        client.send_raw(&whole(cut)[..cut]).unwrap();
    }
    after(move |stage| {
        for (client, cut) in clients.iter_mut().zip(cuts) {
            client.send_raw(&whole(cut)[cut..]).unwrap();
            done(client);
            let key = format!("matrix:multi:{cut:04}");
            is(&stage.primary().command(&["GET", &key]), "2");
        }
    })
}

fn cut_between(stage: &Stage) -> Check {
    let steps = |index: usize| -> [Vec<String>; 4] {
        let key = format!("matrix:steps:{index}");
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let incr = || words(&["INCR", key.as_str()]);
        [words(&["MULTI"]), incr(), incr(), words(&["EXEC"])]
    };
    let step = |client: &mut Client, words: &[String]| {
        let args: Vec<_> = words.iter().map(String::as_str).collect();
        client.call(&args)
    };
    let mut clients: Vec<_> = (1..4).map(|_| stage.client()).collect();
    for (index, client) in (1..4).zip(&mut clients) {
        for words in &steps(index)[..index] {
            assert_eq!(step(client, words).error(), None);
        }
    }
    after(move |_| {
        for (index, client) in (1..4).zip(&mut clients) {
            let replies: Vec<_> = steps(index)[index..]
                .iter()
                .map(|words| step(client, words))
                .collect();
            let both = Value::Array(vec![Value::Int(1), Value::Int(2)]);
            assert_eq!(
                replies.last(),
                Some(&both),
                "cut after {index}: {replies:?}"
            );
        }
    })
}

fn discard(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["MULTI"]));
    is(&client.call(&["SET", "matrix:discard", "1"]), "QUEUED");
    after(move |_| {
        ok(&client.call(&["DISCARD"]));
        is(&client.call(&["GET", "matrix:discard"]), "");
        refused(&client.call(&["EXEC"]), "ERR EXEC without MULTI");
    })
}

fn watch(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["WATCH", "matrix:watch"]));
    after(move |_| {
        ok(&client.call(&["MULTI"]));
        is(&client.call(&["SET", "matrix:watch", "1"]), "QUEUED");
        assert_eq!(client.call(&["EXEC"]), Value::Null);
        is(&client.call(&["GET", "matrix:watch"]), "");
        // The watch is gone with that, as always.
        ok(&client.call(&["MULTI"]));
        is(&client.call(&["SET", "matrix:watch", "2"]), "QUEUED");
        assert_eq!(client.call(&["EXEC"]).items().len(), 1);
    })
}

fn watch_and_multi(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["WATCH", "matrix:watched"]));
    ok(&client.call(&["MULTI"]));
    is(&client.call(&["SET", "matrix:watched", "1"]), "QUEUED");
    after(move |_| {
        assert_eq!(client.call(&["EXEC"]), Value::Null);
        is(&client.call(&["GET", "matrix:watched"]), "");
    })
}

fn unwatch(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["WATCH", "matrix:unwatch"]));
    ok(&client.call(&["UNWATCH"]));
    after(move |_| executes(&mut client, "matrix:unwatch"))
}

fn watch_used(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["WATCH", "matrix:used"]));
    executes(&mut client, "matrix:used");
    after(move |_| executes(&mut client, "matrix:used"))
}

#[track_caller]
fn executes(client: &mut Client, key: &str) {
    ok(&client.call(&["MULTI"]));
    is(&client.call(&["SET", key, "1"]), "QUEUED");
    assert_eq!(client.call(&["EXEC"]).items().len(), 1);
}

/// Queues SELECT and then `end`s the transaction.
fn select(client: &mut Client, database: &str, end: &[&str]) -> Value {
    ok(&client.call(&["MULTI"]));
    is(&client.call(&["SELECT", database]), "QUEUED");
    client.call(end)
}

/// The session is in this database.
#[track_caller]
fn is_in(stage: &Stage, client: &mut Client, database: &str, key: &str) {
    ok(&client.call(&["SET", key, database]));
    let mut direct = stage.primary().connect();
    ok(&direct.call(&["SELECT", database]));
    is(&direct.call(&["GET", key]), database);
}

fn select_discarded(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&select(&mut client, "6", &["DISCARD"]));
    after(move |stage| is_in(stage, &mut client, "0", "matrix:discarded"))
}

fn select_executed(stage: &Stage) -> Check {
    let mut client = stage.client();
    assert_eq!(select(&mut client, "6", &["EXEC"]).items().len(), 1);
    after(move |stage| is_in(stage, &mut client, "6", "matrix:executed"))
}

fn select_aborted(stage: &Stage) -> Check {
    let mut client = stage.client();
    ok(&client.call(&["MULTI"]));
    is(&client.call(&["SELECT", "6"]), "QUEUED");
    refused(&client.call(&["NOSUCHCOMMAND"]), "ERR");
    refused(&client.call(&["EXEC"]), "EXECABORT");
    after(move |stage| is_in(stage, &mut client, "0", "matrix:aborted"))
}

fn select_failed(stage: &Stage) -> Check {
    let mut client = stage.client();
    let replies = select(&mut client, "9999", &["EXEC"]);
    assert!(
        replies
            .items()
            .first()
            .is_some_and(|reply| reply.error().is_some())
    );
    after(move |stage| is_in(stage, &mut client, "0", "matrix:failed"))
}

fn nested_error(stage: &Stage) -> Check {
    let mut client = stage.client();
    is(&client.call(&["RPUSH", "matrix:nested", "x"]), "1");
    after(move |_| {
        ok(&client.call(&["MULTI"]));
        is(&client.call(&["INCR", "matrix:nested:count"]), "QUEUED");
        is(&client.call(&["INCR", "matrix:nested"]), "QUEUED");
        let replies = client.call(&["EXEC"]);
        assert_eq!(replies.items().first(), Some(&Value::Int(1)));
        refused(&replies.items()[1], "WRONGTYPE");
    })
}
