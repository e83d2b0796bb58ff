//! What can be done for a client whose commands wait for a primary, beyond keeping them: PING is
//! answered, so that health checks do not end the very connections that are being kept; a call that
//! asked to wait gets its nil in time; what was meant for the node of the moment is not kept.

use std::rc::Rc;

use tokio::time::Instant;

use crate::resp::{Args, Class, RequestScanner, Scanned, Special, class, replies, special};

use super::Worker;
use super::backlog::Item;
use super::intake::{Intake, Streaming};
use super::labels::ClientEnd;
use super::session::{Route, Session};
use super::slot::Kind;

/// The first command that waits, if it is one of those.
enum First {
    Ping,
    Quit,
    Node,
    Blocking,
    Other,
}

impl Session {
    /// Acts on what waits first, as far as that is possible without a primary.
    pub(super) fn serve_held(self: &Rc<Self>, intake: &mut Intake) {
        while intake.is_waiting() && !self.worker.may_send_now() && self.has_nothing_outstanding() {
            let Some((len, first)) = intake.first_held(&self.worker) else {
                return;
            };
            let served = self.was_attached.get() && !intake.in_multi && intake.admitted;
            if matches!(first, First::Other) || !(served || matches!(first, First::Quit)) {
                return;
            }
            let frame: Vec<u8> = intake.carry.drain(..len).collect();
            intake.held_len = intake.held_len.saturating_sub(len);
            self.count_command(Args::new(&frame).next().unwrap_or_default());
            match first {
                First::Ping => self.answer_ping(&frame),
                First::Quit => {
                    self.deliver_local(replies::OK);
                    intake.done = true;
                    self.note_end(ClientEnd::Client);
                    self.close_after_flush();
                }
                First::Node => {
                    let waited = intake.outage(&self.worker);
                    self.worker.counters.refused.add(1);
                    self.deliver_local(&self.worker.masterdown(waited));
                }
                First::Blocking | First::Other => {
                    let item = Item::Command {
                        kind: Kind::Blocking(Instant::now()),
                        frame: frame.into(),
                        maybe_executed: false,
                        apart: false,
                    };
                    self.backlog.borrow_mut().push_front(item);
                    self.work_off_backlog(intake);
                }
            }
        }
    }

    fn has_nothing_outstanding(&self) -> bool {
        if self.has_backlog() {
            return false;
        }
        match &*self.route.borrow() {
            Route::Attached(link) => link.slots() == 0,
            Route::Shared(_) => self.outstanding.get() == 0,
            Route::None | Route::Connecting => true,
        }
    }

    /// As the server would: a subscriber in RESP2 gets an array.
    fn answer_ping(&self, frame: &[u8]) {
        let word = Args::new(frame).nth(1);
        let limited = self.state.borrow().is_limited();
        let reply = match word {
            _ if limited => replies::pong_array(word.unwrap_or_default()),
            Some(word) => replies::bulk(word),
            None => replies::PONG.to_vec(),
        };
        self.deliver_local(&reply);
    }

    /// Who only listens is not left silent for longer than a command is held.
    pub(super) fn close_if_silent(&self) {
        if self.worker.outage_has_outlasted_hold() && self.state.borrow().is_listening() {
            self.note_end(ClientEnd::HoldTimeout);
            self.close_after_flush();
        }
    }
}

impl Intake {
    /// The length and the meaning of the first command that waits; none while it is incomplete.
    fn first_held(&self, worker: &Worker) -> Option<(usize, First)> {
        // The rest of a frame whose beginning was lost is no command, whatever it looks like.
        let mid_frame = self.scanned > 0 || self.streaming != Streaming::No;
        if mid_frame || self.done {
            return None;
        }
        let mut scanner = RequestScanner::new();
        let Ok(Scanned::Command { len }) = scanner.scan(&self.carry) else {
            return None;
        };
        let frame = self.carry.get(..len)?;
        let first = match special(scanner.name()) {
            Special::Plain if scanner.name() == b"PING" && scanner.argc() <= 2 => First::Ping,
            Special::Unheld => First::Node,
            Special::Quit => First::Quit,
            Special::Blocking if worker.may_wait_for(frame) => First::Blocking,
            _ => First::Other,
        };
        Some((len, first))
    }
}

impl Worker {
    /// Whether this is a call that may wait, and may be sent at all.
    fn may_wait_for(&self, frame: &[u8]) -> bool {
        match class(frame) {
            Class::Blocking => !self.config.read_only,
            Class::BlockingRead { .. } => true,
            _ => false,
        }
    }
}
