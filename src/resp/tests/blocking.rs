//! The timeouts of calls that wait, in every form and place, and as a server understands them.

use std::time::Duration;

use proptest::prelude::*;

use super::server::{Client, Server, command};
use super::{apply, edits, values};
use crate::resp::blocking::{Timeout, nil, timeout, with_remaining};
use crate::resp::{Args, Class, class};

/// Every call that waits, `T` being its timeout in seconds and `M` in milliseconds.
const CALLS: &[&str] = &[
    "BLPOP k T",
    "BRPOP k l m T",
    "BLMOVE k l LEFT RIGHT T",
    "BRPOPLPUSH k l T",
    "BLMPOP T 1 k LEFT",
    "BZPOPMIN z T",
    "BZPOPMAX z y T",
    "BZMPOP T 2 z y MIN COUNT 3",
    "XREAD BLOCK M STREAMS s $",
    "XREAD COUNT 1 BLOCK M STREAMS block s 0 0",
    "XREADGROUP GROUP g c NOACK BLOCK M STREAMS s >",
];

fn line(line: &str) -> Vec<u8> {
    command(&line.split(' ').collect::<Vec<_>>())
}

fn with(call: &str, seconds: &str, millis: &str) -> Vec<u8> {
    let words = call.split(' ').map(|word| match word {
        "T" => seconds,
        "M" => millis,
        word => word,
    });
    command(&words.collect::<Vec<_>>())
}

const fn after(millis: u64) -> Option<Timeout> {
    Some(Timeout::After(Duration::from_millis(millis)))
}

/// Seconds as they may be sent, and what a server makes of them.
const SECONDS: &[(&str, Option<Timeout>)] = &[
    ("0", Some(Timeout::Forever)),
    ("-0", Some(Timeout::Forever)),
    ("0.000", Some(Timeout::Forever)),
    ("0e5", Some(Timeout::Forever)),
    ("-0.0005", Some(Timeout::Forever)),
    ("0.02", after(20)),
    ("+.02", after(20)),
    ("2e-2", after(20)),
    ("2E-2", after(20)),
    ("0.0101", after(11)),
    ("1e-5", after(1)),
    ("1e-400", after(1)),
    ("1.", after(1_000)),
    ("1e1", after(10_000)),
    ("3", after(3_000)),
    ("-1", None),
    ("-0.0011", None),
    ("", None),
    ("x", None),
    ("1x", None),
    (" 1", None),
    ("1 ", None),
    ("nan", None),
    ("inf", None),
    ("1e400", None),
    ("1e17", None),
];

const MILLIS: &[(&str, Option<Timeout>)] = &[
    ("0", Some(Timeout::Forever)),
    ("20", after(20)),
    ("10000", after(10_000)),
    ("-1", None),
    ("-0", None),
    ("+1", None),
    ("01", None),
    ("1.0", None),
    ("1e1", None),
    ("", None),
    (" 1", None),
    ("9223372036854775808", None),
    ("99999999999999999999", None),
];

#[test]
fn timeouts_are_read_in_every_form() {
    for (value, expected) in SECONDS {
        assert_eq!(
            timeout(&command(&["BLPOP", "k", value])),
            *expected,
            "{value}"
        );
    }
    for (value, expected) in MILLIS {
        let frame = command(&["XREAD", "BLOCK", value, "STREAMS", "s", "0"]);
        assert_eq!(timeout(&frame), *expected, "{value}");
    }
}

#[test]
fn timeouts_are_found_in_every_call() {
    for call in CALLS {
        assert_eq!(timeout(&with(call, "1.5", "1500")), after(1_500), "{call}");
    }
    assert_eq!(timeout(&line("blmpop 2 1 k left")), after(2_000));
    assert_eq!(
        timeout(&line("xread block 5 Block 7 streams s 0")),
        after(7)
    );
}

#[test]
fn what_does_not_wait_has_no_timeout() {
    for words in [
        "",
        "GET 1",
        "LPOP k 1",
        "WAIT 1 0",
        "BLPOP",
        "BLPOP 1",
        "BLMPOP",
        "XREAD STREAMS s 0",
        "XREAD STREAMS BLOCK 1",
        "XREAD BLOCK",
        "XREAD BLOCK 1 STREAMS s",
        "XREADGROUP GROUP g BLOCK COUNT 1 STREAMS s >",
    ] {
        assert_eq!(timeout(&line(words)), None, "{words}");
        assert_eq!(
            with_remaining(&line(words), Duration::ZERO),
            None,
            "{words}"
        );
    }
}

#[test]
fn a_remaining_time_is_never_zero_nor_too_short() {
    #[track_caller]
    fn check(remaining: Duration, seconds: &str, millis: &str) {
        for call in CALLS {
            let found = with_remaining(&with(call, "0", "0"), remaining);
            assert_eq!(found, Some(with(call, seconds, millis)), "{call}");
        }
    }
    check(Duration::ZERO, "0.001", "1");
    check(Duration::from_nanos(1), "0.001", "1");
    check(Duration::from_micros(1_001), "0.002", "2");
    check(Duration::from_millis(12_345), "12.345", "12345");
    check(Duration::from_secs(60), "60.000", "60000");
    check(Duration::MAX, "1000000000000.000", "1000000000000000");
}

#[test]
fn a_call_keeps_its_class_whatever_remains() {
    for call in CALLS {
        let frame = with(call, "9", "9000");
        let resumed = with_remaining(&frame, Duration::from_secs(2)).expect("it waits");
        assert_eq!(class(&resumed), class(&frame), "{call}");
        let waits = matches!(class(&frame), Class::Blocking | Class::BlockingRead { .. });
        assert!(waits, "{call}");
    }
}

proptest! {
    #[test]
    fn a_remaining_time_is_read_back(
        call in prop::sample::select(CALLS), millis in 1..1_000_000_000_000_u64,
    ) {
        let frame = with(call, "1", "1");
        let remaining = Duration::from_millis(millis);
        let resumed = with_remaining(&frame, remaining).expect("it waits");
        // Above some 100 days a float of seconds may round up to the next millisecond.
        let spare = if call.contains('T') { 1 } else { 0 };
        let found = timeout(&resumed);
        prop_assert!(
            (0..=spare).any(|more| found == after(millis + more)),
            "{:?} of {}", found, millis
        );
        let differ = Args::new(&frame).zip(Args::new(&resumed)).filter(|(a, b)| a != b);
        prop_assert!(differ.count() <= 1);
        prop_assert_eq!(Args::new(&frame).count(), Args::new(&resumed).count());
    }

    #[test]
    fn any_damaged_call_can_be_asked_about(
        call in prop::sample::select(CALLS), edits in edits(), bytes in values::bytes(),
    ) {
        let mut frame = with(call, "1.5", "1500");
        apply(&edits, &mut frame);
        for frame in [frame, bytes] {
            let resumed = with_remaining(&frame, Duration::from_secs(1));
            prop_assert_eq!(resumed.is_some(), timeout(&frame).is_some());
        }
    }
}

/// Asks `frame`, which waits for ever, and ends the wait as its timeout would.
fn time_out(server: &Server, client: &mut Client, frame: &[u8]) -> Vec<u8> {
    let id = client.ask(&["CLIENT", "ID"]);
    let id = str::from_utf8(&id[1..id.len() - 2]).expect("a number");
    client.send(frame);
    server.wait_for_blocked(1);
    assert_eq!(server.ask(&["CLIENT", "UNBLOCK", id, "TIMEOUT"]), b":1\r\n");
    client.reply()
}

#[test]
fn a_server_answers_that_nil_when_the_time_has_passed() {
    let server = Server::start();
    server.ask(&["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"]);
    for (version, resp3) in [("2", false), ("3", true)] {
        let mut client = server.connect();
        client.ask(&["HELLO", version]);
        for call in CALLS {
            let frame = with(call, "30", "30000");
            let resumed = with_remaining(&frame, Duration::from_millis(1)).expect("it waits");
            client.send(&resumed);
            assert_eq!(client.reply(), nil(&frame, resp3), "{call}");
            let frame = with(call, "0", "0");
            let answered = time_out(&server, &mut client, &frame);
            assert_eq!(answered, nil(&frame, resp3), "{call}");
        }
    }
}

#[test]
fn a_server_understands_the_same() {
    let server = Server::start();
    let mut client = server.connect();
    let seconds = SECONDS
        .iter()
        .map(|(value, expected)| (command(&["BLPOP", "k", value]), value, expected));
    let millis = MILLIS.iter().map(|(value, expected)| {
        let frame = command(&["XREAD", "BLOCK", value, "STREAMS", "s", "0"]);
        (frame, value, expected)
    });
    for (frame, value, expected) in seconds.chain(millis) {
        let reply = match expected {
            None => {
                client.send(&frame);
                let reply = client.reply();
                assert_eq!(reply.first(), Some(&b'-'), "{value}");
                continue;
            }
            Some(Timeout::After(wait)) if *wait < Duration::from_millis(100) => {
                client.send(&frame);
                client.reply()
            }
            Some(_) => time_out(&server, &mut client, &frame),
        };
        assert_eq!(reply, nil(&frame, false), "{value}");
    }
}
