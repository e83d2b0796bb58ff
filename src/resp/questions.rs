//! What the proxy asks a server for itself, as bytes ready to send.

/// What the node is, where the user may ask.
pub const ROLE: &[u8] = b"*1\r\n$4\r\nROLE\r\n";

/// What the node is, and by its reply's shape which RESP version the connection speaks. Without
/// arguments it changes nothing.
pub const BARE_HELLO: &[u8] = b"*1\r\n$5\r\nHELLO\r\n";

/// Sent for any CLIENT REPLY: its answer tells whether the client may, and keeps the server's
/// replies on, so that they stay countable.
pub const REPLY_ON: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n";

/// What the server refuses inside MULTI in place of what we refuse, such as a SUBSCRIBE, whose
/// confirmations would break the framing of EXEC's reply (two elements announced, three sent).
pub const BAD_SUBSCRIBE: &[u8] = b"*1\r\n$9\r\nSUBSCRIBE\r\n";

/// Has a demoted Valkey answer REDIRECT where it would serve stale data.
pub const CAPA_REDIRECT: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$4\r\nCAPA\r\n$8\r\nredirect\r\n";

/// What the server calls this connection.
pub const CLIENT_ID: &[u8] = b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n";

/// Moves the replication offset of a connection: a message on a channel reserved for this, which is
/// handed on to replicas whether or not somebody listens.
pub const MOVE_OFFSET: &[u8] = b"*3\r\n$7\r\nPUBLISH\r\n$20\r\n__steadfast__:offset\r\n$0\r\n\r\n";

/// Asked again for a client that had asked for it.
pub const MONITOR: &[u8] = b"*1\r\n$7\r\nMONITOR\r\n";

/// Drops a transaction that must not be executed.
pub const DISCARD: &[u8] = b"*1\r\n$7\r\nDISCARD\r\n";

/// Whether the server is there, and lets this connection in.
pub const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Takes a connection back to its beginning, but for what its client's library is called.
pub const RESET: &[u8] = b"*1\r\n$5\r\nRESET\r\n";
