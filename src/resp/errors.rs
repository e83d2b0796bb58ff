//! What can be wrong with a stream: a client's, who is told so, or a server's, whose link is lost.
//!
//! An incomplete frame is no error, and neither is a closed connection; both are for the caller.

use std::fmt;

/// Why a client's bytes are not acceptable; displays as what follows `-ERR Protocol error: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number after `*` is not canonical or over `ARGS_MAX`.
    MultibulkLength,
    /// The number after `$` is not canonical or over `BULK_LEN_MAX`.
    BulkLength,
    /// An argument does not begin with `$` but with this byte.
    ExpectedBulk(u8),
    /// A header's CR is not followed by LF.
    HeaderEnd,
    /// A bulk is not followed by CRLF.
    BulkEnd,
    /// An inline command is longer than `INLINE_LEN_MAX`.
    InlineTooBig,
    /// An inline command holds a NUL byte, which would hide the rest of the line from the server.
    InlineNul,
    /// An inline command holds the byte 255, with which telnet begins what is not for the server:
    /// Redis takes it for a part of a word, Valkey 9.1 leaves it out (measured).
    InlineTelnet,
    /// A quote of an inline command is not closed, or not followed by a space.
    UnbalancedQuotes,
    /// The number after `*` is over `LOGIN_ARGS_MAX`, and the client has yet to log in.
    LoginArguments,
    /// The number after `$` is over `LOGIN_BULK_LEN_MAX`, and the client has yet to log in.
    LoginBulkLength,
    /// The first word is one of an HTTP request: perhaps a browser made to attack. The client is not
    /// told.
    Http,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExpectedBulk(got) => {
                return write!(f, "expected '$', got '{}'", got.escape_ascii());
            }
            Self::MultibulkLength => "invalid multibulk length",
            Self::BulkLength => "invalid bulk length",
            Self::HeaderEnd => "expected CRLF after a length",
            Self::BulkEnd => "expected CRLF after a bulk",
            Self::InlineTooBig => "too big inline request",
            Self::InlineNul => "NUL byte in inline request",
            Self::InlineTelnet => "byte 255 in inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::LoginArguments => "unauthenticated multibulk length",
            Self::LoginBulkLength => "unauthenticated bulk length",
            Self::Http => "this is a RESP port, not HTTP",
        })
    }
}

impl std::error::Error for ProtocolError {}

/// Why a server's bytes cannot be framed; the link they came from is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A value begins with this byte, which is no type.
    Type(u8),
    /// A streamed string or aggregate, which no server sends.
    Streamed,
    /// A push inside another value, where it cannot be told from an element.
    NestedPush,
    /// A length is not canonical or over its limit.
    Length,
    /// A line is longer than `REPLY_LINE_LEN_MAX`.
    LineTooLong,
    /// A CR without LF, or a LF without CR.
    LineEnd,
    /// A bulk is not followed by CRLF.
    BulkEnd,
    /// The frame owes more than `OWED_MAX` values.
    TooManyValues,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type(byte) => {
                return write!(f, "unknown reply type '{}'", byte.escape_ascii());
            }
            Self::Streamed => "streamed reply",
            Self::NestedPush => "push inside a reply",
            Self::Length => "invalid length in a reply",
            Self::LineTooLong => "reply line too long",
            Self::LineEnd => "reply line not ended by CRLF",
            Self::BulkEnd => "expected CRLF after a bulk in a reply",
            Self::TooManyValues => "too many values in a reply",
        })
    }
}

impl std::error::Error for ReplyError {}
