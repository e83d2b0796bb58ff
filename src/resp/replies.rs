//! What the proxy says in its own name, as bytes ready to send.
//!
//! Words a server has for the same thing are the server's, for clients match on them; the rest
//! carry the name `steadfast`, so that nobody looks for them in the server's log.

use std::time::Duration;

use super::errors::ProtocolError;

/// Success.
pub const OK: &[u8] = b"+OK\r\n";

/// PING.
pub const PONG: &[u8] = b"+PONG\r\n";

/// The session has not logged in.
pub const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";

/// The login failed.
pub const WRONGPASS: &[u8] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";

/// HELLO without AUTH of a session that has not logged in.
pub const NOAUTH_HELLO: &[u8] = b"-NOAUTH HELLO must be called with the client already \
authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate \
the client and select the RESP protocol version at the same time\r\n";

/// AUTH with no or too many arguments.
pub const AUTH_SYNTAX: &[u8] = b"-ERR wrong number of arguments for 'auth' command\r\n";

/// AUTH with a password alone where none is asked for.
pub const AUTH_WITHOUT_PASSWORD: &[u8] = b"-ERR AUTH <password> called without any password \
configured for the default user. Are you sure your configuration is correct?\r\n";

/// RESET.
pub const RESET: &[u8] = b"+RESET\r\n";

/// A command that has to be seen whole is too large for that, or came before the login.
pub const TOO_BIG: &[u8] = b"-ERR Protocol error: steadfast: this command is too big here\r\n";

/// Replicas are not written to.
pub const READONLY: &[u8] = b"-READONLY You can't write against a read only replica.\r\n";

/// A command is queued for EXEC.
pub const QUEUED: &[u8] = b"+QUEUED\r\n";

/// Nobody is known to have received anything.
pub const ZERO: &[u8] = b":0\r\n";

/// The same for WAITAOF, which counts the server itself and its replicas.
pub const TWO_ZEROS: &[u8] = b"*2\r\n:0\r\n:0\r\n";

/// The transaction cannot be executed: a part of it was lost.
pub const ABORTED: &[u8] = b"-EXECABORT steadfast: the connection was lost; nothing of the \
transaction was executed\r\n";

/// To a RESP3 client that caches: everything may have changed.
pub const INVALIDATE_ALL: &[u8] = b">2\r\n$10\r\ninvalidate\r\n_\r\n";

/// To a RESP3 client: `target`, which was to be told of changes for it, no longer is.
#[must_use]
pub fn redirection_broken(target: u64) -> Vec<u8> {
    format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{target}\r\n").into_bytes()
}

/// A transaction that was not executed because a watched key may have changed.
#[must_use]
pub fn nil(resp3: bool) -> &'static [u8] {
    if resp3 { b"_\r\n" } else { b"*-1\r\n" }
}

/// The limit of downstream connections is reached.
pub const MAX_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// The command may or may not have been executed.
pub const UNCERTAIN: &[u8] = b"-UNCERTAIN steadfast: the connection was lost after the command \
was sent; it may or may not have been executed\r\n";

/// `word` as a bulk string.
#[must_use]
pub fn bulk(word: &[u8]) -> Vec<u8> {
    let mut reply = format!("${}\r\n", word.len()).into_bytes();
    reply.extend_from_slice(word);
    reply.extend_from_slice(b"\r\n");
    reply
}

/// PING of a subscriber in RESP2.
#[must_use]
pub fn pong_array(word: &[u8]) -> Vec<u8> {
    let mut reply = b"*2\r\n$4\r\npong\r\n".to_vec();
    reply.extend(bulk(word));
    reply
}

/// The command was not executed: `primary_name` has had nobody who is what is `sought`, a primary or a
/// replica, for as long as `held`.
#[must_use]
pub fn masterdown(sought: &str, primary_name: &str, held: Duration) -> Vec<u8> {
    let seconds = held.as_secs();
    error(&format!(
        "MASTERDOWN steadfast: no {sought} for '{primary_name}' after {seconds}s; \
         the command was NOT executed"
    ))
}

/// The client broke the protocol in this way; the connection ends after it.
#[must_use]
pub fn protocol_error(why: &ProtocolError) -> Vec<u8> {
    error(&format!("ERR Protocol error: {why}"))
}

/// The command `name` would make the connection a replication link.
#[must_use]
pub fn refused(name: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(name);
    error(&format!(
        "ERR steadfast: {name} is not available through a proxy"
    ))
}

/// An error reply of one line, whatever is in `text`.
fn error(text: &str) -> Vec<u8> {
    let mut reply = Vec::with_capacity(text.len() + 3);
    reply.push(b'-');
    let line = text.bytes().map(|byte| match byte {
        b'\r' | b'\n' => b' ',
        other => other,
    });
    reply.extend(line);
    reply.extend_from_slice(b"\r\n");
    reply
}
