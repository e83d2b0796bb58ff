//! What ends a connection, and the few places where Steadfast knowingly answers otherwise.

/// Bytes that end a connection, or do not, in the same way on both sides; PING QUIT follows them.
pub(super) const SAME: &[&str] = &[
    "QUIT\r\n",
    "*1\r\n$4\r\nQUIT\r\n",
    "*2\r\n$4\r\nQUIT\r\n$3\r\nnow\r\n",
    "MULTI\r\nQUIT\r\n",
    "*1\r\n:1\r\n",
    "*1\r\nPING\r\n",
    "*x\r\n",
    "*1048577000000\r\n",
    "*1\r\n$x\r\n",
    "*1\r\n$-1\r\n",
    "*1\r\n$5368709120\r\n",
    "GET \"open\r\n",
    "GET 'open\r\n",
    "*01\r\n$4\r\nPING\r\n",
    "*+1\r\n$4\r\nPING\r\n",
    "*1\r\n$+4\r\nPING\r\n",
    "SUBSCRIBE d:a\r\nQUIT\r\n",
    "MONITOR\r\nQUIT\r\n",
    "HELLO 3\r\nSUBSCRIBE d:a\r\nQUIT\r\n",
    "*0\r\n",
    "\r\n\r\n",
    "SET d:a 1\r\nGET d:a\r\nRESET\r\nMULTI\r\n*x\r\n",
    "POST / HTTP/1.1\r\n",
    "host: d:a\r\n",
    "*1\r\n$4\r\nPOST\r\n",
    "*2\r\n$5\r\nhOsT:\r\n$3\r\nd:a\r\n",
];

/// Bytes after which the server means to close, but does so only once it has written something,
/// which it never will; Steadfast closes, and nothing is answered.
pub(super) const MUTED: &[&str] = &[
    "CLIENT REPLY OFF\r\n*x\r\n",
    "CLIENT REPLY SKIP\r\n*x\r\n",
    "CLIENT REPLY OFF\r\nQUIT\r\n",
    "CLIENT REPLY SKIP\r\nQUIT\r\n",
];

/// Bytes with which Steadfast is stricter or says it in other words, and why; the direct answer
/// is not compared, but the connection ends.
pub(super) const STRICTER: &[(&str, &str, &str)] = &[
    (
        "GET \"a\"b\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
        "newer servers (Valkey 9) take a quote that closes within a word",
    ),
    (
        "*1\r\n$4\r\nPINGxx",
        "-ERR Protocol error: expected CRLF after a bulk\r\n",
        "smuggling: what follows a bulk is CRLF",
    ),
    (
        "*1\rX$4\r\nPING\r\n",
        "-ERR Protocol error: expected CRLF after a length\r\n",
        "smuggling: so is what follows a length",
    ),
    (
        "*-1\r\n",
        "-ERR Protocol error: invalid multibulk length\r\n",
        "a length is digits alone",
    ),
    (
        "GET \0\r\n",
        "-ERR Protocol error: NUL byte in inline request\r\n",
        "the server stops reading the line there",
    ),
];

/// Commands that Steadfast answers itself, and the beginning of its answer.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("SYNC", "-ERR steadfast: SYNC is not available"),
    ("PSYNC ? -1", "-ERR steadfast: PSYNC is not available"),
    (
        "REPLCONF capa eof",
        "-ERR steadfast: REPLCONF is not available",
    ),
    (
        "MULTI\r\nSUBSCRIBE d:a",
        "+OK\r\n-ERR steadfast: SUBSCRIBE is not allowed inside MULTI",
    ),
    (
        "MULTI\r\nUNSUBSCRIBE",
        "+OK\r\n-ERR steadfast: UNSUBSCRIBE is not allowed inside MULTI",
    ),
];

/// CLIENT REPLY inside MULTI, where older servers break the framing of EXEC's reply: Steadfast
/// answers it, unless the server refuses it itself (Valkey 9).
pub(super) const REPLY_IN_MULTI: (&str, [&str; 2]) = (
    "MULTI\r\nCLIENT REPLY OFF\r\nEXEC",
    [
        "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n",
        "+OK\r\n-ERR Command 'client|reply' not allowed inside a transaction\r\n-EXECABORT ",
    ],
);

/// Streams whose framing a server (7.0) breaks itself, by putting what an EXEC causes for its own
/// client into EXEC's reply: no client can read on, and Steadfast ends the connection instead of
/// guessing. What came before is delivered.
pub(super) const BROKEN: &[&str] = &[
    "HELLO 3\r\nSUBSCRIBE d:a\r\nMULTI\r\nPUBLISH d:a x\r\nEXEC\r\n",
    "MONITOR\r\nMULTI\r\nPING\r\nPING\r\nEXEC\r\n",
];
