//! Goal: a client keeps the id it was told, and a command that names it meets that client or
//! nobody. Method: real servers, whose own ids begin anew on every node.

use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
/// Below it, servers count.
const HIGH: i64 = 1 << 52;

#[track_caller]
fn id_of(client: &mut Client) -> i64 {
    match client.call(&["CLIENT", "ID"]) {
        Value::Int(id) => id,
        other => panic!("{other:?}"),
    }
}

/// A client that waits in BRPOP on `key`, and its id.
fn blocked(bed: &Bed, proxy: &Proxy, key: &str) -> (Client, String) {
    let mut client = proxy.connect();
    let id = id_of(&mut client);
    client.send(&["BRPOP", key, "0"]).unwrap();
    wait_until(SOON, "it waits", || {
        bed.primary().info("blocked_clients") == "1"
    });
    (client, id.to_string())
}

#[test]
fn a_client_is_told_the_same_id_wherever_it_asks() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let id = id_of(&mut client);
    assert!(id >= HIGH, "{id}");
    for version in ["3", "2"] {
        let hello = client.call(&["HELLO", version]);
        assert_eq!(hello.fields()["id"], id.to_string());
    }
    assert_ne!(id_of(&mut proxy.connect()), id);
    client.call(&["MULTI"]);
    for queued in [
        &["SET", "k", "v"][..],
        &["CLIENT", "ID"],
        &["HELLO", "2"],
        &["GET", "k"],
    ] {
        assert_eq!(client.call(queued).text(), "QUEUED");
    }
    let results = client.call(&["EXEC"]);
    assert_eq!(results.at(1), id.to_string());
    assert_eq!(results.items()[2].fields()["id"], id.to_string());
    assert_eq!(results.at(3), "v");
}

#[test]
fn replies_around_an_id_keep_their_order() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let id = id_of(&mut client);
    let mut burst = Vec::new();
    for word in [&["ECHO", "a"][..], &["CLIENT", "ID"], &["ECHO", "b"]] {
        burst.extend(crate::client::command(word));
    }
    client.send_raw(&burst).unwrap();
    assert_eq!(client.reply().unwrap().text(), "a");
    assert_eq!(client.reply().unwrap(), Value::Int(id));
    assert_eq!(client.reply().unwrap().text(), "b");
    client.send(&["CLIENT", "REPLY", "SKIP"]).unwrap();
    client.send(&["CLIENT", "ID"]).unwrap();
    assert_eq!(client.call(&["ECHO", "c"]).text(), "c");
}

#[test]
fn a_waiting_client_is_ended_by_its_id_and_by_no_server_s() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let (mut waiting, id) = blocked(&bed, &proxy, "queue");
    let mut other = proxy.connect();
    for raw in 1..100 {
        let reply = other.call(&["CLIENT", "UNBLOCK", &raw.to_string()]);
        assert_eq!(reply, Value::Int(0), "a server's id reaches nobody");
        let reply = other.call(&["CLIENT", "KILL", "ID", &raw.to_string()]);
        assert_eq!(reply, Value::Int(0), "a server's id reaches nobody");
    }
    assert_eq!(
        other.call(&["CLIENT", "UNBLOCK", &id, "ERROR"]),
        Value::Int(1)
    );
    let told = waiting.reply().unwrap();
    assert!(told.error().unwrap().starts_with("UNBLOCKED"), "{told:?}");
    assert_eq!(other.call(&["CLIENT", "UNBLOCK", &id]), Value::Int(0));
    assert!(other.call(&["CLIENT", "UNBLOCK", "x"]).error().is_some());
    let left = (id.parse::<i64>().unwrap() + 1000).to_string();
    assert_eq!(other.call(&["CLIENT", "UNBLOCK", &left]), Value::Int(0));
}

#[test]
fn after_a_switch_an_id_means_the_same_client() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut other = proxy.connect();
    let own = id_of(&mut other);
    let (mut waiting, id) = blocked(&bed, &proxy, "queue");
    let old = bed.primary();
    let new = bed.failover();
    proxy.wait_primary(SOON, new.addr());
    wait_until(SOON, "it waits there", || {
        new.info("blocked_clients") == "1"
    });
    assert_ne!(new.addr(), old.addr());
    assert_eq!(id_of(&mut other), own, "an id is kept for life");
    wait_until(SOON, "it is found there", || {
        other.call(&["CLIENT", "UNBLOCK", &id]) == Value::Int(1)
    });
    assert_eq!(waiting.reply().unwrap(), Value::Null);
    let listed = other.call(&["CLIENT", "LIST", "ID", &id]).text();
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn a_client_that_is_killed_by_its_id_gets_another_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut one = proxy.connect();
    let id = id_of(&mut one).to_string();
    let mut other = proxy.connect();
    for line in [
        &["CLIENT", "KILL", "ID", &id][..],
        &["CLIENT", "KILL", "TYPE", "normal", "ID", &id],
    ] {
        wait_until(SOON, "one connection was ended", || {
            other.call(line) == Value::Int(1)
        });
        assert_eq!(id_of(&mut one).to_string(), id);
    }
    assert_eq!(other.call(&["CLIENT", "KILL", "ID", "1"]), Value::Int(0));
}

#[test]
fn changes_are_told_to_the_client_that_was_named() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut told = proxy.connect();
    let id = id_of(&mut told).to_string();
    told.call(&["SUBSCRIBE", "__redis__:invalidate"]);
    let mut reader = proxy.connect();
    let stranger = ["CLIENT", "TRACKING", "ON", "REDIRECT", "5"];
    assert!(reader.call(&stranger).error().is_some());
    let tracking = ["CLIENT", "TRACKING", "ON", "REDIRECT", &id];
    assert!(reader.call(&tracking).is_ok());
    assert_eq!(reader.call(&["CLIENT", "GETREDIR"]).text(), id);
    reader.call(&["GET", "k"]);
    proxy.connect().call(&["SET", "k", "v"]);
    assert_eq!(told.reply().unwrap().at(1), "__redis__:invalidate");
}

#[test]
fn whoever_has_changes_told_elsewhere_hears_that_this_is_over() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut target = proxy.connect();
    let id = id_of(&mut target).to_string();
    let mut listener = proxy.connect();
    listener.call(&["SUBSCRIBE", "__redis__:invalidate"]);
    let tracking = ["CLIENT", "TRACKING", "ON", "REDIRECT", &id];
    let mut newer = proxy.connect();
    newer.call(&["HELLO", "3"]);
    assert!(newer.call(&tracking).is_ok());
    let mut older = proxy.connect();
    assert!(older.call(&tracking).is_ok());
    let new = bed.failover();
    proxy.wait_primary(SOON, new.addr());
    let Value::Push(push) = newer.reply().unwrap() else {
        panic!("no push");
    };
    assert_eq!(push[0].text(), "tracking-redir-broken");
    assert_eq!(push[1].text(), id);
    assert!(older.closed_within(SOON).is_some());
    assert!(listener.closed_within(SOON).is_some());
    assert_eq!(newer.call(&["CLIENT", "GETREDIR"]), Value::Int(-1));
}

#[test]
fn a_client_that_has_logged_in_again_survives_the_loss_of_its_link() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .requirepass("secret")
        .user("app", "on >app-pw ~* &* +@all")
        .start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "app", "app-pw"]).is_ok());
    assert!(client.call(&["SELECT", "3"]).is_ok());
    assert!(client.call(&["AUTH", "app", "app-pw"]).is_ok());
    assert!(client.call(&["SET", "here", "v"]).is_ok());
    let id = client.call(&["CLIENT", "LIST"]).text();
    let ours = id.lines().find(|line| line.contains("db=3"));
    let id = ours.and_then(|line| line.split(['=', ' ']).nth(1)).unwrap();
    bed.primary().command(&["CLIENT", "KILL", "ID", id]);
    assert_eq!(client.call(&["EXISTS", "here"]), Value::Int(1));
    assert_eq!(client.call(&["ACL", "WHOAMI"]).text(), "app");
}
