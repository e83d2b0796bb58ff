//! A session: one client connection and what serves it.
//!
//! The session's task reads the client, passes commands to its link (`intake`), and gives the link
//! its turns; replies are written to the client's socket through [`Session::deliver`], and only what
//! the socket does not take at once waits in the outbox. A session never owns an upstream socket:
//! it asks the pool for a link when the client's first byte has come.
//!
//! ```text
//!   Open --EOF--> HalfClosed --all answered--> ended
//!     |                |
//!     +---- a switch, an error, QUIT answered ----> Closing --outbox written--> ended
//! ```

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;

use crate::net::Transport;

use super::Worker;
use super::intake::Intake;
use super::link::Link;
use super::outbox::{BULK_LEN, BULK_MIN, Outbox};
use super::state::ClientState;
use super::wake::WakeSlot;

/// Bytes of a client's commands its link has not written yet, from which on the client is read no
/// further.
const UNWRITTEN_MAX: usize = 256 * 1024;
/// Bytes of our own answers a client has not read, from which on it is read no further.
const UNREAD_MAX: usize = 1024 * 1024;
/// Distinct runs of commands in flight, from which on the client is read no further.
const SLOTS_MAX: usize = 64 * 1024;
/// How long a half-closed client's replies may stand still before the server is told of the end.
const LINGER: Duration = Duration::from_secs(5);

/// How far a session is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The client sends no more; what it sent is still answered.
    HalfClosed,
    /// Ends when the outbox is written.
    Closing,
    /// Ends now.
    Ended,
}

/// Where a session's commands go.
#[derive(Debug, Default)]
pub(crate) enum Route {
    /// Nowhere yet.
    #[default]
    None,
    /// The pool is dialling.
    Connecting,
    /// To this link.
    Attached(Rc<Link>),
}

/// One client connection. Shared by its own task, its link, and the worker's registry.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) worker: Rc<Worker>,
    key: usize,
    transport: RefCell<Transport>,
    task: WakeSlot,
    phase: Cell<Phase>,
    /// The client's socket is gone: replies are counted off but not written.
    client_gone: Cell<bool>,
    pub(crate) route: RefCell<Route>,
    pub(crate) intake: RefCell<Intake>,
    pub(crate) state: RefCell<ClientState>,
    outbox: RefCell<Outbox>,
    /// The node's role is to be asked after this client's next login.
    pub(crate) role_pending: Cell<bool>,
    /// A half-closed client's replies are given a limited time already.
    lingering: Cell<bool>,
}

impl Session {
    /// A session for an accepted client, registered with its worker.
    pub(crate) fn start(worker: &Rc<Worker>, transport: Transport) {
        let mut sessions = worker.sessions.borrow_mut();
        let entry = sessions.vacant_entry();
        let session = Rc::new(Self {
            worker: worker.clone(),
            key: entry.key(),
            transport: RefCell::new(transport),
            task: WakeSlot::default(),
            phase: Cell::new(Phase::Open),
            client_gone: Cell::new(false),
            route: RefCell::default(),
            intake: RefCell::new(Intake::new(&worker.config)),
            state: RefCell::default(),
            outbox: RefCell::default(),
            role_pending: Cell::new(false),
            lingering: Cell::new(false),
        });
        entry.insert(session.clone());
        worker.counters.clients.add(1);
        worker.counters.clients_total.add(1);
        tokio::task::spawn_local(session.run());
    }

    async fn run(self: Rc<Self>) {
        poll_fn(|cx| self.poll(cx)).await;
        // A dial may still be under way; what it brings is not wanted any more.
        self.phase.set(Phase::Ended);
        self.transport.borrow().close();
        if let Route::Attached(link) = self.route.take() {
            link.end();
        }
        self.intake.borrow_mut().set_held(&self.worker, false);
        self.worker.sessions.borrow_mut().remove(self.key);
        self.worker.counters.clients.sub(1);
    }

    fn poll(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx);
        loop {
            if self.client_gone.get() && self.phase.get() == Phase::Open {
                self.end_of_input();
            }
            self.poll_link(cx);
            self.poll_flush(cx);
            self.drop_held();
            if self.has_ended() {
                return Poll::Ready(());
            }
            if self.phase.get() == Phase::Closing {
                return Poll::Pending;
            }
            self.resume();
            if self.phase.get() != Phase::Open {
                if self.has_ended() || self.phase.get() == Phase::Closing {
                    continue;
                }
                self.see_off();
                return Poll::Pending;
            }
            if !self.wants_input() {
                return Poll::Pending;
            }
            match self.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.end_of_input(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => self.lose_client(),
            }
        }
    }

    /// Gives the link its turn. When it is lost, the session ends with what is written so far.
    fn poll_link(&self, cx: &mut Context<'_>) {
        if matches!(self.phase.get(), Phase::Closing | Phase::Ended) {
            return;
        }
        let link = match &*self.route.borrow() {
            Route::Attached(link) => link.clone(),
            Route::None | Route::Connecting => return,
        };
        if link.poll(cx).is_ready() {
            self.close_after_flush();
        }
    }

    /// Whether the task is done.
    fn has_ended(&self) -> bool {
        let written = self.outbox.borrow().is_empty();
        match self.phase.get() {
            Phase::Ended => true,
            Phase::Closing => written,
            Phase::HalfClosed => written && self.is_answered(),
            Phase::Open => false,
        }
    }

    /// Whether nothing that the client sent still waits for its answer.
    fn is_answered(&self) -> bool {
        let waiting = self.intake.borrow().is_waiting();
        match &*self.route.borrow() {
            Route::Attached(link) => link.is_idle() && !waiting,
            Route::None | Route::Connecting => !waiting,
        }
    }

    fn wants_input(self: &Rc<Self>) -> bool {
        if let Route::Attached(link) = &*self.route.borrow()
            && (link.slots() >= SLOTS_MAX || link.unwritten() >= UNWRITTEN_MAX)
        {
            link.tell_when_relieved();
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
        if let Poll::Ready(Ok(1..)) = read {
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
                self.intake.borrow_mut().skip_body(*n);
                link.send_buffer(buffer);
            }
            _ => spare.put(buffer),
        }
        read
    }

    /// Writes what waits for the client; the link goes on reading when all is written.
    fn poll_flush(&self, cx: &mut Context<'_>) {
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
            if self.outbox.borrow().is_empty() {
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

    /// Whether nothing will be sent or delivered any more.
    pub(crate) fn is_over(&self) -> bool {
        self.phase.get() == Phase::Ended
    }

    /// The pool found a link.
    pub(crate) fn attach(&self, link: Rc<Link>) {
        if self.is_over() {
            return link.end();
        }
        *self.route.borrow_mut() = Route::Attached(link);
        self.task.wake();
    }

    /// The pool found none; the session asks again if it still has to.
    pub(crate) fn detach(&self) {
        *self.route.borrow_mut() = Route::None;
        self.task.wake();
    }

    fn wake_link(&self) {
        if let Route::Attached(link) = &*self.route.borrow() {
            link.wake();
        }
    }

    /// The client sends no more. What it sent while the gate was open is still carried out and
    /// answered; what the gate holds is dropped, because nobody is there to hear of it.
    fn end_of_input(&self) {
        self.phase.set(Phase::HalfClosed);
        self.drop_held();
    }

    /// Ends a half-closed session whose commands the gate holds, or held before they were sent.
    fn drop_held(&self) {
        if self.phase.get() == Phase::HalfClosed && self.intake.borrow().is_held(&self.worker) {
            self.phase.set(Phase::Ended);
        }
    }

    /// With all of a half-closed client's commands on their way, the server is told of its end as
    /// soon as it may otherwise never answer: it then drops what it was blocked on, as it would for
    /// the client itself.
    fn see_off(&self) {
        let Route::Attached(link) = &*self.route.borrow() else {
            return;
        };
        let intake = self.intake.borrow();
        if intake.is_streaming() || (link.waits_for_blocked() && !intake.is_waiting()) {
            link.finish_writing();
        } else if !link.is_idle() && !self.lingering.replace(true) {
            tokio::task::spawn_local(linger(Rc::downgrade(link)));
        }
    }

    /// The client's socket failed: nobody hears us any more.
    fn lose_client(&self) {
        self.client_gone.set(true);
        self.outbox.borrow_mut().clear();
    }

    /// Writes `bytes` to the client, or queues what its socket does not take.
    pub(crate) fn deliver(&self, bytes: &[u8]) {
        if self.client_gone.get() || bytes.is_empty() {
            return;
        }
        let mut outbox = self.outbox.borrow_mut();
        let mut written = 0;
        if outbox.is_empty() {
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
    }

    /// As [`Session::deliver`], for part of a large body in a buffer of its own.
    pub(crate) fn deliver_buffer(&self, buffer: bytes::BytesMut) {
        if self.client_gone.get() {
            return self.worker.spare.put(buffer);
        }
        let mut outbox = self.outbox.borrow_mut();
        // The task tries the socket at once only if it runs next; here the buffer is still warm.
        let sent = outbox.send_buffer(buffer, &self.transport.borrow(), &self.worker.spare);
        if sent.is_err() || !outbox.is_empty() {
            self.task.wake();
        }
    }

    /// A reply of our own that is due now; CLIENT REPLY applies to it as to any other.
    pub(crate) fn deliver_local(&self, reply: &[u8]) {
        if !self.state.borrow_mut().take_mute() {
            self.deliver(reply);
        }
    }

    /// Whether the client has not read what it was already sent.
    pub(crate) fn is_congested(&self) -> bool {
        !self.outbox.borrow().is_empty()
    }

    /// Whether the client has stopped sending.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.phase.get() == Phase::HalfClosed
    }

    /// Ends the session once everything queued for the client is written.
    pub(crate) fn close_after_flush(&self) {
        if self.phase.get() != Phase::Ended {
            self.phase.set(Phase::Closing);
        }
        self.task.wake();
    }

    /// Ends the session now; nothing more is delivered or sent.
    pub(crate) fn cut(&self) {
        self.client_gone.set(true);
        self.phase.set(Phase::Ended);
        if let Route::Attached(link) = &*self.route.borrow() {
            link.end();
        }
        self.transport.borrow().close();
        self.task.wake();
    }

    /// An answer that commands had to wait for has come.
    pub(crate) fn unblock(&self) {
        self.intake.borrow_mut().unblock();
        self.task.wake();
    }

    /// The link's node is a primary, or will not say.
    pub(crate) fn role_checked(&self) {
        self.role_pending.set(false);
        self.unblock();
    }

    /// Has the session look at its situation again.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    /// Whether the session could end without anybody missing an answer.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.is_answered() && self.outbox.borrow().is_empty()
    }
}

/// Tells the server of a half-closed client's end when its replies do not come; the server then
/// ends the connection, and with it the session.
async fn linger(link: Weak<Link>) {
    tokio::time::sleep(LINGER).await;
    // The link's socket must not stay open for this wait alone.
    if let Some(link) = link.upgrade() {
        link.finish_writing();
    }
}
