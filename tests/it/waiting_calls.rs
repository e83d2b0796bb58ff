//! Goal: what a client sends after a call that waits is executed after it, also when that call has to
//! be asked again, and is dropped where a server would drop it. Method: all in one write, a link, a
//! primary or the client lost while the call waits, and a look at what the node has by then.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(10);
/// Well below the time that a half-closed client's replies may stand still.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Above what is streamed, above what is kept for one client.
const LARGE: usize = 300 * 1024;
const LARGER: usize = 3 * 1024 * 1024;
/// More of the former than all buffers on the way take.
const LARGE_MAX: usize = 200;
/// A write that takes so long finds no room.
const FULL_AFTER: Duration = Duration::from_millis(500);

fn pop_then_log(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    let mut bytes = command(&["BLPOP", "jobs", "0"]);
    bytes.extend(command(&["RPUSH", "log", "after"]));
    bytes.extend(command(&["LRANGE", "log", "0", "-1"]));
    client.send_raw(&bytes).unwrap();
    client
}

fn wait_blocked(bed: &Bed) {
    wait_until(SOON, "the call waits", || {
        bed.primary().info("blocked_clients") == "1"
    });
}

#[track_caller]
fn wait_unblocked(bed: &Bed) {
    wait_until(AT_ONCE, "nobody waits any more", || {
        bed.primary().info("blocked_clients") == "0"
    });
}

/// Nothing after the call has been executed; once it is answered, all is.
fn ends_in_order(bed: &Bed, mut client: Client) {
    let primary = bed.primary();
    assert_eq!(primary.command(&["LLEN", "log"]), Value::Int(0));
    primary.command(&["RPUSH", "jobs", "one"]);
    let popped = client.reply_within(SOON).unwrap();
    assert_eq!((popped.at(0), popped.at(1)), ("jobs".into(), "one".into()));
    assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(1));
    assert_eq!(client.reply_within(SOON).unwrap().at(0), "after");
}

#[test]
fn what_follows_a_call_that_waits_is_not_executed_before_it() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let client = pop_then_log(&proxy);
    wait_blocked(&bed);
    ends_in_order(&bed, client);
}

#[test]
fn it_waits_over_a_lost_link() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let client = pop_then_log(&proxy);
    wait_blocked(&bed);
    bed.primary().cut_links();
    wait_blocked(&bed);
    ends_in_order(&bed, client);
}

#[test]
fn it_waits_over_a_planned_failover() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let mut client = pop_then_log(&proxy);
    wait_blocked(&bed);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    wait_until(SOON, "the call waits again", || {
        new.info("blocked_clients") == "1"
    });
    assert_eq!(new.command(&["LLEN", "log"]), Value::Int(0));
    new.command(&["RPUSH", "jobs", "one"]);
    let popped = client.reply_within(SOON).unwrap();
    assert_eq!(popped.at(1), "one");
    assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(1));
}

/// Somebody else lets go of the call: it is answered, and what follows is executed.
#[test]
fn an_unblocked_call_lets_go_of_what_follows() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let Value::Int(id) = client.call(&["CLIENT", "ID"]) else {
        panic!("no id");
    };
    let mut bytes = command(&["BLPOP", "jobs", "0"]);
    bytes.extend(command(&["RPUSH", "log", "after"]));
    client.send_raw(&bytes).unwrap();
    wait_blocked(&bed);
    let mut other = proxy.connect();
    let unblocked = other.call(&["CLIENT", "UNBLOCK", &id.to_string(), "ERROR"]);
    assert_eq!(unblocked, Value::Int(1));
    assert!(client.reply_within(SOON).unwrap().is_error("UNBLOCKED"));
    assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(1));
}

/// A client that is gone waits for nothing, however it went.
#[test]
fn a_client_that_leaves_takes_what_follows_with_it() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let ends: [fn(Client); 3] = [
        drop,
        Client::reset,
        // A server closes on that as well.
        |mut client| {
            client.shutdown_write();
            assert!(client.closed_within(AT_ONCE).is_some());
        },
    ];
    for end in ends {
        let client = pop_then_log(&proxy);
        wait_blocked(&bed);
        end(client);
        wait_unblocked(&bed);
        assert_eq!(bed.primary().command(&["LLEN", "log"]), Value::Int(0));
    }
}

/// A reset is noticed also where no more is read. (An orderly end comes after all that was sent.)
#[test]
fn a_client_that_leaves_after_sending_too_much_is_noticed() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_write_timeout(Some(FULL_AFTER)).unwrap();
    stream.write_all(&command(&["BLPOP", "jobs", "0"])).unwrap();
    wait_blocked(&bed);
    let set = command(&["SET", "big", &"x".repeat(LARGE)]);
    let full = (0..LARGE_MAX).any(|_| stream.write_all(&set).is_err());
    assert!(full, "all of it was read");
    let reset = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    reset.unwrap();
    drop(stream);
    wait_unblocked(&bed);
    assert_eq!(bed.primary().command(&["EXISTS", "big"]), Value::Int(0));
}

/// What was sent behind a call that need not wait is executed although its client is gone.
#[test]
fn what_follows_a_call_that_is_served_at_once_outlives_its_client() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let primary = bed.primary();
    for _ in 0..50 {
        primary.command(&["DEL", "log"]);
        primary.command(&["RPUSH", "jobs", "one"]);
        drop(pop_then_log(&proxy));
        wait_until(AT_ONCE, "what follows is executed", || {
            primary.command(&["LLEN", "log"]) == Value::Int(1)
        });
    }
}

#[test]
fn calls_in_a_row_are_answered_in_a_row() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    let mut bytes = Vec::new();
    for name in ["one", "two"] {
        bytes.extend(command(&["BLPOP", "jobs", "0"]));
        bytes.extend(command(&["SET", "done", name]));
    }
    client.send_raw(&bytes).unwrap();
    let primary = bed.primary();
    for name in ["one", "two"] {
        wait_blocked(&bed);
        assert_ne!(primary.command(&["GET", "done"]).text(), name);
        primary.command(&["RPUSH", "jobs", name]);
        assert_eq!(client.reply_within(SOON).unwrap().at(1), name);
        assert!(client.reply_within(SOON).unwrap().is_ok());
        assert_eq!(primary.command(&["GET", "done"]).text(), name);
    }
}

/// Inline, in a transaction, or without anything to wait for: all are answered.
#[test]
fn no_call_holds_back_what_follows_for_ever() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    client.call(&["XADD", "s", "1-1", "a", "b"]);
    for (bytes, replies) in [
        (&b"WAIT 0 0\r\nPING\r\nWAIT 0 0\r\nPING\r\n"[..], 4),
        (b"blpop nothing 0.01\r\nPING\r\n", 2),
        (b"XREAD STREAMS s 0\r\nPING\r\n", 2),
        (b"XREAD BLOCK 5 STREAMS s 9\r\nPING\r\n", 2),
        (b"MULTI\r\nBLPOP nothing 0\r\nEXEC\r\nPING\r\n", 4),
    ] {
        client.send_raw(bytes).unwrap();
        let last = (0..replies).map(|_| client.reply_within(SOON).unwrap());
        assert_eq!(last.last().unwrap().text(), "PONG", "{bytes:?}");
    }
}

#[test]
fn what_follows_waits_in_resp3_too() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    client.call(&["HELLO", "3"]);
    client.call(&["CLIENT", "TRACKING", "ON"]);
    client.call(&["GET", "done"]);
    let mut bytes = command(&["BLPOP", "jobs", "0"]);
    bytes.extend(command(&["RPUSH", "log", "after"]));
    client.send_raw(&bytes).unwrap();
    wait_blocked(&bed);
    let primary = bed.primary();
    // A push in between is no answer.
    primary.command(&["SET", "done", "x"]);
    assert_eq!(client.reply_within(SOON).unwrap().at(0), "invalidate");
    assert_eq!(primary.command(&["LLEN", "log"]), Value::Int(0));
    primary.command(&["RPUSH", "jobs", "one"]);
    assert_eq!(client.reply_within(SOON).unwrap().at(1), "one");
    assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(1));
}

#[test]
fn large_commands_wait_and_arrive_whole() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    for size in [LARGE, LARGER] {
        let mut client = proxy.connect();
        let mut bytes = command(&["BLPOP", "jobs", "0"]);
        bytes.extend(command(&["SET", "big", &"x".repeat(size)]));
        bytes.extend(command(&["STRLEN", "big"]));
        let writer = thread::spawn(move || {
            client.send_raw(&bytes).unwrap();
            client
        });
        wait_blocked(&bed);
        let primary = bed.primary();
        assert_eq!(primary.command(&["EXISTS", "big"]), Value::Int(0));
        primary.command(&["RPUSH", "jobs", "one"]);
        let mut client = writer.join().unwrap();
        assert_eq!(client.reply_within(SOON).unwrap().at(1), "one");
        assert!(client.reply_within(SOON).unwrap().is_ok());
        let len = i64::try_from(size).unwrap();
        assert_eq!(client.reply_within(SOON).unwrap(), Value::Int(len));
        primary.command(&["DEL", "big"]);
    }
}
