//! Links of their own are given back, and nothing of one client stays for the next.

use super::{SOON, alone, asked_for, connections};
use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::value::Value;

fn bed() -> Bed {
    Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .user("ann", "on >ann1 ~* &* +@all")
        .start()
}

#[test]
fn short_connections_cost_the_server_none() {
    let bed = bed();
    let proxy = alone(&bed);
    let visit = |nth: usize| {
        let mut client = proxy.connect();
        assert!(client.call(&["AUTH", "ann", "ann1"]).is_ok());
        assert!(
            client
                .call(&["CLIENT", "SETNAME", &format!("visit-{nth}")])
                .is_ok()
        );
        assert!(client.call(&["SELECT", "3"]).is_ok());
        assert_eq!(
            client.call(&["CLIENT", "GETNAME"]).text(),
            format!("visit-{nth}")
        );
        assert!(client.call(&["SET", "k", "v"]).is_ok());
    };
    visit(0);
    let before = asked_for(bed.server(0));
    (0..200).for_each(visit);
    let cost = asked_for(bed.server(0)) - before;
    // Heartbeats, Sentinels and this test ask for some.
    assert!(cost < 20, "{cost} connections for 200 clients");
}

#[test]
fn nothing_of_one_client_stays_for_the_next() {
    let bed = bed();
    let proxy = alone(&bed);
    let mut first = proxy.connect();
    let state = [
        &["CLIENT", "SETNAME", "first"][..],
        &["SELECT", "5"],
        &["SET", "where", "five"],
        &["WATCH", "where"],
        &["UNWATCH"],
        &["MULTI"],
        &["SELECT", "6"],
        &["EXEC"],
        &["SET", "where", "six"],
        &["AUTH", "ann", "ann1"],
        &["HELLO", "3"],
        &["SUBSCRIBE", "channel"],
        &["UNSUBSCRIBE", "channel"],
        &["CLIENT", "NO-EVICT", "ON"],
        &["CLIENT", "NO-EVICT", "OFF"],
    ];
    for args in state {
        let told = first.call(args);
        assert!(told.error().is_none(), "{args:?}: {told:?}");
    }
    assert_eq!(first.call(&["GET", "where"]).text(), "six");
    assert_eq!(first.call(&["ACL", "WHOAMI"]).text(), "ann");
    for _ in 0..10 {
        let mut next = proxy.connect();
        assert_eq!(next.call(&["CLIENT", "GETNAME"]), Value::Null);
        assert_eq!(
            next.call(&["GET", "where"]),
            Value::Null,
            "another database"
        );
        assert_eq!(next.call(&["ACL", "WHOAMI"]).text(), "default");
        assert_eq!(next.call(&["HELLO"]).items().len(), 14, "in RESP2");
        assert!(
            next.call(&["EXEC"]).error().is_some(),
            "no transaction is open"
        );
    }
    assert_eq!(first.call(&["CLIENT", "GETNAME"]).text(), "first");
    assert_eq!(first.call(&["GET", "where"]).text(), "six");
}

#[test]
fn what_leaves_an_unknown_trace_ties_a_client_to_its_link() {
    let bed = bed();
    let proxy = alone(&bed);
    let ids = |client: &mut Client| client.call(&["CLIENT", "INFO"]).text();
    let own = |info: String| {
        let field = info.split(' ').find_map(|field| field.strip_prefix("id="));
        field.unwrap().to_owned()
    };
    let mut client = proxy.connect();
    // An error proves nothing: the name may be a module's.
    assert!(client.call(&["NO.SUCH", "command"]).error().is_some());
    let first = own(ids(&mut client));
    let mut other = proxy.connect();
    for _ in 0..5 {
        assert!(client.call(&["SET", "k", "v"]).is_ok());
        assert_ne!(own(ids(&mut other)), first, "nobody else is on that link");
        assert_eq!(own(ids(&mut client)), first);
    }
    drop(client);
    wait_until(SOON, "the link ends with its client", || {
        let listed = bed.server(0).command(&["CLIENT", "LIST", "ID", &first]);
        listed.text().is_empty()
    });
}

#[test]
fn links_of_their_own_are_given_back() {
    let bed = bed();
    let proxy = alone(&bed);
    let mut clients: Vec<_> = (0..100).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        assert!(client.call(&["CLIENT", "SETNAME", "x"]).is_ok());
        assert_eq!(client.call(&["EVAL", "return 1", "0"]), Value::Int(1));
        assert!(client.call(&["SET", "k", "v"]).is_ok());
    }
    let count = connections(bed.server(0));
    assert!(count <= 10, "{count} connections for 100 clients");
}

#[test]
fn a_large_watch_stays_with_the_client_that_watches() {
    let bed = bed();
    let proxy = alone(&bed);
    let key = "k".repeat(200_000);
    let mut first = proxy.connect();
    // Its link is at hand for the WATCH.
    assert_eq!(first.call(&["EVAL", "return 1", "0"]), Value::Int(1));
    assert!(first.call(&["WATCH", &key]).is_ok());
    assert_eq!(first.call(&["GET", "x"]), Value::Null);
    let mut next = proxy.connect();
    assert!(next.call(&["MULTI"]).is_ok());
    assert_eq!(next.call(&["INCR", "n"]).text(), "QUEUED");
    bed.server(0).command(&["SET", &key, "touched"]);
    assert_eq!(next.call(&["EXEC"]).items().len(), 1, "it watches nothing");
    assert!(first.call(&["MULTI"]).is_ok());
    assert_eq!(first.call(&["INCR", "n"]).text(), "QUEUED");
    assert_eq!(first.call(&["EXEC"]), Value::Null, "its key changed");
}

/// What HELLO tells a client it is called.
fn told_id(client: &mut Client) -> String {
    client.send(&["HELLO", "3"]).unwrap();
    client.reply().unwrap();
    let raw = String::from_utf8_lossy(client.raw()).into_owned();
    let after = raw.split("$2\r\nid\r\n:").nth(1).unwrap();
    after.split("\r\n").next().unwrap().to_owned()
}

#[test]
fn what_is_said_to_a_client_s_id_stays_with_that_client() {
    let bed = bed();
    let proxy = alone(&bed);
    let mut told = proxy.connect();
    told.call(&["HELLO", "3"]);
    let id = told_id(&mut told);
    assert!(told.call(&["MULTI"]).is_ok());
    let mut teller = proxy.connect();
    let redirect = ["CLIENT", "TRACKING", "ON", "REDIRECT", &id, "BCAST"];
    assert!(teller.call(&redirect).is_ok());
    told.call(&["EXEC"]);
    told.call(&["GET", "x"]);
    let mut third = proxy.connect();
    third.call(&["HELLO", "3"]);
    third.call(&["MULTI"]);
    bed.server(0).command(&["SET", "whose", "not the third's"]);
    assert_eq!(third.call(&["INCR", "n"]).text(), "QUEUED");
    let pushed = third.reply_within(std::time::Duration::from_millis(300));
    assert!(pushed.is_err(), "{pushed:?}");
    // It keeps the link that is told of the other's changes.
    let invalidated = told.reply().unwrap();
    assert!(matches!(invalidated, Value::Push(_)), "{invalidated:?}");
}

#[test]
fn clients_that_say_they_go_cost_the_server_no_connection() {
    let bed = bed();
    let proxy = alone(&bed);
    let visit = |asks: &[&[&str]]| {
        let mut client = proxy.connect();
        for args in asks {
            assert!(client.call(args).error().is_none(), "{args:?}");
        }
        assert!(client.call(&["QUIT"]).is_ok());
        assert!(client.closed_within(SOON).is_some());
    };
    let visits: [&[&[&str]]; 3] = [
        &[&["GET", "k"]],
        // Ends on a link of its own, which is as it should be.
        &[&["GET", "k"], &["EVAL", "return 1", "0"]],
        &[&["SELECT", "2"], &["GET", "k"]],
    ];
    visits.iter().for_each(|asks| visit(asks));
    let before = asked_for(bed.server(0));
    for _ in 0..70 {
        visits.iter().for_each(|asks| visit(asks));
    }
    let cost = asked_for(bed.server(0)) - before;
    // Heartbeats, Sentinels and this test ask for some.
    assert!(cost < 20, "{cost} connections for 210 clients");
}

#[test]
fn who_goes_is_answered_in_its_turn() {
    let bed = bed();
    let proxy = alone(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    let pipeline = [["GET", "k"].as_slice(), &["SYNC"], &["GET", "k"], &["QUIT"]];
    let bytes: Vec<_> = pipeline.iter().flat_map(|args| command(args)).collect();
    client.send_raw(&bytes).unwrap();
    assert_eq!(client.reply().unwrap().text(), "v");
    let refused = client.reply().unwrap();
    assert!(refused.error().is_some(), "{refused:?}");
    assert_eq!(client.reply().unwrap().text(), "v");
    assert!(client.reply().unwrap().is_ok());
    assert!(client.closed_within(SOON).is_some());
}
