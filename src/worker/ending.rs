//! How a session ends: its phases, half-closed clients, and what is dropped or still awaited.
//!
//! ```text
//!   Open --EOF--> HalfClosed --all answered--> ended
//!     |                |
//!     +---- a switch, an error, QUIT answered ----> Closing --outbox written--> ended
//!     |
//!     +---- asked to go (`draining`), and nothing is lost by it ----> Parting --outbox written--> ended
//! ```

use std::rc::{Rc, Weak};
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use super::labels::ClientEnd;
use super::link::Link;
use super::session::{Route, Session};

/// How long a half-closed client's replies may stand still before the server is told of the end.
const LINGER: Duration = Duration::from_secs(5);
/// How often a client is looked at that is read no further for a call that waits.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How far a session is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The client sends no more; what it sent is still answered.
    HalfClosed,
    /// Ends when the outbox is written.
    Closing,
    /// Likewise, all that the client has sent being answered by what is in the outbox.
    Parting,
    /// Ends now.
    Ended,
}

impl Session {
    /// Whether the task is done.
    pub(super) fn has_ended(&self) -> bool {
        let written = self.outbox.borrow().is_empty();
        match self.phase.get() {
            Phase::Ended => true,
            Phase::Closing | Phase::Parting => written,
            Phase::HalfClosed => written && self.is_answered(),
            Phase::Open => false,
        }
    }

    /// Whether nothing that the client sent still waits for its answer.
    pub(super) fn is_answered(&self) -> bool {
        let waiting = self.intake.borrow().is_waiting() || self.has_backlog();
        match &*self.route.borrow() {
            Route::Attached(link) => link.is_idle() && !waiting,
            Route::Shared(_) => self.outstanding.get() == 0 && !waiting,
            Route::None | Route::Connecting => !waiting,
        }
    }

    /// Whether nothing will be sent or delivered any more.
    pub(crate) fn is_over(&self) -> bool {
        self.phase.get() == Phase::Ended
    }

    /// Whether the session could end without anybody missing an answer.
    pub(super) fn is_at_rest(&self) -> bool {
        self.is_answered() && self.outbox.borrow().is_empty()
    }

    /// Whether the client has stopped sending.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.phase.get() == Phase::HalfClosed
    }

    /// Whether a client whose commands are held has stopped sending. One that is read no further,
    /// because it has sent all that may be held, shows it only so.
    pub(super) fn has_left(&self, cx: &mut Context<'_>) -> bool {
        self.holds_commands() && self.transport.borrow().is_read_closed(cx)
    }

    /// Whether a client that is read no further, because it has sent all that may be kept behind a
    /// call that waits, has stopped sending. Nothing wakes us for that while there is more to be read;
    /// and while there is more than the socket's buffers take, only a reset shows it.
    pub(super) fn has_left_behind_pop(self: &Rc<Self>, cx: &mut Context<'_>) -> bool {
        if !self.awaits_pop(&self.intake.borrow()) {
            return false;
        }
        let left = self.transport.borrow().is_read_closed(cx);
        if !left {
            self.wake_at(Instant::now() + LOOK_AGAIN);
        }
        left
    }

    /// The client sends no more. What it sent while the gate was open is still carried out and
    /// answered; what the gate holds is dropped, because nobody is there to hear of it.
    pub(super) fn end_of_input(&self) {
        self.note_end(ClientEnd::Client);
        self.phase.set(Phase::HalfClosed);
        self.drop_held();
    }

    /// Ends a half-closed session whose commands the gate holds, or held before they were sent.
    pub(super) fn drop_held(&self) {
        if self.phase.get() == Phase::HalfClosed && self.holds_commands() {
            self.phase.set(Phase::Ended);
        }
    }

    /// Whether the gate holds commands of this client, read or not, or held them before they are sent.
    fn holds_commands(&self) -> bool {
        let intake = self.intake.borrow();
        // What is asked for apart was sent before; who only sends no more still gets it.
        let held = self.client_gone.get() || !self.backlog.borrow().is_apart();
        (self.has_backlog() && held) || intake.held_off || intake.is_held(&self.worker)
    }

    /// With all of a half-closed client's commands on their way, the server is told of its end as
    /// soon as it may otherwise never answer: it then drops what it was blocked on, as it would for
    /// the client itself.
    pub(super) fn see_off(&self) {
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
    pub(super) fn lose_client(&self) {
        self.note_end(ClientEnd::Io);
        self.client_gone.set(true);
        self.outbox.borrow_mut().clear();
    }

    /// Notices that the client has gone while its commands waited.
    pub(super) fn look_for_client(&self) {
        if self.transport.borrow().has_failed() {
            self.lose_client();
        }
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
        self.note_end(ClientEnd::Drain);
        self.client_gone.set(true);
        self.phase.set(Phase::Ended);
        if let Route::Attached(link) = &*self.route.borrow() {
            link.end();
        }
        self.transport.borrow().close();
        self.task.wake();
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
