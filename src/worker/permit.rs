//! Whether a command may go now, and where to; and answering in the server's place where it may
//! not. Nothing is sent unless the gate is open and its lease valid at that moment.

use std::rc::Rc;

use tokio::time::Instant;

use super::intake::{Intake, Streaming};
use super::link::Link;
use super::pool;
use super::session::{Route, Session};
use super::slot::Kind;

/// What may be done with a command now.
#[derive(Debug)]
pub(super) enum Permit {
    /// Send it.
    Send(Rc<Link>),
    /// Answer that there is no primary.
    Refuse,
    /// Only logging in is possible.
    Login,
    /// Keep it.
    Wait,
}

impl Session {
    /// Whether commands may be sent now, and where; asks the pool for a link if that is missing.
    pub(super) fn permit(self: &Rc<Self>, intake: &mut Intake) -> Permit {
        if intake.blocked {
            return Permit::Wait;
        }
        if !intake.admitted {
            return Permit::Login;
        }
        let live = self.worker.is_live_now();
        let mut route = self.route.borrow_mut();
        match &*route {
            Route::Attached(link) if live && self.worker.generation() == link.generation => {
                if link.has_ended() {
                    return Permit::Wait;
                }
                intake.end_wait();
                return Permit::Send(link.clone());
            }
            Route::None if live && !self.has_waited_enough(intake) => {
                *route = Route::Connecting;
                pool::connect(self);
            }
            Route::None if live => {
                intake.end_wait();
                return Permit::Refuse;
            }
            _ => {}
        }
        if self.worker.outage_has_outlasted_hold() {
            intake.end_wait();
            return Permit::Refuse;
        }
        intake.waiting_since.get_or_insert_with(Instant::now);
        Permit::Wait
    }

    /// Whether dials have failed for as long as a command is held.
    fn has_waited_enough(&self, intake: &Intake) -> bool {
        let hold = self.worker.topology().hold_timeout;
        intake
            .waiting_since
            .is_some_and(|since| since.elapsed() >= hold)
    }

    /// Answers the command at hand ourselves, after everything still due before it.
    pub(super) fn answer(self: &Rc<Self>, permit: &Permit, reply: &[u8]) {
        match self.link_with_work(permit) {
            Some(link) => link.expect(self, Kind::Local(reply.into())),
            None => self.deliver_local(reply),
        }
    }

    /// Takes in no more and ends the session once everything before is answered.
    pub(super) fn end_after_answers(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        intake.done = true;
        match self.link_with_work(permit) {
            Some(link) => link.expect(self, Kind::Close),
            None => self.close_after_flush(),
        }
    }

    /// The rest of the frame at hand will never be sent, so no reply to it is waited for. The link
    /// has to end with the session: the server still waits for that rest.
    pub(super) fn give_up_streaming(&self, intake: &mut Intake) {
        if intake.is_streaming()
            && let Route::Attached(link) = &*self.route.borrow()
        {
            link.unexpect();
        }
        intake.streaming = Streaming::No;
    }

    fn link_with_work(&self, permit: &Permit) -> Option<Rc<Link>> {
        let link = match (permit, &*self.route.borrow()) {
            (Permit::Send(link), _) | (_, Route::Attached(link)) => link.clone(),
            _ => return None,
        };
        (link.slots() > 0).then_some(link)
    }
}
