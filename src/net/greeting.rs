//! The first bytes of a client on a plain port: one that wants TLS is told apart at once, for to a
//! parser of commands its hello would be the beginning of a line that never ends.

use std::fmt::Display;
use std::io;

use super::complaint;

/// How a TLS connection begins: a handshake record of version 3.x (RFC 8446, 5.1). No command
/// begins so.
const TLS_HELLO: [u8; 2] = [0x16, 0x03];

/// Refuses what came first from `peer`, if that is known, when it is a TLS hello, and logs it.
///
/// # Errors
/// `InvalidData` for a hello.
pub(super) fn check<P: Display>(first: &[u8], peer: impl Fn() -> Option<P>) -> io::Result<()> {
    if !first.starts_with(&TLS_HELLO) {
        return Ok(());
    }
    let text = "it begins TLS on a plain port: let it use the port for TLS (--listen-tls), or plain text (redis:// without the second s)";
    if let Some(peer) = peer()
        && complaint::may_be_made(text)
    {
        tracing::warn!(event = "tls_on_plain_port", %peer, error = text, "a client was turned away");
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}
