//! Subscriptions: kept, not announced again, and gone when they were given up.

use super::stage::{Check, Row, SOON, Stage, after, is, nothing, refused};
use crate::client::Client;
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[
    ("channels", channels),
    ("patterns", patterns),
    ("shard channels", shard),
    ("a channel given up", given_up),
    ("all channels given up", all_given_up),
    ("commands beside a subscription", beside),
    ("PING while subscribed", ping),
];

/// Subscribes and reads the confirmations.
#[track_caller]
fn subscribe(client: &mut Client, args: &[&str]) {
    client.send(args).unwrap();
    for channel in &args[1..] {
        let confirmed = client.reply().unwrap();
        assert_eq!(confirmed.at(0), args[0].to_lowercase());
        assert_eq!(confirmed.at(1), *channel);
    }
}

/// The next thing to arrive is this message, as a push where pushes are spoken.
#[track_caller]
fn hears(stage: &Stage, client: &mut Client, words: &[&str]) {
    let message = client.reply_within(SOON).unwrap();
    let heard: Vec<_> = message.items().iter().map(Value::text).collect();
    assert_eq!(heard, words);
    let pushed = matches!(message, Value::Push(_));
    assert_eq!(pushed, stage.protocol() == "3", "{message:?}");
}

fn channels(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["SUBSCRIBE", "matrix:a", "matrix:b"]);
    after(move |stage| {
        for channel in ["matrix:a", "matrix:b"] {
            stage.wait_subscribers("NUMSUB", channel, 1);
            stage.primary().command(&["PUBLISH", channel, "news"]);
            hears(stage, &mut client, &["message", channel, "news"]);
        }
        nothing(&mut client);
    })
}

fn patterns(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["PSUBSCRIBE", "matrix:p*"]);
    after(move |stage| {
        // There is no count for one pattern; a channel shows when it is there.
        stage.wait_publish("PUBLISH", "matrix:pattern");
        hears(
            stage,
            &mut client,
            &["pmessage", "matrix:p*", "matrix:pattern", "news"],
        );
        nothing(&mut client);
    })
}

fn shard(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["SSUBSCRIBE", "matrix:s"]);
    after(move |stage| {
        stage.wait_publish("SPUBLISH", "matrix:s");
        hears(stage, &mut client, &["smessage", "matrix:s", "news"]);
        nothing(&mut client);
    })
}

fn given_up(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["SUBSCRIBE", "matrix:kept", "matrix:given"]);
    subscribe(&mut client, &["UNSUBSCRIBE", "matrix:given"]);
    after(move |stage| {
        stage.wait_subscribers("NUMSUB", "matrix:kept", 1);
        is(
            &stage
                .primary()
                .command(&["PUBLISH", "matrix:given", "news"]),
            "0",
        );
        stage.primary().command(&["PUBLISH", "matrix:kept", "news"]);
        hears(stage, &mut client, &["message", "matrix:kept", "news"]);
    })
}

fn all_given_up(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["SUBSCRIBE", "matrix:x", "matrix:y"]);
    client.send(&["UNSUBSCRIBE"]).unwrap();
    for _ in 0..2 {
        assert_eq!(client.reply().unwrap().at(0), "unsubscribe");
    }
    after(move |stage| {
        is(&client.call(&["ECHO", "free"]), "free");
        is(
            &stage.primary().command(&["PUBLISH", "matrix:x", "news"]),
            "0",
        );
        nothing(&mut client);
    })
}

fn beside(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["SUBSCRIBE", "matrix:beside"]);
    after(move |stage| {
        stage.wait_subscribers("NUMSUB", "matrix:beside", 1);
        let reply = client.call(&["ECHO", "beside"]);
        if stage.protocol() == "3" {
            is(&reply, "beside");
        } else {
            refused(&reply, "ERR Can't execute 'echo'");
        }
        subscribe(&mut client, &["SUBSCRIBE", "matrix:more"]);
        stage.primary().command(&["PUBLISH", "matrix:more", "news"]);
        hears(stage, &mut client, &["message", "matrix:more", "news"]);
    })
}

fn ping(stage: &Stage) -> Check {
    let mut client = stage.client();
    subscribe(&mut client, &["SUBSCRIBE", "matrix:ping"]);
    after(move |stage| {
        for word in [None, Some("word")] {
            let args: Vec<_> = ["PING"].into_iter().chain(word).collect();
            let reply = client.call(&args);
            if stage.protocol() == "2" {
                assert_eq!(reply.at(0), "pong");
                assert_eq!(reply.at(1), word.unwrap_or_default());
            } else {
                is(&reply, word.unwrap_or("PONG"));
            }
        }
    })
}
