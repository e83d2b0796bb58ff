//! Reads the first word of an array or push: what tells a published message from a reply.
//!
//! Works on the beginning of a frame, complete or not, and looks no further than it must.
//! Attributes are not looked through; servers put none before these frames.

use super::framing::{Line, line};
use super::reply::AGGREGATE_LEN_MAX;

/// Longest first word that counts as one; the longest there is today, `tracking-redir-broken`,
/// has 21 bytes.
pub const WORD_LEN_MAX: usize = 32;

/// What the beginning of a frame tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek<'a> {
    /// It may still be either; the frame's beginning is cut short.
    NeedMore,
    /// An array or push whose first element is this bulk.
    Word(&'a [u8]),
    /// Not an array or push that begins with a word.
    Other,
}

/// The first word of the array or push that `prefix` is the beginning of.
#[must_use]
pub fn first_word(prefix: &[u8]) -> Peek<'_> {
    let rest = match prefix {
        [] => return Peek::NeedMore,
        [b'*' | b'>', rest @ ..] => rest,
        _ => return Peek::Other,
    };
    let rest = match line(rest, AGGREGATE_LEN_MAX) {
        Line::Whole(1.., rest) => rest,
        Line::Cut => return Peek::NeedMore,
        Line::Whole(0, _) | Line::Bad => return Peek::Other,
    };
    let rest = match rest {
        [] => return Peek::NeedMore,
        [b'$', rest @ ..] => rest,
        _ => return Peek::Other,
    };
    match line(rest, WORD_LEN_MAX) {
        Line::Whole(len, rest) => rest.get(..len).map_or(Peek::NeedMore, Peek::Word),
        Line::Cut => Peek::NeedMore,
        Line::Bad => Peek::Other,
    }
}
