//! What is different about a link that is shared: it has no owner but a task of its own; what clients
//! send is gathered and written in one go when all of them have had their turn; it has room for so
//! much; and it may be stuck, so that clients with nothing in flight on it go elsewhere. And how a
//! link of one's own becomes nobody's, and somebody's again.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::net::Transport;
use crate::worker::Worker;
use crate::worker::idle::Idle;
use crate::worker::key::Key;
use crate::worker::names::Names;
use crate::worker::routing::Fault;
use crate::worker::session::Session;
use crate::worker::waiting::Offset;

use super::Link;

/// Bytes not yet written, from which on nobody sends more.
const UNWRITTEN_MAX: usize = 256 * 1024;
/// Bytes kept of what is in flight, from which on nobody sends more; less than what a link keeps.
const KEPT_FULL: usize = 2 * 1024 * 1024;
/// Distinct runs of commands in flight, from which on nobody sends more.
const SLOTS_MAX: usize = 64 * 1024;
/// Bytes of replies to be expected, from which on nobody sends more: so much is in everybody's way.
const DUE_MAX: u64 = 8 * 1024 * 1024;
/// A link whose oldest command has had no reply for so long is avoided.
const STUCK_AFTER: Duration = Duration::from_millis(50);
/// What a batch that is written holds on to.
const BATCH_KEPT_MAX: usize = 64 * 1024;

/// What only a shared link has.
#[derive(Debug)]
pub(super) struct Common {
    batch: RefCell<Batch>,
    /// When a reply came last, or the first command in flight was sent.
    progressed: Cell<Instant>,
    /// The server served others while it was stuck.
    parked: Cell<bool>,
    /// Those who wait for room.
    waiting: RefCell<Vec<Rc<Session>>>,
}

/// What clients have sent since the link last had its turn, and what the socket did not take then.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    written: usize,
    /// The task knows of it.
    told: bool,
    /// It has waited for those who became ready meanwhile.
    waited: bool,
}

impl Batch {
    fn add(&mut self, bytes: &[u8]) {
        if self.written >= BATCH_KEPT_MAX && self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes note that all is written.
    fn rest(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BATCH_KEPT_MAX);
        self.written = 0;
    }
}

impl Common {
    pub(super) fn unwritten(&self) -> usize {
        let batch = self.batch.borrow();
        batch.bytes.len() - batch.written
    }

    /// Adds to what is written at the link's next turn; `true` when its task has to be told.
    pub(super) fn add(&self, bytes: &[u8]) -> bool {
        let mut batch = self.batch.borrow_mut();
        batch.add(bytes);
        !std::mem::replace(&mut batch.told, true)
    }

    pub(super) fn clear(&self) {
        self.batch.borrow_mut().rest();
    }
}

impl Link {
    /// A link for all clients of a key, over a transport that is what the key says.
    pub(in crate::worker) fn shared(
        worker: &Rc<Worker>,
        generation: u64,
        transport: Transport,
    ) -> Rc<Self> {
        let mut link = Self::opened(worker, None, generation, transport);
        link.common = Some(Box::new(Common {
            batch: RefCell::default(),
            progressed: Cell::new(Instant::now()),
            parked: Cell::new(false),
            waiting: RefCell::default(),
        }));
        Rc::new(link)
    }

    /// Whether it carries commands of many clients.
    pub(in crate::worker) fn is_shared(&self) -> bool {
        self.common.is_some()
    }

    /// Whether commands may be sent on it that have a choice.
    pub(in crate::worker) fn is_usable(&self) -> bool {
        let current = self.worker.is_at(self.generation);
        current && !self.has_ended() && !self.router.borrow().is_refused()
    }

    /// Whether what is due has been so for too long.
    pub(in crate::worker) fn is_stuck(&self) -> bool {
        let Some(common) = &self.common else {
            return false;
        };
        let waited = self
            .worker
            .now()
            .saturating_duration_since(common.progressed.get());
        waited >= STUCK_AFTER && self.slots() > 0
    }

    /// When a reply came last on a shared link, or the first command in flight was sent.
    pub(in crate::worker) fn progressed(&self) -> Instant {
        let common = self.common.as_ref();
        common.map_or_else(|| self.worker.now(), |common| common.progressed.get())
    }

    /// Whether it has had nothing to do for so long.
    pub(in crate::worker) fn has_rested(&self, now: Instant, long: Duration) -> bool {
        let Some(common) = &self.common else {
            return false;
        };
        self.is_idle() && now.saturating_duration_since(common.progressed.get()) >= long
    }

    /// Whether `session` may send more on this shared link; where not, it is woken when it may.
    pub(in crate::worker) fn has_room_for(&self, session: &Rc<Session>) -> bool {
        let Some(common) = &self.common else {
            return true;
        };
        let has_room = self.has_room();
        if !has_room && !session.in_line.replace(true) {
            common.waiting.borrow_mut().push(session.clone());
        }
        has_room
    }

    fn has_room(&self) -> bool {
        let router = self.router.borrow();
        let full = router.slots() >= SLOTS_MAX || router.kept() >= KEPT_FULL;
        !full && router.due() < DUE_MAX && self.unwritten() < UNWRITTEN_MAX
    }

    /// Lets those go on who wait for room, if there is some, or never will be.
    pub(super) fn let_in(&self) {
        let Some(common) = &self.common else { return };
        if common.waiting.borrow().is_empty() || !(self.has_ended() || self.has_room()) {
            return;
        }
        for session in common.waiting.take() {
            session.in_line.set(false);
            session.look_for_client();
            session.wake();
        }
    }

    /// Replies came, or the first command that is now in flight was sent.
    pub(super) fn note_progress(&self) {
        if let Some(common) = &self.common {
            common.progressed.set(self.worker.now());
            common.parked.set(false);
        }
    }

    /// The server serves others while this shared link is stuck.
    pub(in crate::worker) fn note_parked(&self) {
        self.common
            .iter()
            .for_each(|common| common.parked.set(true));
    }

    /// Whether it is known to be stuck behind something of its own, and the server is not just slow.
    pub(in crate::worker) fn is_parked(&self) -> bool {
        self.common
            .as_ref()
            .is_some_and(|common| common.parked.get())
    }

    /// Its node does not act as a primary: no shared link is used before it has proved to be one.
    pub(in crate::worker) fn distrust(&self) {
        if self.is_shared() {
            self.worker.commons.distrust();
        }
    }

    /// Writes what clients have sent. Where several are at it, those get their turn first that became
    /// ready while the others had theirs: the server is spared more than that costs (a sixth of the
    /// writes with 50 clients that pipeline, 3 to 9 percent more replies a second).
    pub(super) fn flush_batch(&self, cx: &mut Context<'_>) -> Result<(), Fault> {
        let Some(common) = &self.common else {
            return Ok(());
        };
        let mut batch = common.batch.borrow_mut();
        if batch.told && !batch.waited && self.router.borrow().slots() > 1 {
            batch.waited = true;
            wake_after_next_look(cx);
            return Ok(());
        }
        batch.told = false;
        batch.waited = false;
        while let Some(rest) = batch
            .bytes
            .get(batch.written..)
            .filter(|rest| !rest.is_empty())
        {
            let transport = self.transport.borrow();
            match transport.try_write(rest).map_err(Fault::Io)? {
                0 => match transport.poll_write_ready(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(ready) => ready.map_err(Fault::Io)?,
                },
                written => batch.written += written,
            }
        }
        batch.rest();
        self.router.borrow_mut().note_sent();
        Ok(())
    }

    /// Whether nothing is in flight on this link of a session's own, and nothing of it is unknown.
    pub(in crate::worker) fn is_clean(&self) -> bool {
        let current = self.worker.is_at(self.generation) && !self.ended.get();
        let undisturbed = !self.unblocked.get() && !self.finishing.get() && !self.restoring.get();
        current
            && undisturbed
            && self.is_idle()
            && self.early.borrow().is_empty()
            && self.router.borrow().is_at_rest()
    }

    /// Nobody's link any more; `key` and `names` say what it is.
    pub(in crate::worker) fn into_idle(self, key: Key, names: Names) -> Idle {
        Idle {
            key,
            names,
            generation: self.generation,
            upstream_id: self.upstream_id.get(),
            scripts_refused: self.scripts_refused.get(),
            wants_capa: self.wants_capa.get(),
            since: Instant::now(),
            transport: self.transport.into_inner(),
        }
    }

    /// A link for `owner` alone over a connection that others have used.
    pub(in crate::worker) fn resumed(owner: &Rc<Session>, idle: Idle) -> Rc<Self> {
        let worker = &owner.worker;
        let link = Self::over(worker, Some(owner), idle.generation, idle.transport);
        link.upstream_id.set(idle.upstream_id);
        link.id_asked.set(idle.upstream_id.is_some());
        link.scripts_refused.set(idle.scripts_refused);
        link.wants_capa.set(idle.wants_capa);
        // What this client wrote, it wrote elsewhere.
        link.offset.set(Offset::Unknown);
        Rc::new(link)
    }
}

/// Has the task of `cx` polled again when the sockets have been looked at once more.
fn wake_after_next_look(cx: &mut Context<'_>) {
    let later = pin!(tokio::task::yield_now());
    let yields = later.poll(cx);
    debug_assert!(yields.is_pending(), "the first poll is the one that yields");
}
