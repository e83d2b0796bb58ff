//! Finds out what stands behind a port that does not talk as expected: plain text, TLS, HTTP, or
//! nothing that talks.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::net::{self, HostPort};

/// A TLS record that carries an alert (RFC 8446, 5.1): what a TLS server answers to plain text.
const ALERT_RECORD: u8 = 0x15;
/// Enough to tell the beginnings apart.
const LOOK_LEN: usize = 16;

/// What a port answers to a plain PING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// TLS.
    Tls,
    /// HTTP.
    Http,
    /// RESP, in plain text.
    Resp,
    /// It hangs up without a word, which TLS servers do too.
    Nothing,
    /// Something else.
    Other,
}

/// Sends a plain PING on a connection of its own and looks at how the answer begins.
pub(super) async fn listen_to(address: &HostPort, limit: Duration) -> Speech {
    let look = async {
        let mut stream = net::dial(address, None, limit).await.ok()?;
        let _ = stream.write_all(b"*1\r\n$4\r\nPING\r\n").await;
        let mut bytes = [0; LOOK_LEN];
        let len = stream.read(&mut bytes).await.unwrap_or(0);
        Some(sort(bytes.get(..len).unwrap_or_default()))
    };
    match timeout(limit, look).await {
        Ok(Some(speech)) => speech,
        _ => Speech::Other,
    }
}

fn sort(bytes: &[u8]) -> Speech {
    match bytes {
        [] => Speech::Nothing,
        [ALERT_RECORD, ..] => Speech::Tls,
        [b'+' | b'-', ..] => Speech::Resp,
        _ if bytes.starts_with(b"HTTP/") => Speech::Http,
        _ => Speech::Other,
    }
}
