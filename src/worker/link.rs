//! A link: one upstream connection and the commands in flight on it.
//!
//! Bytes are sent by whoever has them ([`Link::send`]). The link is polled by its owner's task;
//! replies are paired with slots and handed
//! to their sessions by `routing`. A link belongs to one generation: it neither sends nor delivers
//! when that generation's gate is shut or its lease ran out, and it ends with it.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};

use crate::net::Transport;
use crate::topology::Sign;

use super::Worker;
use super::ids::Registration;
use super::outbox::{BULK_LEN, BULK_MIN, Outbox};
use super::permit::Permit;
use super::refusing::Case;
use super::routing::{Fault, Router};
use super::scripts::Loads;
use super::session::Session;
use super::slot::Kind;
use super::waiting::Offset;
use super::wake::WakeSlot;

/// One upstream connection.
#[derive(Debug)]
pub(crate) struct Link {
    worker: Rc<Worker>,
    /// The generation whose primary this leads to.
    pub(crate) generation: u64,
    transport: RefCell<Transport>,
    task: WakeSlot,
    outbox: RefCell<Outbox>,
    pub(crate) router: RefCell<Router>,
    /// Nothing more will be sent once the outbox is written.
    finishing: Cell<bool>,
    /// The owner does not read its client until there is room here again.
    owner_waits: Cell<bool>,
    /// CLIENT UNBLOCK was sent for it on our behalf.
    pub(super) unblocked: Cell<bool>,
    /// What came while nothing might be delivered: at most one read.
    early: RefCell<Box<[u8]>>,
    /// What the server calls this connection, once it has said so.
    pub(super) upstream_id: Cell<Option<NonZeroU64>>,
    /// It was asked.
    pub(super) id_asked: Cell<bool>,
    /// The server does not let this client load scripts.
    pub(super) scripts_refused: Cell<bool>,
    /// Whether WAIT counts truly here.
    pub(super) offset: Cell<Offset>,
    /// The WAIT that is due next does not.
    pub(super) miscounts: Cell<bool>,
    /// Scripts that were loaded by this link, or are being loaded.
    pub(super) loads: RefCell<Option<Box<Loads>>>,
    /// The owner can be found by its id.
    pub(super) registration: RefCell<Option<Box<Registration>>>,
    /// It is being made what a lost one was.
    pub(super) restoring: Cell<bool>,
    ended: Cell<bool>,
}

impl Link {
    /// A link over a connected and, where needed, logged-in transport, for `owner` alone.
    pub(crate) fn new(owner: &Rc<Session>, generation: u64, transport: Transport) -> Rc<Self> {
        let worker = owner.worker.clone();
        worker.counters.links.add(1);
        worker.counters.links_total.add(1);
        Rc::new(Self {
            worker,
            generation,
            transport: RefCell::new(transport),
            task: WakeSlot::default(),
            outbox: RefCell::default(),
            router: RefCell::new(Router::new(owner.clone())),
            finishing: Cell::new(false),
            owner_waits: Cell::new(false),
            unblocked: Cell::new(false),
            early: RefCell::default(),
            restoring: Cell::new(false),
            upstream_id: Cell::new(None),
            id_asked: Cell::new(false),
            scripts_refused: Cell::new(false),
            offset: Cell::default(),
            miscounts: Cell::new(false),
            loads: RefCell::default(),
            registration: RefCell::default(),
            ended: Cell::new(false),
        })
    }

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
            let broken = self.flush(cx).err();
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
            Ok(_) => {
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

    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let early = self.early.take();
        if !early.is_empty() {
            return Poll::Ready(self.router.borrow_mut().route(&early, self));
        }
        let body_left = self.router.borrow().passing_body_left();
        if body_left > BULK_MIN {
            return self.poll_fill_bulk(cx, body_left.min(BULK_LEN));
        }
        let mut scratch = self.worker.scratch.borrow_mut();
        scratch.clear();
        let read = ready!(self.transport.borrow_mut().poll_read(cx, &mut *scratch));
        read.map_err(Fault::Io).and_then(not_at_end)?;
        Poll::Ready(self.router.borrow_mut().route(&scratch, self))
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
                read.map_err(Fault::Io).and_then(not_at_end)?;
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

    /// Sends the bytes of the commands noted last. The caller has checked that the gate is open to
    /// this generation.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.may_move_offset();
        self.router.borrow_mut().keep(bytes);
        self.write(bytes);
    }

    /// Notes one command as in flight, and sends it, after what we have to ask before it.
    pub(crate) fn command(&self, owner: &Rc<Session>, kind: Kind, frame: &[u8]) {
        let (kind, prelude) = owner.prelude(self, kind, frame);
        if let Kind::Local(reply) = kind {
            return owner.answer(&Permit::Wait, &reply);
        }
        prelude.into_iter().for_each(|own| own.ask(self, owner));
        self.expect(owner, kind, frame.len());
        self.send(frame);
    }

    /// As [`Link::command`], for a question of our own, which is never sent again.
    pub(crate) fn ask(&self, owner: &Rc<Session>, kind: Kind, question: &[u8]) {
        let mut router = self.router.borrow_mut();
        router.expect_unkept(owner, kind, question.len());
        drop(router);
        self.write(question);
    }

    /// Notes a command of which only the beginning is there, too large to be kept.
    pub(crate) fn begin_streamed(&self, owner: &Rc<Session>, kind: Kind) {
        if matches!(kind, Kind::Blocking(_)) {
            self.ask_id(owner);
        }
        self.router.borrow_mut().expect_unkept(owner, kind, 0);
    }

    /// Sends a part of that command.
    pub(crate) fn send_streamed(&self, bytes: &[u8]) {
        self.router.borrow_mut().extend_unkept(bytes.len());
        self.write(bytes);
    }

    /// Writes `bytes`, or queues what the socket does not take.
    pub(super) fn write(&self, bytes: &[u8]) {
        let mut outbox = self.outbox.borrow_mut();
        let mut written = 0;
        if outbox.is_empty() {
            // An error shows again when the link's own task reads or writes.
            written = self.transport.borrow().try_write(bytes).unwrap_or(0);
        }
        if written < bytes.len() {
            outbox.push(&bytes[written..]);
            self.task.wake();
        }
    }

    /// As [`Link::send_streamed`], for part of a large body in a buffer of its own.
    pub(crate) fn send_buffer(&self, buffer: BytesMut) {
        self.router.borrow_mut().extend_unkept(buffer.len());
        let mut outbox = self.outbox.borrow_mut();
        let sent = outbox.send_buffer(buffer, &self.transport.borrow(), &self.worker.spare);
        if sent.is_err() || !outbox.is_empty() {
            self.task.wake();
        }
    }

    /// Notes a command as in flight; its `len` bytes are sent next, in the same turn.
    pub(crate) fn expect(&self, owner: &Rc<Session>, kind: Kind, len: usize) {
        self.router.borrow_mut().expect(owner, kind, len);
    }

    /// Takes back what was noted last: that command will never be complete.
    pub(crate) fn unexpect(&self) {
        self.router.borrow_mut().unexpect();
    }

    /// Distinct runs of commands in flight.
    pub(crate) fn slots(&self) -> usize {
        self.router.borrow().slots()
    }

    /// Bytes not yet written.
    pub(crate) fn unwritten(&self) -> usize {
        self.outbox.borrow().len()
    }

    /// Wakes the owner when there is room again.
    pub(crate) fn tell_when_relieved(&self) {
        self.owner_waits.set(true);
    }

    /// Whether nothing is in flight or waiting to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots() == 0 && self.outbox.borrow().is_empty()
    }

    /// Whether the link is of no more use.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Has the task look at its situation again.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }

    /// Tells discovery of a sign this link has seen.
    pub(crate) fn report(&self, sign: Sign) {
        self.worker.report(self.generation, sign);
    }

    /// Whether new commands may be sent to this link's node, as far as the gate says.
    pub(super) fn is_open(&self) -> bool {
        self.worker.gate_is_open()
    }

    /// Whether CLIENT UNBLOCK was sent for this link on our behalf.
    pub(super) fn is_unblocked_by_us(&self) -> bool {
        self.unblocked.get()
    }

    /// Ends the link now, and gives up what was in flight on it.
    pub(super) fn wreck(&self) -> Wreck {
        let unwritten = self.outbox.borrow().len();
        let mut router = self.router.borrow_mut();
        let wreck = Wreck {
            in_delivery: router.is_in_delivery(),
            muting: router.is_muting(),
            cases: router.take_cases(unwritten),
        };
        drop(router);
        self.end();
        wreck
    }

    /// Ends the link now: nothing more is sent or delivered.
    pub(crate) fn end(&self) {
        if !self.ended.replace(true) {
            self.transport.borrow().close();
            *self.registration.borrow_mut() = None;
            self.router.borrow_mut().release();
            self.outbox.borrow_mut().clear();
            self.worker.counters.links.sub(1);
            self.task.wake();
        }
    }

    /// Tells the server that nothing more will come, once all is written: it ends what it was
    /// blocked on, as it would for the client itself.
    pub(crate) fn finish_writing(&self) {
        if !self.finishing.replace(true) && self.outbox.borrow().is_empty() {
            self.transport.borrow().shutdown_write();
        }
    }

    /// Whether what is due next may take for ever.
    pub(crate) fn waits_for_blocked(&self) -> bool {
        self.router.borrow().waits_for_blocked()
    }
}

/// What a lost link leaves behind.
#[derive(Debug)]
pub(super) struct Wreck {
    /// A part of a frame has gone to the client, and the rest will never come.
    pub(super) in_delivery: bool,
    /// The beginning of a reply has used up a CLIENT REPLY SKIP, and the rest will never come.
    pub(super) muting: bool,
    /// The commands that were in flight, oldest first.
    pub(super) cases: Vec<Case>,
}

fn not_at_end(read: usize) -> Result<(), Fault> {
    if read == 0 { Err(Fault::Eof) } else { Ok(()) }
}
