//! `--pool shared`, from a session's side: which commands travel on a link shared with others, when
//! the session needs a link of its own, and when it gives that back.
//!
//! A session is on a shared link as long as its connection state is told by its key alone and its
//! commands leave no trace. Anything else, and everything unknown, waits until what the session has
//! in flight is answered, and then goes on a link of its own, which is what any link of
//! `--pool session` is: the same code serves it. Once nothing is in flight there, nothing waits, and
//! the state is told by the key again, the link is given back (`lending`). `commands` says which
//! commands leave no trace, `bulk` what becomes of large replies.

mod bulk;
mod commands;
mod leaving;
mod lending;

pub(super) use bulk::UNREAD_MAX;

use std::rc::Rc;

use crate::config::Pool;

use super::commons::Seat;
use super::ending::Phase;
use super::intake::Intake;
use super::link::Link;
use super::permit::Permit;
use super::session::{Route, Session};

/// Commands of one session in flight on a shared link, from which on it waits: so many replies, of
/// whatever size, may be in the way of another's.
const OUTSTANDING_MAX: u32 = 64;
const HALF_OF_ALL: u32 = OUTSTANDING_MAX / 2;

/// Where the commands at hand may go.
#[derive(Debug)]
pub(super) enum Way {
    /// On this shared link.
    Shared(Rc<Link>),
    /// On no shared link.
    Own,
    /// On one that is being dialled, or on none yet.
    Dial,
    /// Nowhere: none was to be had for as long as commands are held.
    Refused,
    /// Nowhere before what is in flight is answered, or the link has room again.
    Replies,
}

impl Session {
    /// Whether links are shared at all.
    pub(super) fn shares(&self) -> bool {
        self.worker.config.pool == Pool::Shared
    }

    /// Whether the commands at hand may be sent now, and where, the gate being open.
    pub(super) fn any_way(self: &Rc<Self>, intake: &mut Intake) -> Permit {
        match self.shared_way(intake) {
            Way::Own => self.own_way(intake, true),
            Way::Shared(link) => {
                intake.end_wait();
                Permit::Send(link)
            }
            Way::Replies => Permit::Wait,
            Way::Dial => self.hold(intake),
            Way::Refused => {
                intake.end_wait();
                Permit::Refuse
            }
        }
    }

    fn shared_way(self: &Rc<Self>, intake: &mut Intake) -> Way {
        let own = intake.needs_own() || self.needs_own();
        let mut route = self.route.borrow_mut();
        match &*route {
            Route::Attached(_) => return Way::Own,
            Route::Connecting => return Way::Dial,
            Route::Shared(link) if self.outstanding.get() > 0 => {
                return match link.is_usable() && !own {
                    true => self.way_on(link),
                    false => self.await_replies(),
                };
            }
            Route::Shared(link) if !own && link.is_usable() && !link.is_stuck() => {
                return self.way_on(link);
            }
            Route::Shared(_) | Route::None => {
                // Who leaves a full link waits in another's line, if at all.
                self.in_line.set(false);
                *route = Route::None;
            }
        }
        if own {
            return Way::Own;
        }
        if !self.is_trusted_again() {
            return Way::Dial;
        }
        let may_wait = !self.has_waited_enough(intake);
        match self.worker.commons.seat(self, may_wait) {
            Seat::Taken(link) => {
                self.was_attached.set(true);
                *route = Route::Shared(link.clone());
                self.way_on(&link)
            }
            Seat::Dial => {
                *route = Route::Connecting;
                Way::Dial
            }
            Seat::Wait => Way::Dial,
            Seat::TooLate => Way::Refused,
            Seat::None => {
                intake.wants_own = true;
                // What was waited for is known; the dial that comes next has a time of its own.
                intake.end_wait();
                Way::Own
            }
        }
    }

    /// Whether more may be sent on the shared link the session is on.
    pub(super) fn may_stay_on(&self, link: &Link, intake: &Intake) -> bool {
        link.is_usable() && !intake.needs_own() && !self.needs_own()
    }

    fn way_on(self: &Rc<Self>, link: &Rc<Link>) -> Way {
        match self.has_room_on(link) {
            true => Way::Shared(link.clone()),
            false => Way::Replies,
        }
    }

    /// Whether more may be sent on a shared link; where not, the session is woken when it may.
    pub(super) fn has_room_on(self: &Rc<Self>, link: &Link) -> bool {
        !self.has_all_it_may() && link.has_room_for(self)
    }

    /// Whether as many commands of this session are in flight as may be; where they are, it is woken
    /// when half of them are answered.
    pub(super) fn has_all_it_may(&self) -> bool {
        let all = self.outstanding.get() >= OUTSTANDING_MAX;
        if all {
            self.awaits_room.set(true);
        }
        all
    }

    fn await_replies(&self) -> Way {
        self.awaits_replies.set(true);
        Way::Replies
    }

    /// Whether the client's state, or what is to be sent again, is not for a shared link.
    pub(in crate::worker) fn needs_own(&self) -> bool {
        let backlog = self.backlog.borrow();
        let fits = || backlog.is_shareable(&self.worker.topology.borrow().commands);
        let bound = self.pinned.get() || self.is_bulky() || !self.state.borrow().is_common();
        bound || !(backlog.is_empty() || fits())
    }

    /// What comes next is not for a shared link.
    pub(super) fn set_apart(self: &Rc<Self>, intake: &mut Intake) -> Permit {
        intake.wants_own = true;
        self.permit(intake)
    }

    /// Goes on without a link, and without what is in flight on it.
    pub(super) fn leave_shared(&self) {
        *self.route.borrow_mut() = Route::None;
        self.outstanding.set(0);
        self.awaits_replies.set(false);
        self.awaits_room.set(false);
        self.in_line.set(false);
    }

    /// So many more commands of this session are in flight on a shared link.
    pub(super) fn count_on(&self) {
        self.outstanding.set(self.outstanding.get() + 1);
    }

    /// One of them is answered.
    pub(super) fn count_off(&self) {
        let left = self.outstanding.get().saturating_sub(1);
        self.outstanding.set(left);
        let wakes = match left {
            0 => self.awaits_replies.take() || self.phase.get() != Phase::Open,
            HALF_OF_ALL => self.awaits_room.take(),
            _ => false,
        };
        if wakes {
            self.task.wake();
        }
    }
}
