//! Turns an inline command line into the multibulk command it stands for.
//!
//! Splits exactly as the server's `sdssplitargs` does, so that what a person types into a raw
//! connection means the same through the proxy; a line that servers split differently is refused. It
//! allocates: nobody sends inline commands in bulk, and the line is bounded.

use std::io::Write;

use super::errors::ProtocolError;
use super::request::INLINE_LEN_MAX;

/// Appends to `out` the command in `line` (with or without its line end); false, and nothing
/// appended, when it holds no word.
///
/// # Errors
/// For unbalanced quotes, a byte 0 or 255, a line over the limit and the first words of HTTP;
/// nothing is appended then.
pub fn encode(line: &[u8], out: &mut Vec<u8>) -> Result<bool, ProtocolError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line.len() > INLINE_LEN_MAX {
        return Err(ProtocolError::InlineTooBig);
    }
    if let Some(byte) = line.iter().find(|byte| is_refused(**byte)) {
        return Err(refusal(*byte));
    }
    let mut words = Words { rest: line };
    let mut word = Vec::new();
    let mut bulks = Vec::with_capacity(line.len() * 2);
    let mut count = 0_usize;
    while words.next_into(&mut word)? {
        if count == 0 {
            refuse_http(&word)?;
        }
        count += 1;
        header(b'$', word.len(), &mut bulks);
        bulks.extend_from_slice(&word);
        bulks.extend_from_slice(b"\r\n");
    }
    if count > 0 {
        header(b'*', count, out);
        out.append(&mut bulks);
    }
    Ok(count > 0)
}

/// Refuses the words that begin an HTTP request or its headers, in any case: the same two that
/// the server takes for a cross-protocol attack (`securityWarningCommand`).
pub(super) fn refuse_http(first_word: &[u8]) -> Result<(), ProtocolError> {
    let http = [b"POST".as_slice(), b"Host:"];
    match http
        .iter()
        .any(|word| word.eq_ignore_ascii_case(first_word))
    {
        true => Err(ProtocolError::Http),
        false => Ok(()),
    }
}

/// What no line may hold, for servers differ in what they make of it.
pub(super) const fn is_refused(byte: u8) -> bool {
    matches!(byte, 0 | 0xff)
}

/// Why a line with this byte is refused.
pub(super) const fn refusal(byte: u8) -> ProtocolError {
    match byte {
        0 => ProtocolError::InlineNul,
        _ => ProtocolError::InlineTelnet,
    }
}

/// C's `isspace`: what may stand between words.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// What ends an unquoted word; `sdssplitargs` leaves vertical tab and form feed out here.
pub(super) const fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn header(kind: u8, value: usize, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{}{value}\r\n", char::from(kind));
}

/// The words of a line, from the first byte not yet split.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    /// Puts the next word into `word`, unquoted; false when there is none.
    fn next_into(&mut self, word: &mut Vec<u8>) -> Result<bool, ProtocolError> {
        word.clear();
        while let [byte, after @ ..] = self.rest
            && is_space(*byte)
        {
            self.rest = after;
        }
        let found = !self.rest.is_empty();
        while let [byte, after @ ..] = self.rest {
            self.rest = after;
            match byte {
                // A quote ends the word it stands in, wherever it began.
                b'"' => return self.double_quoted(word),
                b'\'' => return self.single_quoted(word),
                byte if ends_word(*byte) => break,
                byte => word.push(*byte),
            }
        }
        Ok(found)
    }

    fn double_quoted(&mut self, word: &mut Vec<u8>) -> Result<bool, ProtocolError> {
        loop {
            let (byte, after) = match self.rest {
                [b'"', ..] => return self.close_quote(),
                [b'\\', b'x', high, low, after @ ..]
                    if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                {
                    (nibble(*high) << 4 | nibble(*low), after)
                }
                [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
                [byte, after @ ..] => (*byte, after),
                [] => return Err(ProtocolError::UnbalancedQuotes),
            };
            word.push(byte);
            self.rest = after;
        }
    }

    fn single_quoted(&mut self, word: &mut Vec<u8>) -> Result<bool, ProtocolError> {
        loop {
            let (byte, after) = match self.rest {
                [b'\'', ..] => return self.close_quote(),
                [b'\\', b'\'', after @ ..] => (b'\'', after),
                [byte, after @ ..] => (*byte, after),
                [] => return Err(ProtocolError::UnbalancedQuotes),
            };
            word.push(byte);
            self.rest = after;
        }
    }

    /// Takes a closing quote, which only a space or the end of the line may follow. Vertical tab and
    /// form feed may not: Redis and Valkey 8.0 end the word at them, Valkey 9.1 goes on with it
    /// (measured).
    fn close_quote(&mut self) -> Result<bool, ProtocolError> {
        self.rest = self.rest.get(1..).unwrap_or_default();
        match self.rest {
            [byte, ..] if !ends_word(*byte) => Err(ProtocolError::UnbalancedQuotes),
            _ => Ok(true),
        }
    }
}

/// The byte that `\c` stands for between double quotes; any other stands for itself.
const fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// The value of a hexadecimal digit.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
