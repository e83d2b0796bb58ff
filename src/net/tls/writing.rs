//! From bytes to records, and an exact account of which have left.
//!
//! A record is of use to the peer only when it is whole. So bytes count as written when the record
//! they are in has left completely, and until then the caller keeps them: what is lost with a record
//! that was cut was certainly not executed.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::task::{Context, Poll, ready};

use rustls::Connection;
use tokio::net::TcpStream;

use super::{State, TlsStream};

/// Most bytes in one record (RFC 8446, 5.1).
const RECORD_LEN: usize = 16 * 1024;
/// Records made before the first of them has left.
const RECORDS_MAX: usize = 4;

/// Records on their way.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Encrypted bytes that have left, since the beginning.
    sent: u64,
    /// For each record that has not: where it ends, counted as `sent`, and how many of the caller's
    /// bytes it carries.
    waiting: VecDeque<(u64, usize)>,
}

impl TlsStream {
    /// Writes what the socket takes at once and says how much of it has left; `Ok(0)` when nothing
    /// has. What has not is given again with the next call, before anything else: it may be encrypted
    /// already, and is not encrypted twice.
    ///
    /// # Errors
    /// The socket's, never `WouldBlock`.
    pub(in crate::net) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state.borrow_mut();
        if state.session.is_handshaking() {
            return Ok(0);
        }
        let mut left = 0;
        loop {
            let blocked = state.flush(&self.stream)?;
            left += state.records.settle();
            let rest = bytes.get(left..).unwrap_or_default();
            if blocked || rest.is_empty() {
                return Ok(left.min(bytes.len()));
            }
            state.encrypt(rest)?;
        }
    }

    /// As a socket's: waits until something has left. Until it is ready it must be called with the
    /// same bytes.
    pub(in crate::net) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = self.try_write(bytes)?;
            if written > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(written));
            }
            ready!(self.poll_write_ready(cx))?;
        }
    }
}

impl State {
    /// Sends what is encrypted; true when the socket takes no more now.
    pub(super) fn flush(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(stream)) {
                Ok(sent) => self.records.sent += sent as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Makes records of the beginning of `bytes`.
    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(RECORD_LEN).take(RECORDS_MAX) {
            self.session.writer().write_all(chunk)?;
            let end = self.records.sent + queued(&mut self.session);
            self.records.waiting.push_back((end, chunk.len()));
        }
        Ok(())
    }
}

impl Records {
    /// Forgets records that have left, and says how many of the caller's bytes they carried.
    fn settle(&mut self) -> usize {
        let mut carried = 0;
        while let Some((_, len)) = self.waiting.pop_front_if(|(end, _)| *end <= self.sent) {
            carried += len;
        }
        carried
    }
}

/// Encrypted bytes that have not left.
fn queued(session: &mut Connection) -> u64 {
    let mut gauge = Gauge(0);
    // It takes nothing, so this is always an error.
    let _ = session.write_tls(&mut gauge);
    gauge.0
}

/// Takes nothing, and notes how much it was offered.
struct Gauge(u64);

impl Write for Gauge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0 = bytes.iter().map(|slice| slice.len() as u64).sum();
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that does not wait.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
