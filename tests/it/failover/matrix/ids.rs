//! Client ids: a session's own is the same all its life, and one that Steadfast did not give out
//! means nobody.

use super::stage::{Check, Row, SOON, Stage, after, is, refused};
use crate::bed::{eventually, wait_until};
use crate::client::Client;
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[
    ("CLIENT ID", stable),
    ("ids of two sessions", distinct),
    ("CLIENT KILL of an unknown id", kill_unknown),
    ("CLIENT KILL of a server's own id", kill_real),
    ("CLIENT UNBLOCK of an unknown id", unblock_unknown),
    ("CLIENT KILL of another session", kill),
    ("CLIENT UNBLOCK of another session", unblock),
    ("CLIENT UNBLOCK with an error", unblock_error),
];

fn id(client: &mut Client) -> String {
    let id = client.call(&["CLIENT", "ID"]);
    assert!(matches!(id, Value::Int(_)), "{id:?}");
    id.text()
}

fn stable(stage: &Stage) -> Check {
    let mut client = stage.client();
    let before = id(&mut client);
    after(move |_| assert_eq!(id(&mut client), before))
}

fn distinct(stage: &Stage) -> Check {
    let (mut one, mut other) = (stage.client(), stage.client());
    assert_ne!(id(&mut one), id(&mut other));
    after(move |stage| {
        let ids = [id(&mut one), id(&mut other), id(&mut stage.client())];
        assert!(
            ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
            "{ids:?}"
        );
    })
}

fn kill_unknown(stage: &Stage) -> Check {
    let mut client = stage.client();
    after(move |_| {
        is(
            &client.call(&["CLIENT", "KILL", "ID", "1234567890123"]),
            "0",
        );
    })
}

fn kill_real(stage: &Stage) -> Check {
    let mut client = stage.client();
    id(&mut client);
    after(move |stage| {
        let list = || stage.primary().command(&["CLIENT", "LIST"]).text();
        let id = |line: &str| Some(line.strip_prefix("id=")?.split(' ').next()?.to_owned());
        // A Sentinel's connection; they come back when they were killed as well.
        let victim = eventually(SOON, "a Sentinel is connected", || {
            list()
                .lines()
                .find(|line| line.contains("name=sentinel-"))
                .and_then(id)
        });
        is(&client.call(&["CLIENT", "KILL", "ID", &victim]), "0");
        assert!(
            list().contains(&format!("id={victim} ")),
            "a stranger was killed"
        );
    })
}

fn unblock_unknown(stage: &Stage) -> Check {
    let mut client = stage.client();
    after(move |_| is(&client.call(&["CLIENT", "UNBLOCK", "1234567890123"]), "0"))
}

fn kill(stage: &Stage) -> Check {
    let (mut killer, mut victim) = (stage.client(), stage.client());
    let id = id(&mut victim);
    after(move |_| {
        is(&victim.call(&["ECHO", "alive"]), "alive");
        is(&killer.call(&["CLIENT", "KILL", "ID", &id]), "1");
    })
}

fn unblock(stage: &Stage) -> Check {
    let (mut other, mut popper) = (stage.client(), stage.client());
    let id = id(&mut popper);
    stage.block(&mut popper, &["BLPOP", "matrix:unblock", "0"]);
    after(move |_| {
        unblocked(&mut other, &["CLIENT", "UNBLOCK", &id]);
        assert_eq!(popper.reply_within(SOON).unwrap(), Value::Null);
    })
}

fn unblock_error(stage: &Stage) -> Check {
    let (mut other, mut popper) = (stage.client(), stage.client());
    let id = id(&mut popper);
    stage.block(&mut popper, &["BLPOP", "matrix:unblock:error", "0"]);
    after(move |_| {
        unblocked(&mut other, &["CLIENT", "UNBLOCK", &id, "ERROR"]);
        refused(
            &popper.reply_within(SOON).unwrap(),
            "UNBLOCKED client unblocked",
        );
    })
}

/// Asks until it is said to have been done: the pop may be on its way to the new primary.
#[track_caller]
fn unblocked(client: &mut Client, args: &[&str]) {
    wait_until(SOON, "it is unblocked", || {
        client.call(args) == Value::Int(1)
    });
}
