//! From records to bytes.

use std::cell::RefCell;
use std::io::{self, BufRead};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::Connection;
use tokio::io::{AsyncRead, ReadBuf};

use super::{TlsStream, broken};

/// Bytes taken from a socket at once.
const WIRE_LEN: usize = 64 * 1024;
/// Bytes taken at least, however little room the reader has: a small reader must not make many calls
/// of the system.
const WIRE_LEN_MIN: usize = 4096;

thread_local! {
    /// Read buffer of whichever connection of the thread reads; holds nothing between two reads.
    static WIRE: RefCell<Vec<u8>> = RefCell::new(vec![0; WIRE_LEN]);
}

impl TlsStream {
    /// As a socket's: fills `out` with what there is, and nothing is the end.
    pub(in crate::net) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_opening(cx))?;
        let before = out.filled().len();
        let unfed = std::mem::take(&mut self.unfed);
        self.feed(&unfed, out)?;
        while out.filled().len() == before && out.remaining() > 0 && !self.ended {
            ready!(WIRE.with_borrow_mut(|wire| self.poll_wire(cx, wire, out)))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once from the socket.
    fn poll_wire(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut [u8],
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = out.remaining().clamp(WIRE_LEN_MIN, WIRE_LEN);
        let mut read = ReadBuf::new(wire.get_mut(..len).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.ended |= read.filled().is_empty();
        Poll::Ready(self.feed(read.filled(), out))
    }

    /// Decrypts `bytes` into `out`. What there is no room for is kept; so is an error behind what was
    /// decrypted before it.
    fn feed(&mut self, mut bytes: &[u8], out: &mut ReadBuf<'_>) -> io::Result<()> {
        let before = out.filled().len();
        let state = self.state.get_mut();
        loop {
            hand_out(&mut state.session, out);
            if out.remaining() == 0 || bytes.is_empty() {
                break;
            }
            // Nothing decrypted waits, so this takes something; after the peer's leave nothing.
            if state.session.read_tls(&mut bytes)? == 0 {
                self.ended = true;
                return Ok(());
            }
            match state.session.process_new_packets() {
                Ok(io_state) => self.ended |= io_state.peer_has_closed(),
                Err(error) => {
                    self.ended = true;
                    // The peer is told why.
                    let _ = state.flush(&self.stream);
                    hand_out(&mut state.session, out);
                    return match out.filled().len() == before {
                        true => Err(broken(self.side.failure(error))),
                        false => Ok(()),
                    };
                }
            }
        }
        self.unfed.extend_from_slice(bytes);
        if state.session.wants_write() {
            // An answer to a change of keys; what does not go now goes with the next write.
            let _ = state.flush(&self.stream);
        }
        Ok(())
    }
}

/// Copies what is decrypted, as far as there is room.
fn hand_out(session: &mut Connection, out: &mut ReadBuf<'_>) {
    let mut reader = session.reader();
    // Its errors say that nothing is there yet, or that the stream has ended.
    while let Ok(chunk) = reader.fill_buf() {
        let len = chunk.len().min(out.remaining());
        if len == 0 {
            return;
        }
        out.put_slice(chunk.get(..len).unwrap_or_default());
        reader.consume(len);
    }
}
