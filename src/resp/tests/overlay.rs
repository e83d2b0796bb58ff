//! The command table and the replies of our own.

use std::time::Duration;

use crate::resp::class::TABLE;
use crate::resp::{Channels, ProtocolError, ReplyScanner, Special, replies, special};

#[test]
fn every_special_command_is_found() {
    for entry in &TABLE {
        assert_eq!(
            special(entry.name.as_bytes()),
            entry.special,
            "{}",
            entry.name
        );
    }
    let kind = Channels::Shard;
    assert_eq!(special(b"SUNSUBSCRIBE"), Special::Unsubscribe { kind });
    assert_eq!(special(b"PSYNC"), Special::Refused);
    assert_eq!(special(b"HOST:"), Special::Http);
    assert_eq!(special(b"EVALSHA_RO"), Special::Script);
    assert_eq!(special(b"CLIENT|ID"), Special::Plain);
}

#[test]
fn all_else_is_plain() {
    for name in [
        "",
        "GET",
        "SET",
        "AUTHX",
        "AUT",
        "EXEX",
        "PUNSUBSCRIBED",
        "auth",
        "[UTH",
        "\u{00ff}YNC",
        "SUBSCRIBERS",
        "XREADY",
    ] {
        assert_eq!(special(name.as_bytes()), Special::Plain, "{name}");
    }
}

#[test]
fn our_replies_are_one_frame_each() {
    let made = [
        replies::OK.to_vec(),
        replies::NOAUTH.to_vec(),
        replies::WRONGPASS.to_vec(),
        replies::MAX_CLIENTS.to_vec(),
        replies::UNCERTAIN.to_vec(),
        replies::masterdown("primary", "a\r\n+OK\r\n", Duration::ZERO),
        replies::protocol_error(&ProtocolError::ExpectedBulk(b'\r')),
        replies::refused(b"SY\r\nNC\xff"),
    ];
    for reply in made {
        let whole = Ok(Some(reply.len()));
        assert_eq!(ReplyScanner::new().scan(&reply), whole);
    }
}

#[test]
fn our_replies_say_what_is_promised() {
    #[track_caller]
    fn check(reply: &[u8], expected: &str) {
        assert_eq!(str::from_utf8(reply).expect("text"), expected);
    }
    check(
        &replies::masterdown("primary", "mymaster", Duration::from_millis(2_900)),
        "-MASTERDOWN steadfast: no primary for 'mymaster' after 2s; the command was NOT executed\r\n",
    );
    check(
        replies::UNCERTAIN,
        "-UNCERTAIN steadfast: the connection was lost after the command was sent; \
         it may or may not have been executed\r\n",
    );
    check(
        &replies::protocol_error(&ProtocolError::ExpectedBulk(b'*')),
        "-ERR Protocol error: expected '$', got '*'\r\n",
    );
    check(
        &replies::refused(b"SYNC"),
        "-ERR steadfast: SYNC is not available through a proxy\r\n",
    );
}
