//! Writing to a client: at once what its socket takes, later the rest. Called from the link's turns
//! as well as the session's own.

use std::task::{Context, Poll};

use bytes::BytesMut;

use crate::net::may_be_made;

use super::ending::Phase;
use super::labels::ClientEnd;
use super::session::{Route, Session};
use super::sharing::UNREAD_MAX;

/// What the log says of one, and not of each.
const SLOW: &str =
    "a client does not read its replies: closed (--client-output-limit, --max-output-bytes)";

/// Up to so much is kept back of what may be a client's last word: more shows that it is none, and would
/// count as what the client does not read.
const LAST_WORD_MAX: usize = 16 * 1024;

impl Session {
    /// Passes on to the client what the server says.
    pub(crate) fn deliver(&self, bytes: &[u8]) {
        if !self.served.get() {
            self.note_service(bytes);
        }
        self.tell(bytes);
    }

    /// Writes `bytes` to the client, or queues what its socket does not take.
    pub(super) fn tell(&self, bytes: &[u8]) {
        if self.client_gone.get() || bytes.is_empty() {
            return;
        }
        self.count_sent(bytes.len());
        let mut outbox = self.outbox.borrow_mut();
        let mut written = 0;
        let mut kept = self.keeps_last_word();
        if kept && outbox.len() + bytes.len() > LAST_WORD_MAX {
            kept = false;
            // Its errors are found again when more is written.
            let _ = outbox.flush(&self.transport.borrow(), &self.worker.spare);
        }
        if outbox.is_empty() && !kept {
            match self.transport.borrow().try_write(bytes) {
                Ok(n) => written = n,
                // The session's own task draws the conclusions: a link may be in the middle of its
                // replies here.
                Err(_) => {
                    self.client_gone.set(true);
                    return self.task.wake();
                }
            }
        }
        if written < bytes.len() {
            outbox.push(&bytes[written..]);
            self.task.wake();
        }
        let unread = outbox.len();
        drop(outbox);
        self.close_if_flooded(unread);
    }

    /// Nobody else waits for a client that does not read, so that what it is sent on a shared link has
    /// to be kept; but not without end.
    pub(super) fn close_if_flooded(&self, unread: usize) {
        // On a link of its own the server is made to wait.
        self.weigh_unread(if self.is_on_shared() { unread } else { 0 });
        if unread > UNREAD_MAX && self.is_on_shared() {
            self.note_bulk();
        }
        if unread > self.output_limit() && self.is_on_shared() {
            if may_be_made(SLOW) {
                tracing::warn!(event = "client_too_slow", unread, "{SLOW}");
            }
            self.note_end(ClientEnd::SlowConsumer);
            self.lose_client();
            self.transport.borrow().close();
            // Its link is in the middle of its replies here, so the task draws the conclusions.
            self.phase.set(Phase::Ended);
            self.task.wake();
        }
    }

    /// Bytes that are kept for this client: few, while as many as may be are kept for all.
    fn output_limit(&self) -> usize {
        match self.worker.held_bytes.replies.is_reached() {
            true => UNREAD_MAX,
            false => self.worker.config.client_output_limit,
        }
    }

    fn is_on_shared(&self) -> bool {
        matches!(&*self.route.borrow(), Route::Shared(_))
    }

    /// As [`Session::tell`], for part of a large body in a buffer of its own.
    pub(crate) fn deliver_buffer(&self, buffer: BytesMut) {
        if self.client_gone.get() {
            return self.worker.spare.put(buffer);
        }
        self.count_sent(buffer.len());
        let mut outbox = self.outbox.borrow_mut();
        if self.keeps_last_word() {
            // Its errors are found again when more is written.
            let _ = outbox.flush(&self.transport.borrow(), &self.worker.spare);
        }
        // The task tries the socket at once only if it runs next; here the buffer is still warm.
        let sent = outbox.send_buffer(buffer, &self.transport.borrow(), &self.worker.spare);
        if sent.is_err() || !outbox.is_empty() {
            self.task.wake();
        }
        let unread = outbox.len();
        drop(outbox);
        self.close_if_flooded(unread);
    }

    /// A reply of our own that is due now; CLIENT REPLY applies to it as to any other.
    pub(crate) fn deliver_local(&self, reply: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.set_caching(None);
        let muted = state.take_mute();
        drop(state);
        if !muted {
            self.tell(reply);
        }
    }

    /// Whether the client has not read what it was already sent.
    pub(crate) fn is_congested(&self) -> bool {
        !self.outbox.borrow().is_empty()
    }

    /// Writes what waits for the client; the link goes on reading when all is written.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) {
        if self.outbox.borrow().is_empty() {
            return;
        }
        loop {
            let flushed = self
                .outbox
                .borrow_mut()
                .flush(&self.transport.borrow(), &self.worker.spare);
            if flushed.is_err() {
                self.lose_client();
            }
            let unread = self.unread();
            self.weigh_unread(if self.is_on_shared() { unread } else { 0 });
            if unread == 0 {
                break;
            }
            match self.transport.borrow().poll_write_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.lose_client(),
            }
        }
        self.wake_link();
    }

    pub(super) fn wake_link(&self) {
        if let Route::Attached(link) = &*self.route.borrow() {
            link.wake();
        }
    }
}
