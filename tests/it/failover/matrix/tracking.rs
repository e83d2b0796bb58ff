//! Client-side caching: after a loss the client is told to forget everything, and is told of
//! changes again. RESP3 only: in RESP2 invalidations go to another connection.

use super::stage::{BRIEF, Check, Row, SOON, Stage, after, is, ok};
use crate::bed::wait_until;
use crate::client::Client;
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[
    ("tracking", tracking),
    ("tracking in broadcast", broadcast),
    ("tracking by opting in", opt_in),
    ("tracking given up", given_up),
];

/// A check for RESP3 alone.
fn in_resp3(stage: &Stage, row: impl FnOnce(&mut Client), check: Follow) -> Check {
    let mut client = stage.client();
    if stage.protocol() == "2" {
        return after(|_| ());
    }
    row(&mut client);
    after(move |stage| check(stage, &mut client))
}

type Follow = fn(&Stage, &mut Client);

/// Waits for the invalidation of this key; none stands for all keys.
#[track_caller]
fn invalidated(client: &mut Client, key: Option<&str>) {
    let push = client.reply_within(SOON).unwrap();
    assert!(matches!(push, Value::Push(_)), "{push:?}");
    assert_eq!(push.at(0), "invalidate");
    let keys = push.items().get(1).cloned().unwrap_or(Value::Null);
    let first = keys.items().first().map(Value::text);
    assert_eq!(first.as_deref(), key, "{push:?}");
}

/// Asserts that no invalidation comes.
#[track_caller]
fn quiet(client: &mut Client) {
    let came = client.reply_within(BRIEF);
    assert!(came.is_err(), "{came:?}");
}

fn tracking(stage: &Stage) -> Check {
    let row = |client: &mut Client| {
        ok(&client.call(&["CLIENT", "TRACKING", "ON"]));
        is(&client.call(&["GET", "matrix:tracked"]), "");
    };
    in_resp3(stage, row, |stage, client| {
        invalidated(client, None);
        is(&client.call(&["GET", "matrix:tracked"]), "");
        stage.primary().command(&["SET", "matrix:tracked", "1"]);
        invalidated(client, Some("matrix:tracked"));
        quiet(client);
    })
}

fn broadcast(stage: &Stage) -> Check {
    let row = |client: &mut Client| {
        let args = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "matrix:bc"];
        ok(&client.call(&args));
    };
    in_resp3(stage, row, |stage, client| {
        invalidated(client, None);
        wait_until(SOON, "it is told of changes", || {
            stage.primary().command(&["INCR", "matrix:bc:1"]);
            client.reply_within(BRIEF).is_ok_and(|push| {
                let keys = push.items().get(1).map(|keys| keys.at(0));
                keys.as_deref() == Some("matrix:bc:1")
            })
        });
        stage.primary().command(&["SET", "matrix:other", "1"]);
        quiet(client);
    })
}

fn opt_in(stage: &Stage) -> Check {
    let row = |client: &mut Client| {
        ok(&client.call(&["CLIENT", "TRACKING", "ON", "OPTIN"]));
        ok(&client.call(&["CLIENT", "CACHING", "YES"]));
        is(&client.call(&["GET", "matrix:opt"]), "");
    };
    in_resp3(stage, row, |stage, client| {
        invalidated(client, None);
        is(&client.call(&["GET", "matrix:opt"]), "");
        stage.primary().command(&["SET", "matrix:opt", "1"]);
        quiet(client);
        ok(&client.call(&["CLIENT", "CACHING", "YES"]));
        is(&client.call(&["GET", "matrix:opt"]), "1");
        stage.primary().command(&["SET", "matrix:opt", "2"]);
        invalidated(client, Some("matrix:opt"));
    })
}

fn given_up(stage: &Stage) -> Check {
    let row = |client: &mut Client| {
        ok(&client.call(&["CLIENT", "TRACKING", "ON"]));
        is(&client.call(&["GET", "matrix:untracked"]), "");
        ok(&client.call(&["CLIENT", "TRACKING", "OFF"]));
    };
    in_resp3(stage, row, |stage, client| {
        is(&client.call(&["GET", "matrix:untracked"]), "");
        stage.primary().command(&["SET", "matrix:untracked", "1"]);
        quiet(client);
    })
}
