//! A session: one client connection and what serves it.
//!
//! The session's task reads the client, passes commands to its link (`intake`), and gives the link
//! its turns; replies are written to the client's socket through [`Session::deliver`], and only what
//! the socket does not take at once waits in the outbox. A session never owns an upstream socket:
//! it asks the pool for a link when the client's first byte has come.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::net::Transport;

use super::Worker;
use super::backlog::Backlog;
use super::draining::Leave;
use super::ending::Phase;
use super::intake::Intake;
use super::labels::{ClientEnd, HoldEnd};
use super::link::Link;
use super::loss::Loss;
use super::outbox::Outbox;
use super::routing::Fault;
use super::state::ClientState;
use super::wake::WakeSlot;

/// Where a session's commands go.
#[derive(Debug, Default)]
pub(crate) enum Route {
    /// Nowhere yet.
    #[default]
    None,
    /// The pool is dialling.
    Connecting,
    /// To this link, which is the session's own.
    Attached(Rc<Link>),
    /// To this link, which carries commands of others, too.
    Shared(Rc<Link>),
}

/// One client connection. Shared by its own task, its link, and the worker's registry.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) worker: Rc<Worker>,
    key: usize,
    /// What its client is called; never what a server calls one of its links.
    pub(super) id: u64,
    /// Somebody may know that id.
    pub(super) told_id: Cell<bool>,
    pub(super) transport: RefCell<Transport>,
    pub(super) task: WakeSlot,
    pub(super) phase: Cell<Phase>,
    /// Why the client leaves.
    pub(super) end: Cell<Option<ClientEnd>>,
    /// The client's socket is gone: replies are counted off but not written.
    pub(super) client_gone: Cell<bool>,
    pub(crate) route: RefCell<Route>,
    pub(crate) intake: RefCell<Intake>,
    pub(crate) state: RefCell<ClientState>,
    pub(super) outbox: RefCell<Outbox>,
    /// As much of it as the process has counted.
    pub(super) counted_unread: Cell<usize>,
    /// The node's role is to be asked after this client's next login.
    pub(crate) role_pending: Cell<bool>,
    /// A half-closed client's replies are given a limited time already.
    pub(super) lingering: Cell<bool>,
    /// What a lost link left behind.
    pub(super) backlog: RefCell<Backlog>,
    /// It had a link before.
    pub(super) was_attached: Cell<bool>,
    /// Commands in flight on the shared link.
    pub(super) outstanding: Cell<u32>,
    /// It is to be woken when all of those are answered.
    pub(super) awaits_replies: Cell<bool>,
    /// It is to be woken when half of what it may have in flight is answered.
    pub(super) awaits_room: Cell<bool>,
    /// It is among those who wait for room on the shared link.
    pub(super) in_line: Cell<bool>,
    /// Something may be set on its own link that nobody could repeat.
    pub(super) pinned: Cell<bool>,
    /// It has never logged in, and the server lets in who does not.
    pub(super) vouched: Cell<bool>,
    /// The server has carried out something for it.
    pub(super) served: Cell<bool>,
    /// The look after which its client last sent something, or had reason not to.
    pub(super) heard: Cell<u32>,
    /// The look before which it came.
    pub(super) since: u32,
    /// When its client is to be let go.
    pub(super) leave: Cell<Leave>,
    /// When it was last sent something large.
    pub(super) bulky: Cell<Option<Instant>>,
    /// What its links have been through; none while all went well.
    pub(super) trouble: RefCell<Option<Box<Trouble>>>,
}

/// What a session remembers of links that were lost.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// When one broke, after which the node has to prove itself before it gets anything.
    pub(super) lost_at: Option<Instant>,
    /// When the session is woken for a command's own timeout.
    pub(super) alarm: Option<Instant>,
    /// Links in a row that refused a command as no primary would, and when the last one did.
    pub(super) refusals: Option<(u8, Instant)>,
}

impl Session {
    /// A session for an accepted client, registered with its worker.
    pub(crate) fn start(worker: &Rc<Worker>, transport: Transport) {
        let mut sessions = worker.sessions.borrow_mut();
        let entry = sessions.vacant_entry();
        let session = Rc::new(Self {
            worker: worker.clone(),
            key: entry.key(),
            id: worker.ids.next(),
            told_id: Cell::new(false),
            transport: RefCell::new(transport),
            task: WakeSlot::default(),
            phase: Cell::new(Phase::Open),
            end: Cell::new(None),
            client_gone: Cell::new(false),
            route: RefCell::default(),
            intake: RefCell::new(Intake::new(&worker.config)),
            state: RefCell::default(),
            outbox: RefCell::default(),
            counted_unread: Cell::new(0),
            role_pending: Cell::new(false),
            lingering: Cell::new(false),
            backlog: RefCell::default(),
            was_attached: Cell::new(false),
            outstanding: Cell::new(0),
            awaits_replies: Cell::new(false),
            awaits_room: Cell::new(false),
            in_line: Cell::new(false),
            pinned: Cell::new(false),
            vouched: Cell::new(false),
            served: Cell::new(false),
            heard: Cell::new(worker.looks.count()),
            since: worker.looks.count(),
            leave: Cell::new(Leave::No),
            bulky: Cell::default(),
            trouble: RefCell::default(),
        });
        entry.insert(session.clone());
        session.count_in();
        tokio::task::spawn_local(session.run());
    }

    async fn run(self: Rc<Self>) {
        poll_fn(|cx| self.poll(cx)).await;
        if self.phase.get() == Phase::Parting {
            // Its timer would make each session's task larger, and few ever get here.
            Box::pin(self.part()).await;
        }
        // A dial may still be under way; what it brings is not wanted any more.
        let has_left = self.phase.replace(Phase::Ended) == Phase::HalfClosed;
        self.client_gone.set(true);
        self.give_up_link();
        let mut intake = self.intake.borrow_mut();
        intake.end_hold(&self.worker, HoldEnd::ClientGone);
        intake.charge(&self.worker.held_bytes.commands, 0);
        drop(intake);
        self.weigh_unread(0);
        self.worker.sessions.borrow_mut().remove(self.key);
        // Of a client that has said all, the socket that goes with the last of us ends as quietly.
        if !has_left || Rc::strong_count(&self) > 1 {
            self.transport.borrow().close();
        }
        self.worker.feed_restored.notify_one();
        self.count_out();
    }

    fn poll(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx);
        loop {
            if self.phase.get() == Phase::Open && (self.client_gone.get() || self.has_left(cx)) {
                self.end_of_input();
            }
            self.poll_link(cx);
            self.give_back();
            self.part_if_asked();
            self.poll_flush(cx);
            self.drop_held();
            if self.has_ended() {
                return Poll::Ready(());
            }
            if matches!(self.phase.get(), Phase::Closing | Phase::Parting) {
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
                if !self.has_left_behind_pop(cx) {
                    return Poll::Pending;
                }
                self.end_of_input();
                continue;
            }
            if self.poll_input(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Gives the link its turn. When it is lost, the session goes on without.
    fn poll_link(self: &Rc<Self>, cx: &mut Context<'_>) {
        if matches!(self.phase.get(), Phase::Closing | Phase::Ended) {
            return;
        }
        let link = match &*self.route.borrow() {
            Route::Attached(link) => link.clone(),
            Route::None | Route::Connecting | Route::Shared(_) => return,
        };
        match link.poll(cx) {
            Poll::Pending if self.has_held_long_enough(&link) => {
                self.lose_link(&link, Loss::Outage);
            }
            Poll::Pending => {}
            Poll::Ready(Fault::Revoked) => {
                link.end();
                self.note_end(ClientEnd::Upstream);
                self.close_after_flush();
            }
            Poll::Ready(fault) => {
                self.count_refusals(&fault);
                self.lose_link(&link, Loss::Fault);
            }
        }
    }

    /// The pool found none; the session asks again if it still has to.
    pub(crate) fn detach(&self) {
        *self.route.borrow_mut() = Route::None;
        self.task.wake();
    }

    /// The server refused the MULTI sent last: what follows is not queued.
    pub(super) fn leave_multi(&self) {
        self.intake.borrow_mut().in_multi = false;
    }

    /// MULTI was answered. Where it was sent again and is denied, what was to follow it is not sent.
    pub(super) fn multi_answered(&self, granted: bool) {
        let mut intake = self.intake.borrow_mut();
        if !std::mem::take(&mut intake.awaits_multi) {
            return;
        }
        intake.unblock();
        drop(intake);
        match granted || self.backlog.borrow().is_empty() {
            true => self.task.wake(),
            false => self.close_after_flush(),
        }
    }

    /// A blocking call is answered: what its client sent after it may go.
    pub(super) fn pop_answered(&self) {
        if std::mem::take(&mut self.intake.borrow_mut().awaits_pop) {
            self.task.wake();
        }
    }

    /// An answer that commands had to wait for has come. On a link that is being restored more of
    /// them are to come: what was queued is sent only when its MULTI was granted.
    pub(crate) fn unblock(&self) {
        if matches!(&*self.route.borrow(), Route::Attached(link) if link.restoring.get()) {
            return;
        }
        self.intake.borrow_mut().unblock();
        self.task.wake();
    }

    /// The link's node is a primary, or will not say.
    pub(crate) fn role_checked(&self) {
        self.role_pending.set(false);
        self.unblock();
    }

    /// Remembers, or recalls, what its links have been through.
    pub(super) fn note_trouble<R>(&self, note: impl FnOnce(&mut Trouble) -> R) -> R {
        note(self.trouble.borrow_mut().get_or_insert_default())
    }

    /// Has the session look at its situation again.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }
}
