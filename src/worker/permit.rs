//! Whether a command may go now, and where to; and answering in the server's place where it may
//! not. Nothing is sent unless the gate is open and its lease valid at that moment.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::ending::Phase;
use super::intake::Intake;
use super::link::Link;
use super::pool;
use super::routing::Fault;
use super::session::{Route, Session};
use super::slot::Kind;

/// Links in a row that may refuse a command, with the primary proving itself in between, before
/// the client gets the server's error.
const REFUSALS_MAX: u8 = 5;
/// Refusals further apart have nothing to do with each other: what was refused is sent again as
/// soon as the primary has proved itself, and it does so twice a second.
const REFUSALS_GAP: Duration = Duration::from_secs(10);

/// What may be done with a command now.
#[derive(Debug)]
pub(super) enum Permit {
    /// Send it; only what reads, where the intake says so.
    Send(Rc<Link>),
    /// Answer that there is no primary.
    Refuse,
    /// Only logging in is possible.
    Login,
    /// Keep it.
    Wait,
}

impl Session {
    /// Whether the commands at hand may be sent now, and where. What a lost link left behind goes
    /// first.
    pub(super) fn permit(self: &Rc<Self>, intake: &mut Intake) -> Permit {
        if self.has_backlog() {
            return Permit::Wait;
        }
        if !intake.admitted && !intake.blocked {
            return Permit::Login;
        }
        self.way(intake)
    }

    /// Whether nothing may be sent before an answer has come.
    pub(super) fn awaits_answer(&self, intake: &Intake) -> bool {
        intake.blocked || self.awaits_pop(intake)
    }

    /// Whether a blocking call stands before all that is kept. The calls of a client that sends no
    /// more are not asked again, so that nothing has to wait for them; and a server drops what it was
    /// blocked on, with all behind it, once it hears of that end.
    pub(super) fn awaits_pop(&self, intake: &Intake) -> bool {
        intake.awaits_pop && !intake.is_streaming() && self.phase.get() == Phase::Open
    }

    /// Whether what was admitted may be sent now, and where; asks the pool for a link if that is
    /// missing.
    pub(super) fn way(self: &Rc<Self>, intake: &mut Intake) -> Permit {
        if self.awaits_answer(intake) {
            return Permit::Wait;
        }
        let live = match intake.is_streaming() {
            // Half of a command is of no use to anybody.
            true => self.worker.is_live_now(),
            false => self.worker.may_send_now(),
        };
        // Once the hold is over, what may not be sent is refused rather than kept back.
        let lapsed = || self.worker.outage_has_outlasted_hold();
        intake.reads_only = !live && !lapsed() && self.may_read(intake);
        match live && self.shares() {
            true => self.any_way(intake),
            false => self.own_way(intake, live),
        }
    }

    /// On a link of the session's own.
    pub(super) fn own_way(self: &Rc<Self>, intake: &mut Intake, live: bool) -> Permit {
        let mut route = self.route.borrow_mut();
        match &*route {
            Route::Attached(link) if intake.reads_only && self.worker.is_at(link.generation) => {
                return match link.has_ended() {
                    true => Permit::Wait,
                    false => Permit::Send(link.clone()),
                };
            }
            Route::Shared(link) if intake.reads_only && self.may_stay_on(link, intake) => {
                return match self.has_room_on(link) {
                    true => Permit::Send(link.clone()),
                    false => Permit::Wait,
                };
            }
            Route::Attached(link) if live && self.worker.is_at(link.generation) => {
                if link.has_ended() {
                    return Permit::Wait;
                }
                intake.wants_own = false;
                intake.end_wait();
                return Permit::Send(link.clone());
            }
            Route::None if live && !self.is_trusted_again() => {}
            Route::None if live && !self.has_waited_enough(intake) => {
                if let Some(link) = self.take_shelved() {
                    *route = Route::Attached(link.clone());
                    intake.wants_own = false;
                    intake.end_wait();
                    return Permit::Send(link);
                }
                *route = Route::Connecting;
                pool::connect(self);
            }
            Route::None if live => {
                intake.end_wait();
                return Permit::Refuse;
            }
            _ => {}
        }
        drop(route);
        self.hold(intake)
    }

    /// Nothing can be sent now.
    pub(super) fn hold(&self, intake: &mut Intake) -> Permit {
        let gives_up = self.worker.gives_up.get() && !self.worker.gate_is_open();
        if gives_up || self.worker.outage_has_outlasted_hold() {
            intake.end_wait();
            return Permit::Refuse;
        }
        intake.waiting_since.get_or_insert_with(Instant::now);
        Permit::Wait
    }

    /// Whether the client may at least read. What it reads comes after all that it has sent before,
    /// on the same link, and nothing of it is held that would come before.
    fn may_read(&self, intake: &Intake) -> bool {
        let transaction = intake.in_multi || intake.hopeless || intake.holed;
        !transaction && !self.has_backlog() && self.worker.may_read_now()
    }

    /// Whether the primary has proved itself since a link to it broke: a break may be the first
    /// sign of its end, and is mostly nothing.
    pub(super) fn is_trusted_again(&self) -> bool {
        let mut trouble = self.trouble.borrow_mut();
        let Some(lost_at) = trouble.as_mut().map(|trouble| &mut trouble.lost_at) else {
            return true;
        };
        let proven = lost_at.is_none_or(|since| self.worker.is_proven_since(since));
        if proven {
            *lost_at = None;
        }
        proven
    }

    /// Counts links in a row that refused a command as no primary would.
    pub(super) fn count_refusals(&self, fault: &Fault) {
        let refusals = match fault {
            Fault::Rejected => Some((self.refused_in_a_row() + 1, Instant::now())),
            _ => None,
        };
        self.note_trouble(|trouble| trouble.refusals = refusals);
    }

    fn refused_in_a_row(&self) -> u8 {
        let trouble = self.trouble.borrow();
        let refusals = trouble.as_ref().and_then(|trouble| trouble.refusals);
        let recent = refusals.filter(|(_, last)| last.elapsed() < REFUSALS_GAP);
        recent.map_or(0, |(count, _)| count.min(REFUSALS_MAX))
    }

    /// Whether a refusal is hidden once more from the client.
    pub(super) fn may_try_again(&self) -> bool {
        self.refused_in_a_row() < REFUSALS_MAX
    }

    /// Whether what is in flight on a link to a primary that is out of reach is to be given up.
    pub(super) fn has_held_long_enough(&self, link: &Link) -> bool {
        let intake = self.intake.borrow();
        let has_lapsed = self.worker.outage_has_outlasted_hold();
        // A queue with a hole in it must never be executed.
        intake.holed || (has_lapsed && (link.slots() > 0 || intake.in_multi))
    }

    /// Whether dials have failed for as long as a command is held.
    pub(super) fn has_waited_enough(&self, intake: &Intake) -> bool {
        let hold = self.worker.topology().hold_timeout;
        intake
            .waiting_since
            .is_some_and(|since| since.elapsed() >= hold)
    }

    /// Answers the command at hand ourselves, after everything still due before it.
    pub(super) fn answer(self: &Rc<Self>, permit: &Permit, reply: &[u8]) {
        match self.link_with_work(permit) {
            Some(link) => link.expect(self, Kind::Local(reply.into()), 0),
            None => self.deliver_local(reply),
        }
    }

    /// Takes in no more and ends the session once everything before is answered.
    pub(super) fn end_after_answers(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        intake.done = true;
        match self.link_with_work(permit) {
            Some(link) => link.expect(self, Kind::Close, 0),
            None => self.close_after_flush(),
        }
    }

    fn link_with_work(&self, permit: &Permit) -> Option<Rc<Link>> {
        let link = match (permit, &*self.route.borrow()) {
            (Permit::Send(link), _) | (_, Route::Attached(link) | Route::Shared(link)) => {
                link.clone()
            }
            _ => return None,
        };
        let has_work = match link.is_shared() {
            true => self.outstanding.get() > 0,
            false => link.slots() > 0,
        };
        has_work.then_some(link)
    }
}
