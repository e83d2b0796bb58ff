//! Finds where one control reply ends, within bounds, before anything decodes it.
//!
//! The decoder behind it recurses and allocates by what the peer announces; this scan is iterative,
//! resumes where it stopped and refuses what is too long or too deep. It looks at RESP2 only, and
//! keeps nothing of the content.

use std::fmt;

/// Longest reply taken from a Sentinel or a control connection.
pub(super) const REPLY_LEN_MAX: usize = 1 << 20;
/// Deepest nesting; ROLE needs 3.
pub(super) const DEPTH_MAX: usize = 8;
/// Longest line of a length, a number, a status or an error.
const LINE_LEN_MAX: usize = 16 << 10;

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadFrame {
    /// Longer than a control reply may be.
    TooLong,
    /// Nested deeper than a control reply may be.
    TooDeep,
    /// No RESP2.
    NotResp,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the reply is longer than 1 MiB",
            Self::TooDeep => "the reply is nested too deeply",
            Self::NotResp => "the reply is not RESP; is this a plain Redis or Valkey port?",
        })
    }
}

/// Resumable scan for the end of one reply that starts at byte 0 of the buffer.
#[derive(Debug, Default)]
pub(super) struct Framer {
    /// Everything before this is scanned.
    at: usize,
    /// Elements still missing on each open level.
    open: [usize; DEPTH_MAX],
    depth: usize,
}

impl Framer {
    /// The length of the reply at the front of `bytes`, or none while it is incomplete; after a
    /// length was returned the next call starts a new reply.
    pub(super) fn frame(&mut self, bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
        while let Some(end) = self.element(bytes)? {
            if end > REPLY_LEN_MAX {
                return Err(BadFrame::TooLong);
            }
            self.at = end;
            if self.close_levels() {
                *self = Self::default();
                return Ok(Some(end));
            }
        }
        if bytes.len() >= REPLY_LEN_MAX {
            return Err(BadFrame::TooLong);
        }
        Ok(None)
    }

    /// Scans up to the end of the next element that is no array with elements.
    fn element(&mut self, bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
        loop {
            let Some((kind, line)) = line_at(bytes, self.at)? else {
                return Ok(None);
            };
            let body = self.at + 1 + line.len() + 2;
            match kind {
                b'$' => {
                    return match length(line)? {
                        None => Ok(Some(body)),
                        Some(len) => bulk_end(bytes, body, len),
                    };
                }
                b'*' => match length(line)? {
                    None | Some(0) => return Ok(Some(body)),
                    Some(count) => {
                        self.open_level(count)?;
                        self.at = body;
                    }
                },
                _ => return Ok(Some(body)),
            }
        }
    }

    fn open_level(&mut self, count: usize) -> Result<(), BadFrame> {
        let level = self.open.get_mut(self.depth).ok_or(BadFrame::TooDeep)?;
        *level = count;
        self.depth += 1;
        Ok(())
    }

    /// One element is complete; returns whether that completes the whole reply.
    fn close_levels(&mut self) -> bool {
        while let Some(level) = self.depth.checked_sub(1) {
            let Some(missing) = self.open.get_mut(level) else {
                return true;
            };
            *missing -= 1;
            if *missing > 0 {
                return false;
            }
            self.depth = level;
        }
        true
    }
}

/// The type byte and the rest of the line at `at`, once it is complete.
fn line_at(bytes: &[u8], at: usize) -> Result<Option<(u8, &[u8])>, BadFrame> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some((&kind, line)) = rest.split_first() else {
        return Ok(None);
    };
    if !matches!(kind, b'+' | b'-' | b':' | b'$' | b'*') {
        return Err(BadFrame::NotResp);
    }
    // Too long is too long however much of the line has come.
    let longest = line.get(..LINE_LEN_MAX + 2).unwrap_or(line);
    match longest.windows(2).position(|pair| pair == b"\r\n") {
        Some(len) => Ok(Some((kind, line.get(..len).unwrap_or_default()))),
        None if line.len() >= LINE_LEN_MAX + 2 => Err(BadFrame::TooLong),
        None => Ok(None),
    }
}

/// A length or count; none for the null of RESP2.
fn length(line: &[u8]) -> Result<Option<usize>, BadFrame> {
    if line == b"-1" {
        return Ok(None);
    }
    let number: usize = std::str::from_utf8(line)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(BadFrame::NotResp)?;
    if number > REPLY_LEN_MAX {
        return Err(BadFrame::TooLong);
    }
    Ok(Some(number))
}

fn bulk_end(bytes: &[u8], body: usize, len: usize) -> Result<Option<usize>, BadFrame> {
    match bytes.get(body + len..body + len + 2) {
        Some(b"\r\n") => Ok(Some(body + len + 2)),
        Some(_) => Err(BadFrame::NotResp),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use redis_protocol::resp2::decode::decode;

    fn frame(bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
        Framer::default().frame(bytes)
    }

    #[test]
    fn finds_the_end_of_a_reply_and_leaves_what_follows() {
        let role =
            b"*3\r\n$6\r\nmaster\r\n:5\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n+next\r\n";
        assert_eq!(frame(role), Ok(Some(role.len() - 7)));
        assert_eq!(frame(b"$-1\r\n"), Ok(Some(5)));
        assert_eq!(frame(b"*0\r\n"), Ok(Some(4)));
        assert_eq!(frame(b"*2\r\n*0\r\n*-1\r\n"), Ok(Some(13)));
    }

    #[test]
    fn refuses_what_is_too_long_too_deep_or_no_resp() {
        assert_eq!(frame(b"$99999999\r\n"), Err(BadFrame::TooLong));
        assert_eq!(frame(&b"*1\r\n".repeat(9)), Err(BadFrame::TooDeep));
        assert_eq!(frame(b"HTTP/1.1 400\r\n"), Err(BadFrame::NotResp));
        assert_eq!(frame(b"$1\r\nabc"), Err(BadFrame::NotResp));
        assert_eq!(frame(&[b'+'; LINE_LEN_MAX + 3]), Err(BadFrame::TooLong));
        assert_eq!(frame(b"*18446744073709551615\r\n"), Err(BadFrame::TooLong));
    }

    #[test]
    fn a_line_is_too_long_whether_it_comes_at_once_or_not() {
        for (more, fits) in [(0, true), (1, false)] {
            let line = [&[b'+'; LINE_LEN_MAX + 1][..], &b"x".repeat(more), b"\r\n"].concat();
            let whole = frame(&line);
            let mut framer = Framer::default();
            let mut cut = (1..=line.len()).map(|end| framer.frame(&line[..end]));
            let cut = cut.find(|found| *found != Ok(None));
            assert_eq!(cut, Some(whole));
            assert_eq!(whole.is_ok(), fits);
        }
    }

    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[a-z ]{0,9}".prop_map(|s| format!("+{s}\r\n").into_bytes()),
            any::<i64>().prop_map(|n| format!(":{n}\r\n").into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|body| {
                let mut out = format!("${}\r\n", body.len()).into_bytes();
                out.extend(body);
                out.extend(b"\r\n");
                out
            }),
            Just(b"$-1\r\n".to_vec()),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            proptest::collection::vec(inner, 0..5).prop_map(|items| {
                let mut out = format!("*{}\r\n", items.len()).into_bytes();
                out.extend(items.concat());
                out
            })
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_decoder_and_resumes_at_every_byte(bytes in reply()) {
            let mut framer = Framer::default();
            for cut in 0..bytes.len() {
                prop_assert_eq!(framer.frame(&bytes[..cut]), Ok(None));
            }
            prop_assert_eq!(framer.frame(&bytes), Ok(Some(bytes.len())));
            let decoded = decode(&bytes).map(|found| found.map(|(_, len)| len));
            prop_assert_eq!(decoded.ok().flatten(), Some(bytes.len()));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = frame(&bytes);
        }
    }
}
