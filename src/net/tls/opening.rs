//! The handshake. A client that has not ended it costs a socket and a few buffers, for a limited time;
//! nobody waits for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::{Side, TlsStream, broken};
use crate::net::complaint;
use crate::tls::Failure;

/// How long a client may take for its handshake.
const CLIENT_LIMIT: Duration = Duration::from_secs(5);
/// Bytes read at once. What a client sends on the heels of its handshake is decrypted with it and kept,
/// so this is also a bound.
const READ_LEN: usize = 4096;
/// Most bytes of a client's handshake: room for a chain of certificates, and a bound on what those who
/// do not end it can have kept.
const CLIENT_LEN_MAX: usize = 32 * 1024;
/// The first byte of a TLS connection: a record with handshake messages (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 0x16;
/// What a client that speaks plain text is told, in its own language.
const PLAIN_TEXT_REPLY: &[u8] = b"-ERR steadfast: this port speaks TLS only\r\n";

/// A handshake that goes on.
#[derive(Debug)]
pub(super) struct Opening {
    /// When it has to be over; none where somebody else minds the time.
    limit: Option<Pin<Box<Sleep>>>,
    /// Bytes that have come.
    heard: usize,
}

impl Opening {
    /// Of a client.
    pub(super) fn limited() -> Self {
        Self {
            limit: Some(Box::pin(sleep(CLIENT_LIMIT))),
            heard: 0,
        }
    }

    /// Of ours.
    pub(super) fn unlimited() -> Self {
        Self {
            limit: None,
            heard: 0,
        }
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.limit.as_mut();
        limit.is_some_and(|limit| limit.as_mut().poll(cx).is_ready())
    }
}

impl TlsStream {
    /// Ready when the connection is secured.
    ///
    /// # Errors
    /// The socket's, or `InvalidData` with a [`Failure`]; a client's has been logged.
    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(opening) = &mut self.opening else {
            return Poll::Ready(Ok(()));
        };
        let result = if opening.is_over(cx) {
            Err(broken(Failure::late(self.side.leg())))
        } else {
            ready!(self.poll_handshake(cx))
        };
        self.opening = None;
        match &result {
            Ok(()) => {
                let kind = self.state.get_mut().session.handshake_kind();
                self.side.note_handshake(kind);
            }
            Err(error) => {
                self.ended = true;
                self.complain(error);
            }
        }
        Poll::Ready(result)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let state = self.state.get_mut();
            // Where that fails, the peer may have said why it hung up; that has to be read.
            let blocked = state.flush(&self.stream).unwrap_or(false);
            if !state.session.is_handshaking() && (!blocked || matches!(self.side, Side::Client(_)))
            {
                return Poll::Ready(Ok(()));
            }
            if blocked {
                ready!(self.stream.poll_write_ready(cx))?;
                continue;
            }
            ready!(self.poll_message(cx))?;
        }
    }

    /// Reads once and gives what came to the session.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_LEN];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let mut bytes = buffer.filled();
        let heard = self.hear(bytes.len());
        let Some(first) = bytes.first() else {
            let failure = Failure::hung_up(self.side.leg());
            // Whoever says nothing at all wanted to see whether somebody listens.
            let kind = match heard {
                0 => io::ErrorKind::UnexpectedEof,
                _ => io::ErrorKind::InvalidData,
            };
            return Poll::Ready(Err(io::Error::new(kind, failure)));
        };
        let is_client = matches!(self.side, Side::Client(_));
        if is_client && heard > CLIENT_LEN_MAX {
            return Poll::Ready(Err(broken(Failure::too_long(self.side.leg()))));
        }
        if is_client && heard == bytes.len() && *first != HANDSHAKE_RECORD {
            // Whether it still hears that is its affair.
            let _ = self.stream.try_write(PLAIN_TEXT_REPLY);
            return Poll::Ready(Err(broken(Failure::plain_text(self.side.leg()))));
        }
        let state = self.state.get_mut();
        while !bytes.is_empty() && state.session.is_handshaking() {
            state.session.read_tls(&mut bytes)?;
            if let Err(error) = state.session.process_new_packets() {
                // The peer is told why.
                let _ = state.flush(&self.stream);
                return Poll::Ready(Err(broken(self.side.failure(error))));
            }
        }
        self.unfed.extend_from_slice(bytes);
        Poll::Ready(Ok(()))
    }

    /// Counts what came; how much it is by now.
    fn hear(&mut self, len: usize) -> usize {
        self.opening.as_mut().map_or(0, |opening| {
            opening.heard += len;
            opening.heard
        })
    }

    /// A client's failure is for our log; that of a dial is for whoever dialled.
    fn complain(&self, error: &io::Error) {
        if !matches!(self.side, Side::Client(_)) {
            return;
        }
        let peer = peer_of(&self.stream);
        if error.kind() == io::ErrorKind::InvalidData && complaint::may_be_made(&error.to_string())
        {
            tracing::warn!(event = "tls_failed", %peer, %error, "a client was turned away");
        } else {
            tracing::debug!(event = "tls_failed", %peer, %error, "a client was turned away");
        }
    }
}

pub(super) fn peer_of(stream: &TcpStream) -> String {
    let peer = stream.peer_addr();
    peer.map_or_else(|_| "gone".to_owned(), |peer| peer.to_string())
}
