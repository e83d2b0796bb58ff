//! Streams made to break a parser, each with its documented end.

use super::planned;
use crate::resp::request::INLINE_LEN_MAX;
use crate::resp::{ProtocolError, ReplyError, ReplyScanner, RequestScanner, Scanned, check};

#[track_caller]
fn request(stream: &[u8], expected: Result<Scanned, ProtocolError>) {
    assert_eq!(
        RequestScanner::new().scan(stream),
        expected,
        "{}",
        stream.escape_ascii()
    );
    check::request(&planned(&[], stream));
    check::request(&planned(&[2, 0, 200], stream));
}

#[track_caller]
fn reply(stream: &[u8], expected: Result<Option<usize>, ReplyError>) {
    assert_eq!(
        ReplyScanner::new().scan(stream),
        expected,
        "{}",
        stream.escape_ascii()
    );
    check::reply(&planned(&[], stream));
    check::reply(&planned(&[2, 0, 200], stream));
}

#[test]
fn counts_and_lengths_must_be_canonical() {
    for count in [
        "-1",
        "-10",
        "+1",
        "01",
        "00",
        " 1",
        "1 ",
        "",
        "0x1",
        "1048577",
        "99999999999999999999999999",
        "18446744073709551617",
        "1\n",
    ] {
        let stream = format!("*{count}\r\n");
        request(stream.as_bytes(), Err(ProtocolError::MultibulkLength));
    }
    for len in [
        "-1",
        "-0",
        "+1",
        "01",
        " 1",
        "",
        "536870913",
        "18446744073709551617",
        "4a",
    ] {
        let stream = format!("*1\r\n${len}\r\n");
        request(stream.as_bytes(), Err(ProtocolError::BulkLength));
    }
    request(b"*1048576\r\n$536870912\r\n", Ok(Scanned::More));
    request(b"*0\r\n*1\r\n", Ok(Scanned::Nothing { len: 4 }));
}

#[test]
fn line_ends_must_be_real() {
    request(b"*1\rX$4\rXPING\r\n", Err(ProtocolError::HeaderEnd));
    request(b"*1\r\n$4\rXPING\r\n", Err(ProtocolError::HeaderEnd));
    request(b"*1\n$4\nPING\n", Err(ProtocolError::MultibulkLength));
    request(b"*1\r\n$4\r\nPINGxx", Err(ProtocolError::BulkEnd));
    request(b"*1\r\n$4\r\nPING\rx", Err(ProtocolError::BulkEnd));
    request(b"*1\r\n$4\r\nPINGS\r\n", Err(ProtocolError::BulkEnd));
    request(b"*1\r\n$4\r\nPIN\r\n\r\n", Err(ProtocolError::BulkEnd));
}

#[test]
fn a_command_holds_only_bulks() {
    for byte in [b'*', b':', b'+', b'P', b'\r', 0, 0xff] {
        let stream = [b"*2\r\n$1\r\nx\r\n", &[byte][..], b"1\r\n"].concat();
        request(&stream, Err(ProtocolError::ExpectedBulk(byte)));
    }
    let deep = b"*1\r\n".repeat(100_000);
    request(&deep, Err(ProtocolError::ExpectedBulk(b'*')));
}

#[test]
fn http_is_refused_at_its_first_word() {
    for line in [
        "POST / HTTP/1.1\r\n",
        "  post\t/",
        "Host: a\r\n",
        "HOST:\n",
        "POST\r\n",
        "hOsT: ",
    ] {
        request(line.as_bytes(), Err(ProtocolError::Http));
    }
    request(b"POSTS \r\n", Ok(Scanned::Inline { len: 8 }));
    request(b"SET POST x\r\n", Ok(Scanned::Inline { len: 12 }));
    // GET is a command of ours, too; the header line after it ends the attempt.
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n";
    let mut scanner = RequestScanner::new();
    assert_eq!(scanner.scan(get), Ok(Scanned::Inline { len: 16 }));
    assert_eq!(scanner.scan(&get[16..]), Err(ProtocolError::Http));
}

#[test]
fn inline_lines_are_bounded_and_hold_no_bytes_that_servers_differ_about() {
    request(b"PING\0\r\n", Err(ProtocolError::InlineNul));
    request(b"ECHO '\xff'\r\n", Err(ProtocolError::InlineTelnet));
    request(b"\xff\xf4\xff\xfd\x06", Err(ProtocolError::InlineTelnet));
    request(b"ECHO \"\\xff\"\r\n", Ok(Scanned::Inline { len: 13 }));
    request(&[0x16, 3, 1, 0, 0xa5, 1], Err(ProtocolError::InlineNul));
    let longest = [vec![b'x'; INLINE_LEN_MAX], b"\n".to_vec()].concat();
    let len = longest.len();
    request(&longest, Ok(Scanned::Inline { len }));
    request(&longest[..len - 1], Ok(Scanned::More));
    let longer = vec![b' '; INLINE_LEN_MAX + 1];
    request(&longer, Err(ProtocolError::InlineTooBig));
    request(&longer.repeat(3), Err(ProtocolError::InlineTooBig));
}

#[test]
fn blank_lines_are_no_command() {
    for line in ["\n", "\r\n", " \t \r\n", "\x0b\x0c\n"] {
        let len = line.len();
        request(line.as_bytes(), Ok(Scanned::Nothing { len }));
    }
    request(b"\"\"\r\n", Ok(Scanned::Inline { len: 4 }));
}

#[test]
fn depth_costs_nothing() {
    let mut deep = b"*1\r\n".repeat(100_000);
    reply(&deep, Ok(None));
    deep.extend(b":1\r\n+OK\r\n");
    reply(&deep, Ok(Some(400_004)));
    reply(&b"|1\r\n".repeat(100_000), Ok(None));
    reply(&b"|0\r\n".repeat(100_000), Ok(None));
}

#[test]
fn what_a_reply_owes_is_bounded() {
    let huge = b"*4294967295\r\n";
    reply(&huge.repeat(256), Ok(None));
    reply(&huge.repeat(257), Err(ReplyError::TooManyValues));
    reply(
        &b"%4294967295\r\n".repeat(129),
        Err(ReplyError::TooManyValues),
    );
    reply(b"*4294967296\r\n", Err(ReplyError::Length));
}

#[test]
fn reply_lengths_must_be_canonical() {
    for length in [
        "$-2",
        "$-",
        "$-1x",
        "$-10",
        "*-2",
        "*--1",
        "=-1",
        "!-1",
        "%-1",
        "~-1",
        ">-1",
        "|-1",
        "$01",
        "*+1",
        "$",
        "*",
        "$1 ",
        "$18446744073709551617",
        "$1099511627777",
        "$-?",
    ] {
        let stream = format!("{length}\r\n");
        reply(stream.as_bytes(), Err(ReplyError::Length));
    }
    reply(b"$-1\r\n", Ok(Some(5)));
    reply(b"*-1\r\n", Ok(Some(5)));
    reply(b"$1099511627776\r\n", Ok(None));
}

#[test]
fn reply_line_ends_must_be_real() {
    reply(b"+OK\n", Err(ReplyError::LineEnd));
    reply(b"+O\rK\r\n", Err(ReplyError::LineEnd));
    reply(b"+OK\r\r\n", Err(ReplyError::LineEnd));
    reply(b"$1\rx", Err(ReplyError::LineEnd));
    reply(b"$-1\rx", Err(ReplyError::LineEnd));
    reply(b"*1\n:1\r\n", Err(ReplyError::Length));
    reply(b"$1\r\nxyz", Err(ReplyError::BulkEnd));
}

#[test]
fn unknown_and_streamed_types_are_refused() {
    for stream in [
        "$?\r\n",
        "*?\r\n",
        "%?\r\n",
        ";4\r\n",
        ".\r\n",
        "*1\r\n;0\r\n",
    ] {
        reply(stream.as_bytes(), Err(ReplyError::Streamed));
    }
    for byte in [b'\r', b'\n', b'P', 0, b'?', 0xff] {
        reply(&[byte, b'1'], Err(ReplyError::Type(byte)));
    }
}

#[test]
fn a_push_inside_a_value_is_refused() {
    reply(b"*1\r\n>0\r\n", Err(ReplyError::NestedPush));
    reply(b"|1\r\n+a\r\n>0\r\n", Err(ReplyError::NestedPush));
    reply(b">1\r\n>0\r\n", Err(ReplyError::NestedPush));
    reply(b"|1\r\n+a\r\n+b\r\n>0\r\n", Ok(Some(16)));
}
