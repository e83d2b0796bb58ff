//! Goal: what was said about the next command, and what was said within a transaction, outlives the
//! link. Method: a real server that ends every connection in between.

use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::fakes::{Cut, Cutter};
use crate::proxy::{Proxy, in_front_of};
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(200);

/// Ends all links, and waits until this client has another.
fn kill_links(bed: &Bed, proxy: &Proxy) {
    let before = proxy.status()["totals"]["restored"].as_u64();
    let kill = ["CLIENT", "KILL", "TYPE", "normal"];
    bed.server(0).command(&kill);
    wait_until(SOON, "a link is restored", || {
        proxy.status()["totals"]["restored"].as_u64() > before
    });
}

/// A RESP3 client whose reads are tracked where it asks for that.
fn opted_in(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    client.call(&["HELLO", "3"]);
    let tracking = ["CLIENT", "TRACKING", "ON", "OPTIN"];
    assert!(client.call(&tracking).is_ok());
    client
}

#[track_caller]
fn invalidated(client: &mut Client) -> Value {
    let push = client.reply_within(SOON).unwrap();
    assert_eq!(push.at(0), "invalidate", "{push:?}");
    push.items()[1].clone()
}

#[test]
fn caching_applies_to_the_command_after_a_lost_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = opted_in(&proxy);
    assert!(client.call(&["CLIENT", "CACHING", "YES"]).is_ok());
    kill_links(&bed, &proxy);
    assert_eq!(invalidated(&mut client), Value::Null);
    client.call(&["GET", "tracked"]);
    client.call(&["GET", "untracked"]);
    for key in ["untracked", "tracked"] {
        bed.server(0).command(&["SET", key, "1"]);
    }
    assert_eq!(invalidated(&mut client).at(0), "tracked");
    assert!(client.reply_within(BRIEF).is_err(), "no other is tracked");
}

#[test]
fn caching_applies_to_a_transaction_begun_before_a_lost_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = opted_in(&proxy);
    assert!(client.call(&["CLIENT", "CACHING", "YES"]).is_ok());
    assert!(client.call(&["MULTI"]).is_ok());
    client.call(&["GET", "tracked"]);
    kill_links(&bed, &proxy);
    assert_eq!(invalidated(&mut client), Value::Null);
    assert_eq!(client.call(&["EXEC"]).items().len(), 1);
    client.call(&["GET", "untracked"]);
    for key in ["untracked", "tracked"] {
        bed.server(0).command(&["SET", key, "1"]);
    }
    assert_eq!(invalidated(&mut client).at(0), "tracked");
}

#[test]
fn what_a_transaction_set_is_set_on_the_next_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["MULTI"]).is_ok());
    for queued in [
        &["CLIENT", "NO-EVICT", "on"][..],
        &["CLIENT", "SETNAME", "n"],
        &["SELECT", "99"],
        &["SELECT", "2"],
    ] {
        assert_eq!(client.call(queued).text(), "QUEUED");
    }
    assert_eq!(client.call(&["EXEC"]).items().len(), 4);
    for round in 0..2 {
        let info = client.call(&["CLIENT", "INFO"]).text();
        let word = |word: &str| info.split(' ').any(|field| field == word);
        assert!(word("db=2") && word("name=n"), "{round}: {info}");
        assert!(word("flags=e"), "{round}: {info}");
        bed.server(0).command(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
}

#[test]
fn after_a_multi_that_was_refused_nothing_is_taken_for_queued() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let rules = ["on", ">p", "~*", "&*", "+@all", "-multi"];
    let user = [&["ACL", "SETUSER", "u"][..], &rules].concat();
    assert!(bed.server(0).command(&user).is_ok());
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "u", "p"]).is_ok());
    let burst = [
        command(&["MULTI"]),
        command(&["SELECT", "3"]),
        command(&["ECHO", "a"]),
    ];
    client.send_raw(&burst.concat()).unwrap();
    assert!(
        client
            .reply()
            .unwrap()
            .error()
            .unwrap()
            .starts_with("NOPERM")
    );
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().text(), "a");
    bed.server(0).command(&["CLIENT", "KILL", "TYPE", "normal"]);
    let info = client.call(&["CLIENT", "INFO"]).text();
    assert!(info.contains(" db=3 "), "{info}");
    assert_eq!(client.call(&["SUBSCRIBE", "news"]).at(0), "subscribe");
}

/// More than is kept of what is in flight on one link, as this many commands.
pub(crate) fn more_than_kept(value: &str) -> (usize, Vec<u8>) {
    let one = command(&["SET", "k", value]);
    let count = 1_300_000 / one.len();
    (count, one.repeat(count))
}

#[test]
fn nobody_goes_on_in_another_database_however_much_was_in_flight() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let mut bytes = command(&["DEBUG", "SLEEP", "0.5"]);
    bytes.extend(command(&["SELECT", "5"]));
    let (count, sets) = more_than_kept(&"v".repeat(1000));
    bytes.extend(sets);
    client.send_raw(&bytes).unwrap();
    for _ in 0..count + 2 {
        assert!(client.reply().unwrap().is_ok());
    }
    bed.primary().cut_links();
    // To be closed is an answer, too.
    let _ = client.try_call(&["SET", "probe", "v"]);
    assert_eq!(bed.primary().command(&["EXISTS", "probe"]), Value::Int(0));
}

#[test]
fn a_reply_to_be_skipped_is_skipped_also_when_it_comes_again() {
    let bed = Bed::lonely();
    let cutter = Cutter::start(bed.primary().addr());
    let (_sentinel, proxy) = in_front_of(cutter.addr());
    let mut client = proxy.connect();
    let value = "v".repeat(50_000);
    assert!(client.call(&["SET", "spared", &value]).is_ok());
    client.send(&["CLIENT", "REPLY", "SKIP"]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    cutter.arm("spared", Cut::Reply(1000));
    client.send(&["GET", "spared"]).unwrap();
    wait_until(SOON, "the link is cut", || cutter.cuts() == 1);
    assert!(client.call(&["ECHO", "mine"]).text() == "mine");
}
