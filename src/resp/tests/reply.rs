//! The reply scanner on generated replies.

use proptest::prelude::*;
use redis_protocol::{resp2, resp3};

use super::naive::{self, Not};
use super::values::{self, Of};
use super::{apply, cuts, edits, planned};
use crate::resp::{Peek, ReplyScanner, check, first_word};

fn any_reply() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![values::resp2(), values::resp3(Of::Anything)]
}

fn replies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(any_reply(), 1..5)
}

proptest! {
    #[test]
    fn any_division_finds_the_same_replies(
        replies in replies(), edits in edits(), cuts in cuts(),
    ) {
        let mut stream = replies.concat();
        check::reply(&planned(&cuts, &stream));
        check::reply(&planned(&[], &stream));
        apply(&edits, &mut stream);
        check::reply(&planned(&cuts, &stream));
    }

    #[test]
    fn every_strict_prefix_goes_on(reply in any_reply()) {
        for len in 1..reply.len() {
            let mut scanner = ReplyScanner::new();
            prop_assert_eq!(scanner.scan(&reply[..len]), Ok(None));
            prop_assert!(!scanner.at_boundary());
        }
    }

    #[test]
    fn resp2_ends_where_the_other_decoder_ends(
        reply in values::resp2(), more in any::<[u8; 4]>(),
    ) {
        let stream = [&reply[..], &more].concat();
        let (_, end) = resp2::decode::decode_range(&stream).expect("valid").expect("complete");
        prop_assert_eq!(ReplyScanner::new().scan(&stream), Ok(Some(end)));
        prop_assert_eq!(end, reply.len());
    }

    #[test]
    fn resp3_ends_where_the_other_decoder_ends(
        reply in values::resp3(Of::Representable), more in any::<[u8; 4]>(),
    ) {
        let stream = [&reply[..], &more].concat();
        let decoded = resp3::decode::complete::decode_range(&stream);
        let (_, end) = decoded.expect("valid").expect("complete");
        prop_assert_eq!(ReplyScanner::new().scan(&stream), Ok(Some(end)));
        prop_assert_eq!(end, reply.len());
    }

    #[test]
    fn agrees_with_the_naive_parser(replies in replies(), edits in edits()) {
        let mut stream = replies.concat();
        apply(&edits, &mut stream);
        let mut scanner = ReplyScanner::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let found = scanner.scan(rest);
            match naive::reply(rest) {
                Ok((len, kind)) => {
                    prop_assert_eq!(found, Ok(Some(len)));
                    prop_assert_eq!(scanner.kind(), kind);
                    rest = &rest[len..];
                }
                Err(Not::Complete) => {
                    prop_assert_eq!(found, Ok(None));
                    break;
                }
                Err(Not::Valid) => {
                    prop_assert!(found.is_err());
                    break;
                }
            }
        }
    }

    #[test]
    fn a_peek_never_changes_its_mind(reply in values::resp3(Of::Anything)) {
        let whole = first_word(&reply);
        prop_assert_ne!(whole, Peek::NeedMore);
        for len in 0..reply.len() {
            let early = first_word(&reply[..len]);
            prop_assert!(early == Peek::NeedMore || early == whole, "{:?}", early);
        }
    }
}

#[test]
fn an_attribute_is_one_frame_with_its_value() {
    let stream = b"|1\r\n+ttl\r\n:9\r\n|0\r\n*1\r\n|1\r\n+a\r\n*0\r\n$1\r\nx\r\n+OK\r\n";
    let mut scanner = ReplyScanner::new();
    assert_eq!(scanner.scan(&stream[..14]), Ok(None));
    assert_eq!(scanner.kind(), 0);
    assert_eq!(scanner.scan(&stream[14..]), Ok(Some(stream.len() - 14 - 5)));
    assert_eq!(scanner.kind(), b'*');
}

#[test]
fn a_push_between_replies_is_a_frame_of_its_own() {
    let mut scanner = ReplyScanner::new();
    let push = b">2\r\n$10\r\ninvalidate\r\n_\r\n";
    assert_eq!(scanner.scan(push), Ok(Some(push.len())));
    assert_eq!(scanner.kind(), b'>');
    assert_eq!(scanner.scan(b"+OK\r\n"), Ok(Some(5)));
    assert_eq!(scanner.kind(), b'+');
}

#[test]
fn a_large_body_can_be_moved_unseen() {
    let mut scanner = ReplyScanner::new();
    assert_eq!(scanner.scan(b"*2\r\n$1000000\r\nab"), Ok(None));
    assert_eq!(scanner.body_left(), 1_000_000);
    assert!(!scanner.skip_body(999_999));
    assert!(scanner.skip_body(999_998));
    assert_eq!(scanner.scan(b"\r\n:1\r\n"), Ok(Some(6)));
    assert_eq!(scanner.body_left(), 0);
}

#[test]
fn first_words_are_read_from_beginnings() {
    #[track_caller]
    fn check(prefix: &[u8], expected: Peek<'_>) {
        assert_eq!(first_word(prefix), expected);
    }
    check(b"", Peek::NeedMore);
    check(b">3\r\n$7\r\nmessag", Peek::NeedMore);
    check(b">3\r\n$7\r\nmessage", Peek::Word(b"message"));
    check(
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\nx",
        Peek::Word(b"subscribe"),
    );
    check(b"*0\r\n", Peek::Other);
    check(b"*-1\r\n", Peek::Other);
    check(b"*1\r\n:1\r\n", Peek::Other);
    check(b"*1\r\n$33\r\n", Peek::Other);
    check(b"+message\r\n", Peek::Other);
}
