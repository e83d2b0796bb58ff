//! The pieces both scanners are made of: length lines and length-prefixed bodies.
//!
//! Each piece exists twice: over bytes that are all there (`line`, `whole_bulk`: the fast path),
//! and one byte at a time (`Length`, `Body`: across chunk ends). Both accept exactly the same
//! bytes. Neither names an error: only the caller knows which header it was reading.

/// What follows a bulk.
const TRAILER: &[u8] = b"\r\n";

/// What a length line turned out to be, read from its first digit.
pub(super) enum Line<'a> {
    /// A canonical length, and the bytes after its CRLF.
    Whole(usize, &'a [u8]),
    /// Canonical so far; the line goes on in bytes not yet here.
    Cut,
    /// Not canonical, or over the limit.
    Bad,
}

/// Reads `digits CR LF` from the start of `bytes`: digits only, no leading zero, at most `max`.
#[inline]
pub(super) fn line(bytes: &[u8], max: usize) -> Line<'_> {
    // Most lengths have one digit or two.
    match bytes {
        [one @ b'0'..=b'9', b'\r', b'\n', after @ ..] if max >= 9 => {
            Line::Whole(usize::from(one - b'0'), after)
        }
        [
            ten @ b'1'..=b'9',
            one @ b'0'..=b'9',
            b'\r',
            b'\n',
            after @ ..,
        ] if max >= 99 => {
            let value = usize::from(ten - b'0') * 10 + usize::from(one - b'0');
            Line::Whole(value, after)
        }
        _ => long_line(bytes, max),
    }
}

/// The same for a line of any length, wherever it is cut.
fn long_line(bytes: &[u8], max: usize) -> Line<'_> {
    let mut length = Length::new();
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        if !byte.is_ascii_digit() {
            return match rest {
                [b'\r', b'\n', after @ ..] if length.is_some() => Line::Whole(length.value, after),
                [b'\r'] if length.is_some() => Line::Cut,
                _ => Line::Bad,
            };
        }
        if !length.push(*byte, max) {
            return Line::Bad;
        }
        rest = after;
    }
    Line::Cut
}

/// Splits a complete `$len CRLF body CRLF` off `bytes`: the body, and what follows.
///
/// `None` when it is cut short or not canonical; the byte-wise path then says which.
#[inline]
pub(super) fn whole_bulk(bytes: &[u8], max: usize) -> Option<(&[u8], &[u8])> {
    let (b'$', bytes) = bytes.split_first()? else {
        return None;
    };
    whole_body(bytes, max)
}

/// Like [`whole_bulk`], from after the type byte.
#[inline]
pub(super) fn whole_body(bytes: &[u8], max: usize) -> Option<(&[u8], &[u8])> {
    let Line::Whole(len, bytes) = line(bytes, max) else {
        return None;
    };
    let (body, bytes) = bytes.split_at_checked(len)?;
    Some((body, bytes.strip_prefix(TRAILER)?))
}

/// A length being read digit by digit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    /// The value of the digits so far; never above the `max` they were pushed with, so the next
    /// step cannot overflow as long as ten times `max` fits.
    value: usize,
    /// Whether there was a digit at all; tells `0` from nothing.
    any: bool,
}

impl Length {
    pub(super) const fn new() -> Self {
        Self {
            value: 0,
            any: false,
        }
    }

    /// Takes one digit; false when it is none, follows a leading zero, or leads above `max`.
    #[inline]
    pub(super) fn push(&mut self, byte: u8, max: usize) -> bool {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || (self.any && self.value == 0) {
            return false;
        }
        self.any = true;
        self.value = self.value * 10 + usize::from(digit);
        self.value <= max
    }

    /// Whether a digit was seen.
    pub(super) const fn is_some(self) -> bool {
        self.any
    }

    pub(super) const fn value(self) -> usize {
        self.value
    }
}

/// A bulk's body and trailer being passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    /// Bytes still to come, the two of the trailer included; 0 outside a bulk.
    left: usize,
}

impl Body {
    pub(super) const NONE: Self = Self { left: 0 };

    /// A body of `len` bytes that begins with the next byte.
    pub(super) const fn new(len: usize) -> Self {
        Self {
            left: len + TRAILER.len(),
        }
    }

    pub(super) const fn left(self) -> usize {
        self.left
    }

    /// Payload bytes still to come, the trailer not included.
    pub(super) const fn payload_left(self) -> usize {
        self.left.saturating_sub(TRAILER.len())
    }

    /// Notes that `n` payload bytes were moved unseen; false, and nothing changed, if `n` is more
    /// than there are.
    pub(super) const fn skip(&mut self, n: usize) -> bool {
        if n > self.payload_left() {
            return false;
        }
        self.left -= n;
        true
    }

    /// Passes over as much of `bytes` as belongs to the bulk and says how much that was; `None`
    /// when the trailer is not CRLF.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<usize> {
        let payload = self.payload_left().min(bytes.len());
        self.left -= payload;
        let mut taken = payload;
        for byte in bytes.iter().skip(payload) {
            let expected = match self.left {
                0 => break,
                1 => b'\n',
                _ => b'\r',
            };
            if *byte != expected {
                return None;
            }
            self.left -= 1;
            taken += 1;
        }
        Some(taken)
    }
}
