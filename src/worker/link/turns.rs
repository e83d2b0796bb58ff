//! A link's turns, given to it by its owner's task, or by its own where it is shared: replies are read
//! and handed to `routing`, and what the socket did not take at once is written. Nothing is read while
//! the owner's client does not read, and nothing is delivered while the gate does not allow it.

use std::task::{Context, Poll, ready};

use bytes::BufMut;

use crate::topology::Sign;
use crate::worker::outbox::{BULK_LEN, BULK_MIN};
use crate::worker::routing::Fault;

use super::Link;

impl Link {
    /// Reads and writes what can be, for the task of `cx`; ready when the link is of no more use.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.task.register(cx);
        let fault = ready!(self.poll_fault(cx));
        if !matches!(fault, Fault::Ended) {
            tracing::debug!(event = "link_lost", %fault, generation = self.generation);
            // After the client's own half-close the server's end is the expected answer.
            if !self.router.borrow().owner_is_half_closed() {
                self.report(Sign::LinkLost);
            }
        }
        Poll::Ready(fault)
    }

    /// Runs until the link is of no more use; says why.
    fn poll_fault(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            if self.ended.get() {
                return Poll::Ready(Fault::Ended);
            }
            if !self.worker.may_deliver(self.generation) {
                return self.poll_loss(cx);
            }
            // What cannot be written does not undo the replies that have come already.
            let broken = self.flush(cx).and_then(|()| self.flush_batch(cx)).err();
            self.let_in();
            if self.router.borrow().owner_is_congested() {
                return Poll::Pending;
            }
            match (self.poll_fill(cx), broken) {
                (Poll::Ready(Ok(())), _) => {}
                (Poll::Ready(Err(fault)), _) | (Poll::Pending, Some(fault)) => {
                    return Poll::Ready(fault);
                }
                (Poll::Pending, None) => return Poll::Pending,
            }
            self.note_progress();
            self.tell_owner();
        }
    }

    /// While nothing may be delivered: notices that the link is lost. What comes instead waits.
    fn poll_loss(&self, cx: &mut Context<'_>) -> Poll<Fault> {
        let mut early = self.early.borrow_mut();
        if !early.is_empty() {
            return Poll::Pending;
        }
        let mut scratch = self.worker.scratch.borrow_mut();
        scratch.clear();
        match ready!(self.transport.borrow_mut().poll_read(cx, &mut *scratch)) {
            Ok(0) => Poll::Ready(Fault::Eof),
            Ok(n) => {
                self.count_received(n);
                *early = scratch[..].into();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Fault::Io(error)),
        }
    }

    /// After replies came: the owner goes on if it waited for room, and a half-closed one may be
    /// done.
    fn tell_owner(&self) {
        let router = self.router.borrow();
        if router.owner_is_half_closed() || self.owner_waits.take() {
            router.wake_owner();
        }
    }

    fn count_received(&self, bytes: usize) {
        self.worker.counters.upstream_received.add(bytes as u64);
    }

    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let early = self.early.take();
        if !early.is_empty() {
            return Poll::Ready(self.route(&early));
        }
        let body_left = self.router.borrow().passing_body_left();
        if body_left > BULK_MIN {
            return self.poll_fill_bulk(cx, body_left.min(BULK_LEN));
        }
        let mut scratch = self.worker.scratch.borrow_mut();
        scratch.clear();
        let read = ready!(self.transport.borrow_mut().poll_read(cx, &mut *scratch));
        let n = read.map_err(Fault::Io).and_then(not_at_end)?;
        self.count_received(n);
        Poll::Ready(self.route(&scratch))
    }

    fn route(&self, read: &[u8]) -> Result<(), Fault> {
        let mut router = self.router.borrow_mut();
        let routed = router.route(read, self);
        router.note_passed_on(&self.worker.counters);
        routed
    }

    /// Moves a part of a large reply that ends before its frame does, without scanning it.
    fn poll_fill_bulk(&self, cx: &mut Context<'_>, most: usize) -> Poll<Result<(), Fault>> {
        let mut buffer = self.worker.spare.take();
        let read = self
            .transport
            .borrow_mut()
            .poll_read(cx, &mut (&mut buffer).limit(most));
        match read {
            Poll::Pending => {
                self.worker.spare.put(buffer);
                Poll::Pending
            }
            Poll::Ready(read) => {
                let n = read.map_err(Fault::Io).and_then(not_at_end)?;
                self.count_received(n);
                self.router
                    .borrow_mut()
                    .pass_body(buffer, &self.worker.spare);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Writes what waits; the owner goes on reading its client when all is written.
    fn flush(&self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.is_empty() {
            return Ok(());
        }
        loop {
            outbox
                .flush(&self.transport.borrow(), &self.worker.spare)
                .map_err(Fault::Io)?;
            if outbox.is_empty() {
                break;
            }
            match self.transport.borrow().poll_write_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(result) => result.map_err(Fault::Io)?,
            }
        }
        drop(outbox);
        if self.finishing.get() {
            self.transport.borrow().shutdown_write();
        }
        if self.owner_waits.take() {
            self.router.borrow().wake_owner();
        }
        Ok(())
    }
}

fn not_at_end(read: usize) -> Result<usize, Fault> {
    if read == 0 { Err(Fault::Eof) } else { Ok(read) }
}
