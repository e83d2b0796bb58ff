//! A link: one upstream connection and the commands in flight on it.
//!
//! Bytes are sent by whoever has them (`sending`). The link is polled by its owner's task (`turns`);
//! replies are paired with slots and handed to their sessions by `routing`. A link belongs to one
//! generation: it neither sends nor delivers when that generation's gate is shut or its lease ran
//! out, and it ends with it.

mod common;
mod sending;
mod turns;

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::rc::Rc;

use crate::net::Transport;
use crate::topology::Sign;

use super::Worker;
use super::case::Case;
use super::ids::Registration;
use super::outbox::Outbox;
use super::recovery::Progress;
use super::routing::Router;
use super::scripts::Loads;
use super::session::Session;
use super::waiting::Offset;
use super::wake::WakeSlot;

use common::Common;

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
    /// The server would answer REDIRECT, and has not been asked to with success.
    pub(super) wants_capa: Cell<bool>,
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
    /// What only a shared link has.
    common: Option<Box<Common>>,
}

impl Link {
    /// A link over a connected and, where needed, logged-in transport, for `owner` alone.
    pub(crate) fn new(owner: &Rc<Session>, generation: u64, transport: Transport) -> Rc<Self> {
        Rc::new(Self::opened(
            &owner.worker,
            Some(owner),
            generation,
            transport,
        ))
    }

    /// A link that was counted when it was new, over `transport`.
    fn opened(
        worker: &Rc<Worker>,
        owner: Option<&Rc<Session>>,
        generation: u64,
        transport: Transport,
    ) -> Self {
        worker.counters.links.add(1);
        worker.counters.links_total.add(1);
        Self::over(worker, owner, generation, transport)
    }

    fn over(
        worker: &Rc<Worker>,
        owner: Option<&Rc<Session>>,
        generation: u64,
        transport: Transport,
    ) -> Self {
        Self {
            worker: worker.clone(),
            generation,
            transport: RefCell::new(transport),
            task: WakeSlot::default(),
            outbox: RefCell::default(),
            router: RefCell::new(Router::new(owner.cloned())),
            finishing: Cell::new(false),
            owner_waits: Cell::new(false),
            unblocked: Cell::new(false),
            early: RefCell::default(),
            restoring: Cell::new(false),
            wants_capa: Cell::new(false),
            upstream_id: Cell::new(None),
            id_asked: Cell::new(false),
            scripts_refused: Cell::new(false),
            offset: Cell::default(),
            miscounts: Cell::new(false),
            loads: RefCell::default(),
            registration: RefCell::default(),
            ended: Cell::new(false),
            common: None,
        }
    }

    /// Distinct runs of commands in flight.
    pub(crate) fn slots(&self) -> usize {
        self.router.borrow().slots()
    }

    /// Bytes not yet written.
    pub(crate) fn unwritten(&self) -> usize {
        let batched = self.common.as_ref().map_or(0, |common| common.unwritten());
        batched + self.outbox.borrow().len()
    }

    /// Wakes the owner when there is room again.
    pub(crate) fn tell_when_relieved(&self) {
        self.owner_waits.set(true);
    }

    /// Whether nothing is in flight or waiting to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots() == 0 && self.unwritten() == 0
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

    /// Commands in flight whose bytes are not kept.
    pub(super) fn unkept(&self) -> u64 {
        self.router.borrow().unkept()
    }

    /// Ends the link now, and gives up what was in flight on it.
    pub(super) fn wreck(&self) -> Wreck {
        let unwritten = self.unwritten();
        let mut router = self.router.borrow_mut();
        let wreck = Wreck {
            in_delivery: router.is_in_delivery(),
            muting: router.is_muting(),
            flooded: false,
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
            self.common.iter().for_each(|common| common.clear());
            self.let_in();
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
#[derive(Debug, Default)]
pub(super) struct Wreck {
    /// A part of a frame has gone to the client, and the rest will never come.
    pub(super) in_delivery: bool,
    /// The beginning of a reply has used up a CLIENT REPLY SKIP, and the rest will never come.
    pub(super) muting: bool,
    /// Too many commands are left of which nothing is known.
    pub(super) flooded: bool,
    /// The commands that were in flight, oldest first.
    pub(super) cases: Vec<Case>,
}

impl Wreck {
    /// Whether the node refused something as no primary would.
    pub(super) fn is_refused(&self) -> bool {
        let refused = |case: &Case| case.progress == Progress::Refused;
        self.cases.iter().any(refused)
    }
}
