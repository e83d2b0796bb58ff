//! Where the reply to HELLO says the connection's id.
//!
//! So that it can be replaced: the id a client is told is not the one of the link it happens to
//! be on. Reads the numbers of other replies for the same purpose.

use std::ops::Range;

use super::framing::{Line, line};
use super::reply::{AGGREGATE_LEN_MAX, ReplyScanner};

/// Most values of the reply to HELLO that are looked at; there are 14 today.
const HELLO_VALUES_MAX: usize = 128;

/// The range of the digits of the number at the top-level key `id` of the map (RESP3), or array of
/// keys and values (RESP2), that is `frame`; `None` if there is none.
///
/// The digits alone, so that they can be replaced by others of any length.
#[must_use]
pub fn hello_id(frame: &[u8]) -> Option<Range<usize>> {
    let (values, mut rest) = pairs(frame)?;
    let mut at = frame.len().checked_sub(rest.len())?;
    let mut after_id = false;
    for index in 0..values.min(HELLO_VALUES_MAX) {
        let len = ReplyScanner::new().scan(rest).ok().flatten()?;
        let (value, following) = rest.split_at_checked(len)?;
        if index % 2 == 0 {
            after_id = is_id(value);
        } else if after_id {
            integer(value)?;
            // Its type byte and its CRLF are not the number's.
            return Some(at.checked_add(1)?..at.checked_add(len)?.checked_sub(2)?);
        }
        at = at.checked_add(len)?;
        rest = following;
    }
    None
}

/// The number that `frame`, an integer reply, says; `None` if it is negative or no such reply.
#[must_use]
pub fn integer(frame: &[u8]) -> Option<u64> {
    let digits = frame.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// How many values, keys included, a map or an array of pairs has, and its bytes from the first.
fn pairs(frame: &[u8]) -> Option<(usize, &[u8])> {
    let (kind, rest) = frame.split_first()?;
    let per_count = match kind {
        b'%' => 2,
        b'*' => 1,
        _ => return None,
    };
    match line(rest, AGGREGATE_LEN_MAX) {
        Line::Whole(count, rest) => Some((count.checked_mul(per_count)?, rest)),
        Line::Cut | Line::Bad => None,
    }
}

fn is_id(key: &[u8]) -> bool {
    matches!(key, b"$2\r\nid\r\n" | b"+id\r\n")
}
