//! Walks the arguments of one complete command.
//!
//! For frames the request scanner has accepted; it reports no errors of its own.

use super::framing::{Line, line, whole_bulk};
use super::request::{ARGS_MAX, BULK_LEN_MAX};

/// The arguments of one command, name first, as slices of its frame.
///
/// On bytes that are not a complete command it ends early.
#[derive(Clone, Debug)]
pub struct Args<'a> {
    /// Arguments the header still promises.
    left: usize,
    rest: &'a [u8],
}

impl<'a> Args<'a> {
    /// The arguments of `frame`.
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        let header = frame.strip_prefix(b"*").map(|rest| line(rest, ARGS_MAX));
        match header {
            Some(Line::Whole(left, rest)) => Self { left, rest },
            _ => Self { left: 0, rest: &[] },
        }
    }
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let Some((arg, rest)) = whole_bulk(self.rest, BULK_LEN_MAX) else {
            self.left = 0;
            return None;
        };
        self.rest = rest;
        Some(arg)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl std::iter::FusedIterator for Args<'_> {}
