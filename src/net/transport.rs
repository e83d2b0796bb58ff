//! The one kind of connection everything above the sockets knows.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::greeting;
use super::tls::TlsStream;

/// One connection, either side. The data path writes without `&mut`, so that a reply can be written
/// by whoever holds it; what converses step by step uses it as an `AsyncRead` and `AsyncWrite`.
#[derive(Debug)]
pub enum Transport {
    /// Plain TCP.
    Tcp {
        /// The connection.
        stream: TcpStream,
        /// A client of which nothing has come yet.
        unheard: bool,
    },
    /// TCP under TLS.
    Tls(Box<TlsStream>),
    /// A Unix socket of this machine.
    Unix {
        /// The connection.
        stream: UnixStream,
        /// A client of which nothing has come yet.
        unheard: bool,
    },
    /// One end of a simulated connection.
    #[cfg(test)]
    Simulated(crate::simulation::End),
}

impl Transport {
    /// Reads into the spare room of `buffer`; 0 is the end of the stream.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        tokio_util::io::poll_read_buf(Pin::new(self), cx, buffer)
    }

    /// Waits until there is something to be read, the end included.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp { stream, .. } => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_read_ready(cx),
            Self::Unix { stream, .. } => stream.poll_read_ready(cx),
            #[cfg(test)]
            Self::Simulated(end) => end.poll_read_ready(cx),
        }
    }

    /// Writes what the socket takes at once; `Ok(0)` when it takes nothing now. What it does not take
    /// is to be given again, before anything else.
    ///
    /// # Errors
    /// The socket's, never `WouldBlock`.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self {
            Self::Tcp { stream, .. } => stream.try_write(bytes),
            Self::Tls(stream) => stream.try_write(bytes),
            Self::Unix { stream, .. } => stream.try_write(bytes),
            #[cfg(test)]
            Self::Simulated(end) => end.try_write(bytes),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Waits until a write may take bytes again.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp { stream, .. } => stream.poll_write_ready(cx),
            Self::Tls(stream) => stream.poll_write_ready(cx),
            Self::Unix { stream, .. } => stream.poll_write_ready(cx),
            #[cfg(test)]
            Self::Simulated(end) => end.poll_write_ready(cx),
        }
    }

    /// Ends both directions at once, whoever else still refers to the socket.
    pub fn close(&self) {
        match self {
            Self::Tcp { stream, .. } => shut(stream, Shutdown::Both),
            Self::Tls(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix { stream, .. } => shut(stream, Shutdown::Both),
            #[cfg(test)]
            Self::Simulated(end) => end.close(),
        }
    }

    /// Whether the peer is known to have stopped sending, although not all it sent has been read.
    pub fn is_read_closed(&self, cx: &mut Context<'_>) -> bool {
        let ready = match self {
            Self::Tcp { stream, .. } => pin!(stream.ready(Interest::READABLE)).poll(cx),
            Self::Tls(stream) => pin!(stream.socket().ready(Interest::READABLE)).poll(cx),
            Self::Unix { stream, .. } => pin!(stream.ready(Interest::READABLE)).poll(cx),
            #[cfg(test)]
            Self::Simulated(end) => return end.is_read_closed(cx),
        };
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Whether the connection is known to have failed: its peer hears nothing more. Told once.
    pub fn has_failed(&self) -> bool {
        match self {
            Self::Tcp { stream, .. } => is_error(stream.take_error()),
            Self::Tls(stream) => is_error(stream.socket().take_error()),
            Self::Unix { stream, .. } => is_error(stream.take_error()),
            #[cfg(test)]
            Self::Simulated(_) => false,
        }
    }

    /// Says that nothing more will be sent (a FIN).
    pub fn shutdown_write(&self) {
        match self {
            Self::Tcp { stream, .. } => shut(stream, Shutdown::Write),
            Self::Tls(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix { stream, .. } => shut(stream, Shutdown::Write),
            #[cfg(test)]
            Self::Simulated(end) => end.shutdown_write(),
        }
    }

    /// Keeps back what is written from now on until [`Transport::shutdown_write`], or for 0.2 s, so that the
    /// last word and the end arrive together. At a Unix socket the one still comes a moment before the
    /// other.
    pub fn cork(&self) {
        // Where it is refused, they arrive one after the other.
        let _ = match self {
            Self::Tcp { stream, .. } => SockRef::from(stream).set_tcp_cork(true),
            Self::Tls(stream) => SockRef::from(stream.socket()).set_tcp_cork(true),
            Self::Unix { .. } => Ok(()),
            #[cfg(test)]
            Self::Simulated(_) => Ok(()),
        };
    }

    /// Whether the peer has sent anything that was not read yet, even if the runtime has not heard of it.
    pub fn has_unread(&self) -> bool {
        match self {
            Self::Tcp { stream, .. } => has_unread(stream),
            Self::Tls(stream) => stream.keeps_unread() || has_unread(stream.socket()),
            Self::Unix { stream, .. } => has_unread(stream),
            #[cfg(test)]
            Self::Simulated(end) => end.has_unread(),
        }
    }

    /// Where the peer is, unless the connection is gone, or the peer has no address of its own, as at a
    /// Unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        let peer = match self {
            Self::Tcp { stream, .. } => stream.peer_addr(),
            Self::Tls(stream) => stream.socket().peer_addr(),
            Self::Unix { .. } => return None,
            #[cfg(test)]
            Self::Simulated(end) => Ok(end.peer()),
        };
        let canonical = |peer: SocketAddr| SocketAddr::new(peer.ip().to_canonical(), peer.port());
        peer.ok().map(canonical)
    }

    /// Whether the peer is on this machine's loopback.
    pub fn is_loopback(&self) -> bool {
        self.peer_addr().is_some_and(|peer| peer.ip().is_loopback())
    }
}

/// A peer that is already gone needs to be told nothing.
fn shut(socket: &impl AsFd, how: Shutdown) {
    let _ = SockRef::from(socket).shutdown(how);
}

fn has_unread(socket: &impl AsFd) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    let peeked = SockRef::from(socket).peek(&mut byte);
    peeked.is_ok_and(|len| len > 0)
}

fn is_error(taken: io::Result<Option<io::Error>>) -> bool {
    taken.is_ok_and(|error| error.is_some())
}

/// Reads, and returns what was read if it is the first of a client.
fn poll_first<'a>(
    stream: &mut (impl AsyncRead + Unpin),
    unheard: &mut bool,
    cx: &mut Context<'_>,
    buffer: &'a mut ReadBuf<'_>,
) -> Poll<io::Result<&'a [u8]>> {
    let before = buffer.filled().len();
    ready!(Pin::new(stream).poll_read(cx, buffer))?;
    let first = match std::mem::take(unheard) {
        true => buffer.filled().get(before..),
        false => None,
    };
    Poll::Ready(Ok(first.unwrap_or_default()))
}

impl From<TcpStream> for Transport {
    /// A connection whose peer is known to mean it.
    fn from(stream: TcpStream) -> Self {
        let unheard = false;
        Self::Tcp { stream, unheard }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, unheard } => {
                let first = ready!(poll_first(stream, unheard, cx, buffer))?;
                Poll::Ready(greeting::check(first, || stream.peer_addr().ok()))
            }
            Self::Tls(stream) => stream.poll_read(cx, buffer),
            Self::Unix { stream, unheard } => {
                let first = ready!(poll_first(stream, unheard, cx, buffer))?;
                Poll::Ready(greeting::check(first, || Some("a Unix socket")))
            }
            #[cfg(test)]
            Self::Simulated(end) => end.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => stream.poll_write(cx, bytes),
            Self::Unix { stream, .. } => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(test)]
            Self::Simulated(end) => end.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_flush(cx),
            // What was taken has left.
            Self::Tls(_) => Poll::Ready(Ok(())),
            Self::Unix { stream, .. } => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Simulated(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => {
                stream.shutdown(Shutdown::Write);
                Poll::Ready(Ok(()))
            }
            Self::Unix { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            #[cfg(test)]
            Self::Simulated(end) => {
                end.shutdown_write();
                Poll::Ready(Ok(()))
            }
        }
    }
}
