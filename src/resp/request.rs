//! Finds where a client's commands end.
//!
//! Strict where the server is lenient (it checks neither the bytes after a bulk nor the `\n` of a
//! header): whatever passes here means the same to the server, so no client can smuggle a command
//! onto a shared link. It keeps no bytes but the command name, decodes nothing, and never looks
//! into a body.
//!
//! ```text
//! Boundary -'*'-> Count -CR-> CountEnd -LF-> Argument -'$'-> Length -CR-> LengthEnd -LF-> Body
//!     |                                         ^                                          |
//!     | any other byte                          +------------- another argument -----------+
//!     +----------> Inline -LF-> Boundary                         last argument -> Boundary
//! ```

use super::errors::ProtocolError;
use super::framing::{Body, Length, Line, line, whole_bulk};
use super::inline;
use super::word::FirstWord;

/// Most arguments of one command: the limit of servers up to Redis 6 (`processMultibulkBuffer`).
/// Redis 7.0 takes up to 2^31 - 1 (measured), more than any client is known to send.
pub const ARGS_MAX: usize = 1024 * 1024;

/// Longest argument: the server's default `proto-max-bulk-len`.
pub const BULK_LEN_MAX: usize = 512 * 1024 * 1024;

/// Longest inline command, its line end not counted: the server's `PROTO_INLINE_MAX_SIZE`.
pub const INLINE_LEN_MAX: usize = 64 * 1024;

/// Most arguments of a command before its client has logged in where it must: the server's own
/// (`processMultibulkBuffer`, Redis 6.2 and later).
pub const LOGIN_ARGS_MAX: usize = 10;

/// Longest argument of such a command, likewise.
pub const LOGIN_BULK_LEN_MAX: usize = 16 * 1024;

/// What one call of [`RequestScanner::scan`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// The whole chunk was consumed and the frame goes on.
    More,
    /// A multibulk command ended after `len` bytes of the chunk.
    Command {
        /// Bytes of this chunk that belong to it.
        len: usize,
    },
    /// An inline line, its `\n` included, ended after `len` bytes of the chunk; the caller, who
    /// kept the whole line, passes it to [`inline::encode`].
    Inline {
        /// Bytes of this chunk that belong to it.
        len: usize,
    },
    /// `*0\r\n` or a blank line: no command, and the server gives no reply.
    Nothing {
        /// Bytes of this chunk that belong to it.
        len: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Boundary,
    Count,
    CountEnd,
    Argument,
    Length,
    LengthEnd,
    Body,
    Inline,
}

/// A resumable scanner over what one client sends.
///
/// Feed it chunks in order, each starting where the last scan stopped. After an error the
/// stream has no boundary any more and the scanner is of no further use.
#[derive(Clone, Debug)]
pub struct RequestScanner {
    /// Declared arguments of this frame; 0 until its count is read.
    argc: usize,
    /// Arguments not yet completely seen; `1..=argc` inside a command.
    args_left: usize,
    /// The header number being read.
    length: Length,
    /// The bulk being passed over.
    body: Body,
    /// Bytes of the inline line so far; at most [`INLINE_LEN_MAX`].
    line_len: usize,
    step: Step,
    /// The command name, or the first word of an inline line.
    word: FirstWord,
}

impl Default for RequestScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestScanner {
    /// A scanner before the first byte of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            argc: 0,
            args_left: 0,
            length: Length::new(),
            body: Body::NONE,
            line_len: 0,
            step: Step::Boundary,
            word: FirstWord::AWAITED,
        }
    }

    /// Consumes `chunk` up to the end of the frame it is in, or all of it.
    ///
    /// # Errors
    /// When the bytes are not a canonical command; the same for any division into chunks.
    pub fn scan(&mut self, chunk: &[u8]) -> Result<Scanned, ProtocolError> {
        let mut rest = chunk;
        while let [byte, ..] = rest {
            if self.step == Step::Inline || (self.step == Step::Boundary && *byte != b'*') {
                // A line begins at a boundary only, so `rest` is still the whole chunk.
                return self.scan_inline(rest);
            }
            rest = self.advance(*byte, rest)?;
            if self.step == Step::Boundary {
                let len = chunk.len() - rest.len();
                return Ok(match self.argc {
                    0 => Scanned::Nothing { len },
                    _ => Scanned::Command { len },
                });
            }
        }
        Ok(Scanned::More)
    }

    /// The command name, in upper case, of the frame being scanned or just ended; empty while it
    /// is not complete, for inline lines, and for names longer than [`super::NAME_LEN_MAX`].
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self.argc {
            0 => &[],
            _ => self.word.complete().unwrap_or_default(),
        }
    }

    /// The declared number of arguments, name included, of the frame being scanned or just
    /// ended; 0 while it is not known and for inline lines.
    #[must_use]
    pub const fn argc(&self) -> usize {
        self.argc
    }

    /// Whether nothing of a next frame was seen.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.step == Step::Boundary
    }

    /// Bytes of the current bulk, its CRLF included, still to come; 0 outside a bulk.
    #[must_use]
    pub const fn body_left(&self) -> usize {
        self.body.left()
    }

    /// Notes that the caller moved `n` bytes of the current bulk's payload itself; false, and
    /// nothing changed, if `n` reaches into its CRLF.
    #[must_use]
    pub fn skip_body(&mut self, n: usize) -> bool {
        let skipped = self.body.skip(n);
        if skipped && n > 0 && self.word.is_growing() {
            self.word = FirstWord::UNKNOWN;
        }
        skipped
    }

    // --- multibulk ---

    /// Takes at least the byte that `rest` begins with, and answers what is left.
    #[inline]
    fn advance<'a>(&mut self, byte: u8, rest: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        match self.step {
            Step::Boundary => return Ok(self.begin(rest)),
            Step::Argument => return self.arguments(rest),
            Step::Body => return self.take_body(rest),
            Step::Count => self.count_byte(byte)?,
            Step::Length => self.length_byte(byte)?,
            Step::CountEnd if byte == b'\n' => self.counted(self.length.value()),
            Step::LengthEnd if byte == b'\n' => self.open_body(),
            Step::CountEnd | Step::LengthEnd | Step::Inline => {
                return Err(ProtocolError::HeaderEnd);
            }
        }
        Ok(rest.get(1..).unwrap_or_default())
    }

    /// Opens a frame at its `*`, and reads the count as well if its line is all there.
    #[inline]
    fn begin<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.word.clear();
        let rest = rest.get(1..).unwrap_or_default();
        if let Line::Whole(count, after) = line(rest, ARGS_MAX) {
            self.counted(count);
            return after;
        }
        self.argc = 0;
        self.length = Length::new();
        self.step = Step::Count;
        rest
    }

    #[inline]
    fn counted(&mut self, count: usize) {
        self.argc = count;
        self.args_left = count;
        self.step = match count {
            0 => Step::Boundary,
            _ => Step::Argument,
        };
    }

    /// Passes over all arguments that are completely there; if there is none, opens one.
    #[inline]
    fn arguments<'a>(&mut self, mut rest: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        let before = self.args_left;
        if before == self.argc
            && let Some((name, after)) = whole_bulk(rest, BULK_LEN_MAX)
        {
            self.word.keep(name);
            self.args_left -= 1;
            rest = after;
        }
        while self.args_left > 0
            && let Some((_, after)) = whole_bulk(rest, BULK_LEN_MAX)
        {
            self.args_left -= 1;
            rest = after;
        }
        if self.args_left == 0 {
            self.step = Step::Boundary;
        } else if self.args_left == before {
            return self.open_argument(rest);
        }
        Ok(rest)
    }

    fn open_argument<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        match rest {
            [b'$', after @ ..] => {
                self.length = Length::new();
                self.step = Step::Length;
                Ok(after)
            }
            [other, ..] => Err(ProtocolError::ExpectedBulk(*other)),
            [] => Ok(rest),
        }
    }

    fn count_byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        if byte == b'\r' && self.length.is_some() {
            self.step = Step::CountEnd;
        } else if !self.length.push(byte, ARGS_MAX) {
            return Err(ProtocolError::MultibulkLength);
        }
        Ok(())
    }

    fn length_byte(&mut self, byte: u8) -> Result<(), ProtocolError> {
        if byte == b'\r' && self.length.is_some() {
            self.step = Step::LengthEnd;
        } else if !self.length.push(byte, BULK_LEN_MAX) {
            return Err(ProtocolError::BulkLength);
        }
        Ok(())
    }

    fn open_body(&mut self) {
        self.body = Body::new(self.length.value());
        self.step = Step::Body;
        if self.word.is_awaited() {
            self.word.begin(self.length.value());
        }
    }

    fn take_body<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], ProtocolError> {
        if self.word.is_growing() {
            for byte in rest.iter().take(self.body.payload_left()) {
                self.word.grow(*byte);
            }
        }
        let taken = self.body.take(rest).ok_or(ProtocolError::BulkEnd)?;
        if self.body.left() == 0 {
            self.close_body();
        }
        Ok(rest.get(taken..).unwrap_or_default())
    }

    fn close_body(&mut self) {
        self.word.end();
        self.args_left -= 1;
        self.step = match self.args_left {
            0 => Step::Boundary,
            _ => Step::Argument,
        };
    }

    // --- inline ---

    fn scan_inline(&mut self, chunk: &[u8]) -> Result<Scanned, ProtocolError> {
        if self.step == Step::Boundary {
            self.argc = 0;
            self.line_len = 0;
            self.word.clear();
            self.step = Step::Inline;
        }
        let allowed = INLINE_LEN_MAX - self.line_len;
        // One byte more than may be in the line: its end.
        let window = chunk.get(..=allowed).unwrap_or(chunk);
        let ends = |byte: &u8| *byte == b'\n' || inline::is_refused(*byte);
        let end = window.iter().position(ends);
        let text = window.get(..end.unwrap_or(window.len())).unwrap_or(window);
        self.first_word(text)?;
        let Some(end) = end else {
            if text.len() > allowed {
                return Err(ProtocolError::InlineTooBig);
            }
            self.line_len += text.len();
            return Ok(Scanned::More);
        };
        if let Some(byte) = window.get(end).filter(|byte| **byte != b'\n') {
            return Err(inline::refusal(*byte));
        }
        self.end_inline(end + 1)
    }

    fn end_inline(&mut self, len: usize) -> Result<Scanned, ProtocolError> {
        self.step = Step::Boundary;
        if self.word.is_awaited() {
            return Ok(Scanned::Nothing { len });
        }
        if self.word.is_growing() {
            self.end_word()?;
        }
        Ok(Scanned::Inline { len })
    }

    /// Gathers the first word of the line, in which HTTP betrays itself.
    fn first_word(&mut self, text: &[u8]) -> Result<(), ProtocolError> {
        for byte in text {
            if self.word.is_awaited() {
                if !inline::is_space(*byte) {
                    self.word.begin(0);
                    self.word.grow(*byte);
                }
            } else if !self.word.is_growing() {
                break;
            } else if inline::ends_word(*byte) {
                self.end_word()?;
            } else {
                self.word.grow(*byte);
            }
        }
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), ProtocolError> {
        self.word.end();
        inline::refuse_http(self.word.complete().unwrap_or_default())
    }
}
