//! Transactions on shared links: one goes there as a whole or not at all, so that nobody else's
//! commands are ever queued with it.

use super::{alone, in_front_of};
use crate::bed::Bed;
use crate::client::{Client, command};
use crate::fakes::{FakeServer, Reaction};

/// One whose middle is too large for a shared link.
fn large_transaction(key: &str) -> Vec<u8> {
    let value = "v".repeat(100_000);
    [
        command(&["MULTI"]),
        command(&["SET", key, &value]),
        command(&["EXEC"]),
    ]
    .concat()
}

fn is_executed(client: &mut Client) {
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().text(), "QUEUED");
    assert_eq!(client.reply().unwrap().items().len(), 1);
}

#[test]
fn a_large_transaction_opens_nothing_on_a_shared_link() {
    let bed = Bed::lonely();
    let proxy = alone(&bed);
    // All of it is there by the time the link is.
    let mut client = proxy.connect();
    client.send_raw(&large_transaction("a")).unwrap();
    is_executed(&mut client);
    let mut other = proxy.connect();
    assert!(other.call(&["SET", "mine", "1"]).is_ok());
    assert_eq!(other.call(&["GET", "mine"]).text(), "1");
}

#[test]
fn a_large_transaction_sent_while_a_link_is_lost_leaves_nothing_behind() {
    let bed = Bed::lonely();
    let proxy = alone(&bed);
    let mut other = proxy.connect();
    let mut client = proxy.connect();
    let kill = || {
        let killed = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
        bed.server(0).command(&killed)
    };
    for round in 0..2 {
        assert!(other.call(&["SET", "mine", "0"]).is_ok());
        assert!(client.call(&["SET", "k", "0"]).is_ok());
        kill();
        client.send_raw(&large_transaction("a")).unwrap();
        is_executed(&mut client);
        let mine = round.to_string();
        assert!(other.call(&["SET", "mine", &mine]).is_ok());
        assert_eq!(bed.server(0).command(&["GET", "mine"]).text(), mine);
    }
    // Nor is anything let through for it later that is not for a shared link.
    assert!(client.call(&["SELECT", "5"]).is_ok());
    assert!(other.call(&["SET", "whose", "others"]).is_ok());
    assert_eq!(bed.server(0).command(&["GET", "whose"]).text(), "others");
}

/// A server that has a transaction open where there is none.
fn mixing(words: &[String]) -> Reaction {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["SET", "mixed", _] | ["SET", "queued", _] => Reaction::Reply(b"+QUEUED\r\n".into()),
        ["EXEC"] => Reaction::Reply(b"-ERR not now\r\n".into()),
        _ => Reaction::AsUsual,
    }
}

#[test]
fn a_shared_link_on_which_a_transaction_is_open_ends() {
    let server = FakeServer::start(mixing);
    let (_sentinel, proxy) = in_front_of(server.addr());
    let mut client = proxy.connect();
    let uncertain = |told: Option<&str>| {
        assert!(
            told.is_some_and(|it| it.starts_with("UNCERTAIN")),
            "{told:?}"
        );
    };
    assert!(client.call(&["SET", "a", "b"]).is_ok());
    uncertain(client.call(&["SET", "mixed", "v"]).error());
    assert!(client.call(&["SET", "a", "b"]).is_ok());
    let transaction = [
        command(&["MULTI"]),
        command(&["SET", "queued", "v"]),
        command(&["EXEC"]),
    ];
    client.send_raw(&transaction.concat()).unwrap();
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().text(), "QUEUED");
    uncertain(client.reply().unwrap().error());
    assert!(client.call(&["SET", "a", "b"]).is_ok());
}
