//! Inline lines, by a table checked against the server, and by their round trip.

use proptest::prelude::*;

use crate::resp::request::INLINE_LEN_MAX;
use crate::resp::{Args, ProtocolError, check, inline};

/// The words `line` stands for; none for a blank one.
fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let mut command = Vec::new();
    inline::encode(line, &mut command)?;
    Ok(Args::new(&command).map(<[u8]>::to_vec).collect())
}

#[track_caller]
fn splits(line: &[u8], expected: &[&[u8]]) {
    let got = words(line).expect("splits");
    assert_eq!(got, expected, "{}", line.escape_ascii());
}

#[test]
fn words_are_split_at_spaces() {
    splits(b"PING\r\n", &[b"PING"]);
    splits(b"PING", &[b"PING"]);
    splits(b" \t set  k\tv \r\n", &[b"set", b"k", b"v"]);
    splits(b"a\rb\n", &[b"a", b"b"]);
    splits(b"\x0b\x0ca\x0bb c\n", &[b"a\x0bb", b"c"]);
    splits(b"\r\n", &[]);
    splits(b"   ", &[]);
    splits(b"", &[]);
    splits(b"\\n \\x41\n", &[b"\\n", b"\\x41"]);
}

#[test]
fn double_quotes_know_escapes() {
    splits(b"e \"a b\"\n", &[b"e", b"a b"]);
    splits(b"e \"\"\n", &[b"e", b""]);
    splits(br#"e "\n\r\t\b\a""#, &[b"e", b"\n\r\t\x08\x07"]);
    splits(br#"e "\x00\xfF\x4a""#, &[b"e", b"\x00\xffJ"]);
    splits(br#"e "\xg0\x4""#, &[b"e", b"xg0x4"]);
    splits(br#"e "\"\\\q\'""#, &[b"e", br#""\q'"#]);
    splits(br#"e "it's""#, &[b"e", b"it's"]);
    splits(b"a\"b c\" d\n", &[b"ab c", b"d"]);
}

#[test]
fn single_quotes_know_only_their_own() {
    splits(b"e 'a b'\n", &[b"e", b"a b"]);
    splits(b"e ''\n", &[b"e", b""]);
    splits(br"e 'it\'s'", &[b"e", b"it's"]);
    splits(br#"e '\n\x41"\\"'"#, &[b"e", br#"\n\x41"\\""#]);
    splits(b"a'b c'\td\n", &[b"ab c", b"d"]);
}

#[test]
fn a_quote_ends_at_a_space() {
    for line in [
        &br#"e "a"#[..],
        b"e 'a",
        br#"e "a"b"#,
        b"e 'a'b",
        br#"e "a\"#,
        br#"e "a\""#,
        br"e 'a\'",
        br#"e """""#,
        b"\"",
        b"'",
        b"e \"a\"\x0bb",
        b"e 'a'\x0c",
    ] {
        assert_eq!(words(line), Err(ProtocolError::UnbalancedQuotes));
    }
    splits(b"\"a\"\tb\n", &[b"a", b"b"]);
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    #[track_caller]
    fn refuses(line: &[u8], expected: ProtocolError) {
        let mut out = b"kept".to_vec();
        assert_eq!(inline::encode(line, &mut out), Err(expected));
        assert_eq!(out, b"kept");
    }
    refuses(b"PING \0", ProtocolError::InlineNul);
    refuses(b"PING \xff", ProtocolError::InlineTelnet);
    refuses(b"a b 'c", ProtocolError::UnbalancedQuotes);
    refuses(b"\"post\" /\n", ProtocolError::Http);
    refuses(b"Ho'st:'\n", ProtocolError::Http);
    refuses(&[b'x'; INLINE_LEN_MAX + 1], ProtocolError::InlineTooBig);
}

#[test]
fn a_command_is_appended() {
    let mut out = b"*1\r\n$4\r\nPING\r\n".to_vec();
    assert_eq!(inline::encode(b"echo \"h i\"\r\n", &mut out), Ok(true));
    assert_eq!(
        out,
        b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\necho\r\n$3\r\nh i\r\n"
    );
}

proptest! {
    #[test]
    fn any_line_becomes_one_command_or_nothing(line in prop::collection::vec(
        prop_oneof![prop::sample::select(b" \t\r\n\"'\\xabn01f".to_vec()), any::<u8>()], 0..60,
    )) {
        check::inline(&line);
    }
}
