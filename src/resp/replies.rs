//! What the proxy says in its own name, as bytes ready to send.
//!
//! Words a server has for the same thing are the server's, for clients match on them; the rest
//! carry the name `steadfast`, so that nobody looks for them in the server's log.

use std::time::Duration;

use super::errors::ProtocolError;

/// Success.
pub const OK: &[u8] = b"+OK\r\n";

/// The session has not logged in.
pub const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";

/// The login failed.
pub const WRONGPASS: &[u8] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";

/// The limit of downstream connections is reached.
pub const MAX_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// The command may or may not have been executed.
pub const UNCERTAIN: &[u8] = b"-UNCERTAIN steadfast: the connection was lost after the command \
was sent; it may or may not have been executed\r\n";

/// The command was not executed: `primary_name` has had no primary for as long as `held`.
#[must_use]
pub fn masterdown(primary_name: &str, held: Duration) -> Vec<u8> {
    let seconds = held.as_secs();
    error(&format!(
        "MASTERDOWN steadfast: no primary for '{primary_name}' after {seconds}s; \
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
