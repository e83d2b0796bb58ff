//! A TCP connection under TLS, with the manners of a socket: reads and writes that do not wait, and
//! writes without `&mut`.
//!
//! `opening` is the handshake, which goes on inside the first reads; `reading` and `writing` are what
//! follows. An end of the TCP stream is an end of the stream, whether the peer took leave or not:
//! RESP tells by itself whether a command is whole.

mod opening;
mod reading;
#[cfg(test)]
mod tests;
mod writing;

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::{Connection, HandshakeKind};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::tls::{Client, Failure, Server};

use opening::Opening;
use writing::Records;

/// A secured connection, or one that is about to be.
pub struct TlsStream {
    stream: TcpStream,
    side: Side,
    /// The handshake goes on.
    opening: Option<Opening>,
    /// Nothing more will come.
    ended: bool,
    /// What was read from the socket and not yet decrypted, because the reader had no room.
    unfed: Vec<u8>,
    state: RefCell<State>,
}

/// Who the peer is to us.
#[derive(Clone)]
enum Side {
    /// A client of ours.
    Client(Arc<Server>),
    /// Whom we dialled.
    Server(Arc<Client>),
}

/// What reading and writing share.
struct State {
    session: Connection,
    records: Records,
    /// We have taken leave.
    said_goodbye: bool,
}

impl TlsStream {
    /// A client that was accepted, about to begin the handshake.
    ///
    /// # Errors
    /// When it cannot begin.
    pub(super) fn accept(stream: TcpStream, server: Arc<Server>) -> io::Result<Self> {
        let session = server.begin().map_err(broken)?;
        let opening = Opening::limited();
        Ok(Self::new(stream, session, Side::Client(server), opening))
    }

    /// A server at `host` that was dialled; ready when the handshake is done. As long as its caller
    /// waits.
    ///
    /// # Errors
    /// The socket's, or `InvalidData` with a [`Failure`].
    ///
    /// # Cancel safety
    /// Dropping it ends the connection.
    pub(super) async fn connect(
        stream: TcpStream,
        client: Arc<Client>,
        host: &str,
    ) -> io::Result<Self> {
        let session = client.begin(stream.peer_addr()?, host).map_err(broken)?;
        let side = Side::Server(client);
        let mut stream = Self::new(stream, session, side, Opening::unlimited());
        std::future::poll_fn(|cx| stream.poll_opening(cx)).await?;
        stream.tell_secured();
        Ok(stream)
    }

    fn tell_secured(&self) {
        let state = self.state.borrow();
        tracing::debug!(
            event = "tls_secured",
            peer = opening::peer_of(&self.stream),
            resumed = state.session.handshake_kind() == Some(HandshakeKind::Resumed),
            version = ?state.session.protocol_version(),
        );
    }

    fn new(stream: TcpStream, mut session: Connection, side: Side, opening: Opening) -> Self {
        // `Records` bounds what is given to it.
        session.set_buffer_limit(None);
        Self {
            stream,
            side,
            opening: Some(opening),
            ended: false,
            unfed: Vec::new(),
            state: RefCell::new(State {
                session,
                records: Records::default(),
                said_goodbye: false,
            }),
        }
    }

    /// The connection below.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether something was taken from the socket that the reader has not had.
    pub(super) fn keeps_unread(&self) -> bool {
        let decrypted = || {
            let mut state = self.state.borrow_mut();
            let mut reader = state.session.reader();
            reader.fill_buf().is_ok_and(|chunk| !chunk.is_empty())
        };
        !self.unfed.is_empty() || decrypted()
    }

    /// Waits until there is something to be read, the end included.
    ///
    /// # Errors
    /// The socket's.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended || !self.unfed.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_read_ready(cx)
    }

    /// Waits until a write may take bytes again; for ever while the handshake goes on, which the
    /// reader carries to its end.
    ///
    /// # Errors
    /// The socket's.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.opening.is_some() {
            return Poll::Pending;
        }
        self.stream.poll_write_ready(cx)
    }

    /// Ends one direction or both, with leave taken where the socket takes that at once.
    pub(super) fn shutdown(&self, how: Shutdown) {
        self.take_leave();
        // A peer that is already gone needs no FIN.
        let _ = SockRef::from(&self.stream).shutdown(how);
    }

    fn take_leave(&self) {
        let mut state = self.state.borrow_mut();
        if !state.session.is_handshaking() && !state.said_goodbye {
            state.said_goodbye = true;
            state.session.send_close_notify();
            let _ = state.flush(&self.stream);
        }
    }
}

impl Side {
    fn note_handshake(&self, kind: Option<HandshakeKind>) {
        match self {
            Self::Client(server) => server.note_handshake(kind),
            Self::Server(client) => client.note_handshake(kind),
        }
    }

    fn failure(&self, error: rustls::Error) -> Failure {
        match self {
            Self::Client(server) => server.failure(error),
            Self::Server(client) => client.failure(error),
        }
    }

    fn leg(&self) -> crate::tls::Leg {
        match self {
            Self::Client(_) => crate::tls::Leg::Listen,
            Self::Server(client) => client.leg(),
        }
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.take_leave();
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

fn broken(failure: Failure) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, failure)
}
