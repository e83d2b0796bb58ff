//! The elements of a whole reply array, as EXEC answers it: one for each queued command.
//!
//! Boundaries only: what an element says is for whoever asks. For frames the reply scanner has
//! accepted; it checks that again, and depth costs nothing here either.

use super::framing::{Line, line};
use super::reply::{AGGREGATE_LEN_MAX, ReplyScanner};

/// The elements of one array, each as its bytes without attributes.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    /// Elements still to come.
    left: usize,
    rest: &'a [u8],
}

/// The elements of the array that is `frame`, attributes before it and before each left out;
/// `None` if it is nil, anything else, or not exactly one frame.
#[must_use]
pub fn elements(frame: &[u8]) -> Option<Elements<'_>> {
    let mut scanner = ReplyScanner::new();
    if scanner.scan(frame) != Ok(Some(frame.len())) {
        return None;
    }
    let array = without_attributes(frame)?.strip_prefix(b"*")?;
    match line(array, AGGREGATE_LEN_MAX) {
        Line::Whole(left, rest) => Some(Elements { left, rest }),
        Line::Cut | Line::Bad => None,
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let from = without_attributes(self.rest)?;
        let (element, rest) = split_value(from)?;
        self.rest = rest;
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// The value that `bytes` begin with, after the attributes before it.
fn without_attributes(mut bytes: &[u8]) -> Option<&[u8]> {
    while let Some(attribute) = bytes.strip_prefix(b"|") {
        let Line::Whole(pairs, rest) = line(attribute, AGGREGATE_LEN_MAX) else {
            return None;
        };
        bytes = rest;
        for _ in 0..pairs.checked_mul(2)? {
            (_, bytes) = split_value(bytes)?;
        }
    }
    Some(bytes)
}

/// The value that `bytes` begin with, its attributes included, and what follows it.
fn split_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = ReplyScanner::new().scan(bytes).ok().flatten()?;
    bytes.split_at_checked(len)
}
