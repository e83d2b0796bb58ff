//! Finds where a server's replies end, RESP2 and RESP3 alike.
//!
//! There is no stack and so no depth to limit: all that matters is how many values the frame
//! still owes. An aggregate of n pays one and adds n, a map adds 2n, and an attribute adds 2n and
//! pays nothing, for it is only a prefix of the value after it. What a line says is not looked
//! at, only its end.

use super::errors::ReplyError;
use super::framing::{Body, Length, Line, line, whole_body};

/// Longest bulk of a reply. A bulk may exceed `proto-max-bulk-len` (DUMP of a large collection,
/// a script's result), so this only tells a length from nonsense; whoever holds bytes has a
/// limit of its own.
pub const REPLY_BULK_LEN_MAX: usize = 1 << 40;

/// Longest line of a reply, its CRLF not counted: a MONITOR line may repeat an argument of
/// 512 MiB with four bytes for each of its bytes.
pub const REPLY_LINE_LEN_MAX: usize = 4 * 512 * 1024 * 1024;

/// Most elements, or pairs, of one aggregate: what a server's collections can hold (2^32 - 1).
pub const AGGREGATE_LEN_MAX: usize = (1 << 32) - 1;

/// Most values one frame may owe at a time: some hundred of the largest aggregates.
pub const OWED_MAX: usize = 1 << 40;

/// What follows the type byte of a null bulk or a null array.
const NULL: &[u8] = b"-1\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Before a type byte.
    Value,
    Line,
    /// After the CR of a line or of a null.
    LineEnd,
    /// In the digits of a length.
    Length,
    LengthEnd,
    /// After the `-` of a null.
    Null,
    /// After the `-1` of a null.
    NullOne,
    Body,
}

/// How a value goes on after its type byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Line,
    /// A length and a body.
    Bulk,
    /// A count, and `values` values for each; an attribute is no value itself.
    Aggregate {
        values: usize,
        prefix: bool,
    },
}

impl Shape {
    const fn of(kind: u8) -> Result<Self, ReplyError> {
        Ok(match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Self::Line,
            b'$' | b'!' | b'=' => Self::Bulk,
            b'*' | b'~' | b'>' => Self::Aggregate {
                values: 1,
                prefix: false,
            },
            b'%' => Self::Aggregate {
                values: 2,
                prefix: false,
            },
            b'|' => Self::Aggregate {
                values: 2,
                prefix: true,
            },
            b';' | b'.' => return Err(ReplyError::Streamed),
            other => return Err(ReplyError::Type(other)),
        })
    }

    const fn len_max(self) -> usize {
        match self {
            Self::Aggregate { .. } => AGGREGATE_LEN_MAX,
            Self::Line | Self::Bulk => REPLY_BULK_LEN_MAX,
        }
    }
}

/// A resumable scanner over what one server sends.
///
/// Feed it chunks in order, each starting where the last scan stopped. After an error the
/// stream has no boundary any more and the scanner is of no further use.
#[derive(Clone, Debug)]
pub struct ReplyScanner {
    /// Values the frame still owes, the one being scanned included; 0 exactly at a boundary.
    owed: usize,
    /// The length being read.
    length: Length,
    /// The bulk being passed over.
    body: Body,
    /// Bytes of the line so far; at most [`REPLY_LINE_LEN_MAX`].
    line_len: usize,
    step: Step,
    /// Shape of the value being scanned.
    shape: Shape,
    /// Type byte of the value being scanned.
    value_kind: u8,
    /// Type byte of the frame's top-level value; 0 until it is seen.
    kind: u8,
}

impl Default for ReplyScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyScanner {
    /// A scanner before the first byte of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            owed: 0,
            length: Length::new(),
            body: Body::NONE,
            line_len: 0,
            step: Step::Value,
            shape: Shape::Line,
            value_kind: 0,
            kind: 0,
        }
    }

    /// Consumes `chunk` up to the end of the top-level frame it is in: `Some` with the bytes of
    /// this chunk that belong to it, or `None` when all was consumed and the frame goes on.
    ///
    /// # Errors
    /// When the bytes are no frame; the same for any division into chunks.
    pub fn scan(&mut self, chunk: &[u8]) -> Result<Option<usize>, ReplyError> {
        let mut rest = chunk;
        while let [byte, after @ ..] = rest {
            rest = match self.step {
                Step::Value => self.values(*byte, after)?,
                Step::Line => self.take_line(rest)?,
                Step::Body => self.take_body(rest)?,
                _ => {
                    self.header_byte(*byte)?;
                    after
                }
            };
            if self.owed == 0 {
                return Ok(Some(chunk.len() - rest.len()));
            }
        }
        Ok(None)
    }

    /// The type byte of the top-level value of the frame being scanned or just ended, attributes
    /// looked through; 0 while it is not known.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// Whether nothing of a next frame was seen.
    #[must_use]
    pub const fn at_boundary(&self) -> bool {
        self.owed == 0
    }

    /// Bytes of the current bulk, its CRLF included, still to come; 0 outside a bulk.
    #[must_use]
    pub const fn body_left(&self) -> usize {
        self.body.left()
    }

    /// Notes that the caller moved `n` bytes of the current bulk's payload itself; false, and
    /// nothing changed, if `n` reaches into its CRLF.
    #[must_use]
    pub const fn skip_body(&mut self, n: usize) -> bool {
        self.body.skip(n)
    }

    /// Passes over the value that begins with `byte` and those after it, as long as they are
    /// completely in the chunk; leaves the first that is not to the byte-wise steps.
    #[inline]
    fn values<'a>(&mut self, byte: u8, after: &'a [u8]) -> Result<&'a [u8], ReplyError> {
        let (mut byte, mut after) = (byte, after);
        loop {
            self.open(byte)?;
            let Some(rest) = self.whole(after)? else {
                return Ok(after);
            };
            let [next, following @ ..] = rest else {
                return Ok(rest);
            };
            if self.step != Step::Value || self.owed == 0 {
                return Ok(rest);
            }
            (byte, after) = (*next, following);
        }
    }

    /// Begins a value, and with the first one the frame.
    #[inline]
    fn open(&mut self, byte: u8) -> Result<(), ReplyError> {
        self.shape = Shape::of(byte)?;
        self.value_kind = byte;
        if self.owed == 0 {
            self.owed = 1;
            self.kind = 0;
        }
        // One value owed and no kind yet: all that attributes brought is paid.
        let top_level = self.owed == 1 && self.kind == 0;
        if top_level && byte != b'|' {
            self.kind = byte;
        } else if byte == b'>' {
            return Err(ReplyError::NestedPush);
        }
        Ok(())
    }

    /// The fast path from after a type byte: what follows the value, or `None`, with the step set
    /// to read on from there.
    #[inline]
    fn whole<'a>(&mut self, after: &'a [u8]) -> Result<Option<&'a [u8]>, ReplyError> {
        match self.shape {
            Shape::Line => {
                self.line_len = 0;
                return self.take_line(after).map(Some);
            }
            Shape::Bulk => {
                if let Some((_, rest)) = whole_body(after, REPLY_BULK_LEN_MAX) {
                    self.owed -= 1;
                    return Ok(Some(rest));
                }
            }
            Shape::Aggregate { .. } => {
                if let Line::Whole(count, rest) = line(after, AGGREGATE_LEN_MAX) {
                    self.owe(count)?;
                    return Ok(Some(rest));
                }
            }
        }
        if self.has_null()
            && let Some(rest) = after.strip_prefix(NULL)
        {
            self.owed -= 1;
            return Ok(Some(rest));
        }
        self.length = Length::new();
        self.step = Step::Length;
        Ok(None)
    }

    /// Whether this type has a null form of its own in RESP2.
    const fn has_null(&self) -> bool {
        matches!(self.value_kind, b'$' | b'*')
    }

    /// Counts what an aggregate of `count` brings, itself paid.
    #[inline]
    fn owe(&mut self, count: usize) -> Result<(), ReplyError> {
        if let Shape::Aggregate { values, prefix } = self.shape {
            self.owed = count
                .checked_mul(values)
                .and_then(|added| self.owed.checked_add(added))
                .map(|owed| owed - usize::from(!prefix))
                .filter(|owed| *owed <= OWED_MAX)
                .ok_or(ReplyError::TooManyValues)?;
        }
        Ok(())
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), ReplyError> {
        self.step = match (self.step, byte) {
            (Step::Length, b'\r') if self.length.is_some() => Step::LengthEnd,
            (Step::Length, b'-') if self.has_null() && !self.length.is_some() => Step::Null,
            (Step::Length, b'?') if !self.length.is_some() => return Err(ReplyError::Streamed),
            (Step::Length, _) if self.length.push(byte, self.shape.len_max()) => Step::Length,
            (Step::Null, b'1') => Step::NullOne,
            (Step::NullOne, b'\r') => Step::LineEnd,
            (Step::LengthEnd, b'\n') if self.shape == Shape::Bulk => {
                self.body = Body::new(self.length.value());
                Step::Body
            }
            (Step::LengthEnd, b'\n') => {
                self.owe(self.length.value())?;
                Step::Value
            }
            (Step::LineEnd, b'\n') => {
                self.owed -= 1;
                Step::Value
            }
            (Step::LengthEnd | Step::LineEnd, _) => return Err(ReplyError::LineEnd),
            _ => return Err(ReplyError::Length),
        };
        Ok(())
    }

    #[inline]
    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ReplyError> {
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        self.line_len += end.unwrap_or(bytes.len());
        if self.line_len > REPLY_LINE_LEN_MAX {
            return Err(ReplyError::LineTooLong);
        }
        let (rest, step) = match end.and_then(|at| bytes.get(at..)) {
            None => (Default::default(), Step::Line),
            Some([b'\r', b'\n', rest @ ..]) => {
                self.owed -= 1;
                (rest, Step::Value)
            }
            Some([b'\r']) => (Default::default(), Step::LineEnd),
            Some(_) => return Err(ReplyError::LineEnd),
        };
        self.step = step;
        Ok(rest)
    }

    fn take_body<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], ReplyError> {
        let taken = self.body.take(bytes).ok_or(ReplyError::BulkEnd)?;
        if self.body.left() == 0 {
            self.owed -= 1;
            self.step = Step::Value;
        }
        Ok(bytes.get(taken..).unwrap_or_default())
    }
}
