//! Calls that wait: they wait on, for as long as is left, and get what comes then.

use std::thread;
use std::time::{Duration, Instant};

use super::stage::{Check, Row, SOON, Stage, after, is, ok, refused};
use crate::value::Value;

pub(super) const ROWS: &[Row] = &[
    ("BLPOP", blpop),
    ("BRPOP of two lists", brpop),
    ("BLMOVE", blmove),
    ("BRPOPLPUSH", brpoplpush),
    ("BLMPOP", blmpop),
    ("BZPOPMIN", bzpopmin),
    ("BZMPOP", bzmpop),
    ("XREAD from an id", xread),
    ("XREAD from now on", xread_now),
    ("XREADGROUP", xreadgroup),
    ("a timeout", timeout),
    ("commands after a blocking one", after_blocking),
];
/// The timeout of the call that ends by itself.
const TIMEOUT: Duration = Duration::from_secs(6);
/// How much later than its timeout that may be.
const LATE: Duration = Duration::from_millis(1500);

/// A call that blocks before the loss and gets `reply` for `gift` after it.
fn waits(
    stage: &Stage,
    call: &[&str],
    gift: &'static [&'static str],
    reply: &'static [&'static str],
) -> Check {
    let mut client = stage.client();
    stage.block(&mut client, call);
    after(move |stage| {
        let given = stage.primary().command(gift);
        assert_eq!(given.error(), None);
        let got = client.reply_within(SOON).unwrap();
        assert_eq!(flat(&got), reply);
        is(&client.call(&["ECHO", "next"]), "next");
    })
}

/// All texts of a reply, however nested.
fn flat(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        Value::Map(pairs) => {
            let both = pairs
                .iter()
                .flat_map(|(key, value)| [flat(key), flat(value)]);
            both.flatten().collect()
        }
        other => vec![other.text()],
    }
}

fn blpop(stage: &Stage) -> Check {
    let gift = &["RPUSH", "matrix:blpop", "job"];
    waits(
        stage,
        &["BLPOP", "matrix:blpop", "0"],
        gift,
        &["matrix:blpop", "job"],
    )
}

fn brpop(stage: &Stage) -> Check {
    let call = ["BRPOP", "matrix:brpop:1", "matrix:brpop:2", "60"];
    let gift = &["RPUSH", "matrix:brpop:2", "job"];
    waits(stage, &call, gift, &["matrix:brpop:2", "job"])
}

fn blmove(stage: &Stage) -> Check {
    let call = [
        "BLMOVE",
        "matrix:blmove",
        "matrix:moved",
        "LEFT",
        "RIGHT",
        "0",
    ];
    waits(stage, &call, &["RPUSH", "matrix:blmove", "job"], &["job"])
}

fn brpoplpush(stage: &Stage) -> Check {
    let call = ["BRPOPLPUSH", "matrix:brpl", "matrix:brpl:to", "60.5"];
    waits(stage, &call, &["RPUSH", "matrix:brpl", "job"], &["job"])
}

fn blmpop(stage: &Stage) -> Check {
    let call = ["BLMPOP", "60", "1", "matrix:blmpop", "LEFT"];
    let gift = &["RPUSH", "matrix:blmpop", "job"];
    waits(stage, &call, gift, &["matrix:blmpop", "job"])
}

fn bzpopmin(stage: &Stage) -> Check {
    let gift = &["ZADD", "matrix:bzpop", "1", "job"];
    let reply = &["matrix:bzpop", "job", "1"];
    waits(stage, &["BZPOPMIN", "matrix:bzpop", "0"], gift, reply)
}

fn bzmpop(stage: &Stage) -> Check {
    let gift = &["ZADD", "matrix:bzmpop", "1", "job"];
    let call = ["BZMPOP", "0", "1", "matrix:bzmpop", "MIN"];
    waits(stage, &call, gift, &["matrix:bzmpop", "job", "1"])
}

fn xread(stage: &Stage) -> Check {
    let call = ["XREAD", "BLOCK", "60000", "STREAMS", "matrix:xread", "5-0"];
    let gift = &["XADD", "matrix:xread", "7-0", "field", "job"];
    waits(stage, &call, gift, &["matrix:xread", "7-0", "field", "job"])
}

/// Where "now" was on the lost link nobody can say later, so it is not guessed.
fn xread_now(stage: &Stage) -> Check {
    let mut client = stage.client();
    stage.block(
        &mut client,
        &["XREAD", "BLOCK", "0", "STREAMS", "matrix:now", "$"],
    );
    after(move |_| {
        let reply = client.reply_within(SOON).unwrap();
        assert!(reply.error().is_some(), "{reply:?}");
        is(&client.call(&["ECHO", "next"]), "next");
    })
}

fn xreadgroup(stage: &Stage) -> Check {
    let create = ["XGROUP", "CREATE", "matrix:group", "g", "$", "MKSTREAM"];
    ok(&stage.client().call(&create));
    let call = [
        "XREADGROUP",
        "GROUP",
        "g",
        "me",
        "BLOCK",
        "0",
        "STREAMS",
        "matrix:group",
        ">",
    ];
    let gift = &["XADD", "matrix:group", "7-0", "field", "job"];
    waits(stage, &call, gift, &["matrix:group", "7-0", "field", "job"])
}

fn timeout(stage: &Stage) -> Check {
    let mut client = stage.client();
    let asked = Instant::now();
    let seconds = TIMEOUT.as_secs().to_string();
    stage.block(&mut client, &["BLPOP", "matrix:timeout", &seconds]);
    // Other rows take their time, so somebody must look at the clock meanwhile.
    let waiting = thread::spawn(move || (client.reply_within(2 * TIMEOUT), asked.elapsed()));
    after(move |_| {
        let (reply, waited) = waiting.join().unwrap();
        assert_eq!(reply.unwrap(), Value::Null);
        assert!(waited >= TIMEOUT, "given up after {waited:?}");
        assert!(waited < TIMEOUT + LATE, "given up after {waited:?}");
    })
}

fn after_blocking(stage: &Stage) -> Check {
    let mut client = stage.client();
    stage.block(&mut client, &["BLPOP", "matrix:then", "0"]);
    client.send(&["INCR", "matrix:then:count"]).unwrap();
    after(move |stage| {
        stage.primary().command(&["RPUSH", "matrix:then", "job"]);
        assert_eq!(client.reply_within(SOON).unwrap().at(1), "job");
        // Written before the loss and not answered: the pop may have ended and this have followed.
        let reply = client.reply_within(SOON).unwrap();
        if reply != Value::Int(1) {
            refused(&reply, "UNCERTAIN");
        }
        is(&client.call(&["ECHO", "next"]), "next");
    })
}
