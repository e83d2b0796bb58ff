//! The request scanner on generated commands.

use proptest::prelude::*;
use redis_protocol::resp2;

use super::naive::{self, Not};
use super::values::{args, frame};
use super::{apply, cuts, edits, planned};
use crate::resp::{Args, RequestScanner, Scanned, check};

proptest! {
    #[test]
    fn any_division_finds_the_same_commands(
        commands in prop::collection::vec(args(), 1..5), edits in edits(), cuts in cuts(),
    ) {
        let mut stream: Vec<u8> = commands.iter().flat_map(|args| frame(args)).collect();
        check::request(&planned(&cuts, &stream));
        check::request(&planned(&[], &stream));
        apply(&edits, &mut stream);
        check::request(&planned(&cuts, &stream));
    }

    #[test]
    fn every_strict_prefix_goes_on(args in args()) {
        let frame = frame(&args);
        for len in 1..frame.len() {
            let mut scanner = RequestScanner::new();
            prop_assert_eq!(scanner.scan(&frame[..len]), Ok(Scanned::More));
            prop_assert!(!scanner.at_boundary());
        }
    }

    #[test]
    fn name_arguments_and_end_are_those_sent(args in args(), following in any::<[u8; 4]>()) {
        let frame = frame(&args);
        let len = frame.len();
        let stream = [&frame[..], &following].concat();
        let mut scanner = RequestScanner::new();
        prop_assert_eq!(scanner.scan(&stream), Ok(Scanned::Command { len }));
        prop_assert_eq!(scanner.argc(), args.len());
        let known = if args[0].len() <= 32 { args[0].to_ascii_uppercase() } else { Vec::new() };
        prop_assert_eq!(scanner.name(), &known[..]);
        prop_assert!(Args::new(&frame).eq(args.iter().map(Vec::as_slice)));
        let (_, end) = resp2::decode::decode_range(&stream).expect("valid").expect("complete");
        prop_assert_eq!(end, len);
    }

    #[test]
    fn agrees_with_the_naive_parser(
        commands in prop::collection::vec(args(), 1..4), edits in edits(),
    ) {
        let mut stream: Vec<u8> = commands.iter().flat_map(|args| frame(args)).collect();
        apply(&edits, &mut stream);
        let mut scanner = RequestScanner::new();
        let mut rest = &stream[..];
        while rest.first() == Some(&b'*') {
            let found = scanner.scan(rest);
            match naive::command(rest) {
                Ok((len, args)) if args.is_empty() => {
                    prop_assert_eq!(found, Ok(Scanned::Nothing { len }));
                    rest = &rest[len..];
                }
                Ok((len, args)) => {
                    prop_assert_eq!(found, Ok(Scanned::Command { len }));
                    prop_assert!(Args::new(&rest[..len]).eq(args.iter().map(Vec::as_slice)));
                    rest = &rest[len..];
                }
                Err(Not::Complete) => {
                    prop_assert_eq!(found, Ok(Scanned::More));
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
    fn arguments_of_anything_just_end(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Args::new(&bytes).count();
        let _ = Args::new(&[b"*9\r\n$1\r\n", &bytes[..]].concat()).count();
    }
}

#[test]
fn an_idle_scanner_is_small() {
    assert!(size_of::<RequestScanner>() <= 96);
}

#[test]
fn name_and_count_appear_as_they_are_read() {
    let mut scanner = RequestScanner::new();
    let seen = |scanner: &RequestScanner| (scanner.argc(), scanner.name().to_vec());
    assert_eq!(scanner.scan(b"*2\r"), Ok(Scanned::More));
    assert_eq!(seen(&scanner), (0, vec![]));
    assert_eq!(scanner.scan(b"\n$4\r\nec"), Ok(Scanned::More));
    assert_eq!(seen(&scanner), (2, vec![]));
    assert_eq!(scanner.scan(b"ho\r\n"), Ok(Scanned::More));
    assert_eq!(seen(&scanner), (2, b"ECHO".to_vec()));
    assert_eq!(
        scanner.scan(b"$2\r\nhi\r\n*1"),
        Ok(Scanned::Command { len: 8 })
    );
    assert_eq!(seen(&scanner), (2, b"ECHO".to_vec()));
    assert!(scanner.at_boundary());
    assert_eq!(scanner.scan(b"*"), Ok(Scanned::More));
    assert_eq!(seen(&scanner), (0, vec![]));
    assert!(!scanner.at_boundary());
}

#[test]
fn an_inline_line_has_no_name() {
    let mut scanner = RequestScanner::new();
    assert_eq!(
        scanner.scan(b"ping hi\r\n*1"),
        Ok(Scanned::Inline { len: 9 })
    );
    assert_eq!((scanner.argc(), scanner.name()), (0, &b""[..]));
}

#[test]
fn a_large_body_can_be_moved_unseen() {
    let mut scanner = RequestScanner::new();
    let header = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n";
    assert_eq!(scanner.scan(header), Ok(Scanned::More));
    assert_eq!(scanner.body_left(), 1_000_002);
    assert!(!scanner.skip_body(1_000_001));
    assert!(scanner.skip_body(999_999));
    assert_eq!(scanner.body_left(), 3);
    assert_eq!(scanner.scan(b"x\r"), Ok(Scanned::More));
    assert_eq!(scanner.body_left(), 1);
    assert!(!scanner.skip_body(1));
    assert_eq!(scanner.scan(b"\n"), Ok(Scanned::Command { len: 1 }));
    assert_eq!((scanner.body_left(), scanner.name()), (0, &b"SET"[..]));
}

#[test]
fn a_name_moved_unseen_is_unknown() {
    let mut scanner = RequestScanner::new();
    assert_eq!(scanner.scan(b"*1\r\n$4\r\nP"), Ok(Scanned::More));
    assert!(scanner.skip_body(2));
    assert_eq!(scanner.scan(b"G\r\n"), Ok(Scanned::Command { len: 3 }));
    assert_eq!(scanner.name(), b"");
}
