//! Reading a client: when it is read at all, and how what came is passed on. Large bodies go in buffers
//! of their own; everything else through the worker's one buffer, to `cutting`.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::SCRATCH_LEN;
use super::ending::Phase;
use super::outbox::{BULK_LEN, BULK_MIN};
use super::session::{Route, Session};

/// Bytes of a client's commands its link has not written yet, from which on the client is read no
/// further.
const UNWRITTEN_MAX: usize = 256 * 1024;
/// Bytes of our own answers a client has not read, from which on it is read no further.
const UNREAD_MAX: usize = 1024 * 1024;
/// Distinct runs of commands in flight, from which on the client is read no further.
const SLOTS_MAX: usize = 64 * 1024;

impl Session {
    /// Passes on what the client sends; ready when anything else may have to be done.
    pub(super) fn poll_input(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let filled = ready!(self.poll_fill(cx));
        self.note_heard();
        match filled {
            Ok(0) => self.end_of_input(),
            // Nothing more is there: all that is left to be done is to be told when there is.
            Ok(1..SCRATCH_LEN) if self.flows() => {
                return self.transport.borrow().poll_read_ready(cx).map(drop);
            }
            Ok(_) => {}
            Err(error) => {
                self.note_failure(&error);
                self.lose_client();
            }
        }
        Poll::Ready(())
    }

    /// Whether all that the client has sent is on its way, and there is nothing else to be done.
    fn flows(&self) -> bool {
        let on_its_way = match &*self.route.borrow() {
            Route::Shared(_) => true,
            // A link that may be given back is looked at again.
            Route::Attached(_) => !self.shares(),
            Route::None | Route::Connecting => false,
        };
        let open = self.phase.get() == Phase::Open && !self.client_gone.get();
        on_its_way && open && !self.is_congested() && self.intake.borrow().flows()
    }

    /// Whether the client is to be read now; where not, the session is woken when it may be.
    pub(super) fn wants_input(self: &Rc<Self>) -> bool {
        if let Route::Attached(link) = &*self.route.borrow()
            && (link.slots() >= SLOTS_MAX || link.unwritten() >= UNWRITTEN_MAX)
        {
            link.tell_when_relieved();
            return false;
        }
        if let Route::Shared(link) = &*self.route.borrow()
            && !self.has_room_on(link)
        {
            return false;
        }
        self.outbox.borrow().len() < UNREAD_MAX && self.may_take_more()
    }

    /// Reads once from the client and passes on what came.
    fn poll_fill(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let body_left = self.intake.borrow().streamed_body_left();
        if body_left > BULK_MIN {
            return self.poll_fill_bulk(cx, body_left.min(BULK_LEN));
        }
        let mut scratch = self.worker.scratch.borrow_mut();
        scratch.clear();
        let read = self.transport.borrow_mut().poll_read(cx, &mut *scratch);
        if let Poll::Ready(Ok(n @ 1..)) = read {
            self.count_received(n);
            self.take_in(&scratch);
        }
        read
    }

    /// Moves a part of a large body that ends before its frame does, without scanning it.
    fn poll_fill_bulk(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let spare = &self.worker.spare;
        let mut buffer = spare.take();
        let read = self
            .transport
            .borrow_mut()
            .poll_read(cx, &mut (&mut buffer).limit(most));
        match (&read, &*self.route.borrow()) {
            (Poll::Ready(Ok(n @ 1..)), Route::Attached(link)) => {
                self.count_received(*n);
                self.intake.borrow_mut().skip_body(*n);
                link.send_buffer(buffer);
            }
            _ => spare.put(buffer),
        }
        read
    }
}
