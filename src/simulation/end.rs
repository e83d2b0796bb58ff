//! One end of a simulated connection, with what the proxy asks of a non-blocking socket.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::network::Network;

/// One end. Dropping it closes it.
#[derive(Debug)]
pub struct End {
    pub(super) network: Network,
    pub(super) connection: u64,
    /// 0 for who dialled, 1 for who accepted.
    pub(super) side: usize,
}

impl End {
    /// Reads what has arrived; nothing filled means the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.network
            .read(self.connection, self.side, cx.waker(), buffer)
    }

    /// Ready when something has arrived, or the end.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let network = &self.network;
        match network.has_arrived(self.connection, self.side) {
            true => Poll::Ready(Ok(())),
            false => network.read(
                self.connection,
                self.side,
                cx.waker(),
                &mut ReadBuf::new(&mut []),
            ),
        }
    }

    /// Sends what there is room for, or fails with `WouldBlock`.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.network.write(self.connection, self.side, bytes)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match self.poll_write_ready(cx) {
                    Poll::Ready(Ok(())) => Poll::Ready(self.try_write(bytes)),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                }
            }
            result => Poll::Ready(result),
        }
    }

    /// Ready when there is room again, or never will be.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.network
            .write_ready(self.connection, self.side, cx.waker())
    }

    /// Whether the peer is known to send no more. As with a socket's, asking wakes nobody later.
    pub(crate) fn is_read_closed(&self, _: &Context<'_>) -> bool {
        self.network.is_read_closed(self.connection, self.side)
    }

    /// Whether something has arrived, or the end.
    pub(crate) fn has_unread(&self) -> bool {
        self.network.has_arrived(self.connection, self.side)
    }

    /// Ends both directions; what was written still arrives.
    pub(crate) fn close(&self) {
        self.network.close(self.connection, self.side);
    }

    /// Sends no more.
    pub(crate) fn shutdown_write(&self) {
        self.network.shutdown_write(self.connection, self.side);
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.network.peer(self.connection, self.side)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.network.forget(self.connection, self.side);
    }
}
