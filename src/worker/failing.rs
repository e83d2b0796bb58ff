//! What a client is told of commands that wait to be sent again when nothing can be sent for longer
//! than commands are held. A transaction fails as a whole, up to its EXEC or to where the client has
//! got: what is left of one, sent later, would be executed by itself.

use std::rc::Rc;

use crate::config::OnUncertain;
use crate::resp::{Args, Class, blocking, class, replies};

use super::backlog::Item;
use super::intake::Intake;
use super::permit::Permit;
use super::session::Session;
use super::slot::Kind;

impl Session {
    /// There has been no primary for longer than commands are held.
    pub(super) fn refuse(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        self.tell_refused(intake, permit);
        if intake.in_multi {
            self.give_up_transaction(intake);
        }
    }

    /// Tells the client that its command was not executed.
    pub(super) fn tell_refused(self: &Rc<Self>, intake: &Intake, permit: &Permit) {
        let waited = intake.outage(&self.worker);
        self.worker.counters.refused.add(1);
        self.answer(permit, &self.worker.masterdown(waited));
    }

    /// Nothing can be sent for longer than commands are held.
    pub(super) fn fail(
        self: &Rc<Self>,
        intake: &mut Intake,
        permit: &Permit,
        kind: &Kind,
        frame: &[u8],
        maybe_executed: bool,
    ) {
        let resp3 = self.state.borrow().resp3;
        if *kind == Kind::Multi || self.state.borrow().transaction.is_some() {
            self.drop_transaction(intake);
            if !self.fail_part(intake, permit, kind, frame) {
                self.fail_rest(intake, permit);
            }
            return;
        }
        match kind {
            Kind::Blocking(_) if blocking::timeout(frame).is_some() => {
                self.answer(permit, blocking::nil(frame, resp3));
            }
            Kind::Exec => self.answer(permit, replies::ABORTED),
            // Nothing is executed by a MULTI, its EXEC will tell; what the others end is ended.
            Kind::Multi | Kind::Discard | Kind::Unwatch => self.answer(permit, replies::OK),
            _ if maybe_executed && acts_or_reads(self.worker.class(frame)) => {
                self.worker.counters.uncertain.add(1);
                match self.worker.config.on_uncertain {
                    OnUncertain::Reply => self.answer(permit, replies::UNCERTAIN),
                    OnUncertain::Close => {
                        // Nobody hears of what comes after.
                        self.backlog.borrow_mut().take();
                        self.end_after_answers(intake, permit);
                    }
                }
            }
            _ => self.tell_refused(intake, permit),
        }
    }

    /// Answers a part of a transaction that cannot be sent; `true` when it ends there.
    fn fail_part(
        self: &Rc<Self>,
        intake: &Intake,
        permit: &Permit,
        kind: &Kind,
        frame: &[u8],
    ) -> bool {
        match kind {
            Kind::Exec => self.answer(permit, replies::ABORTED),
            Kind::LostWatch => {
                let nil = replies::nil(self.state.borrow().resp3);
                self.answer(permit, nil);
            }
            Kind::Discard if class(frame) == Class::Discard && has_no_arguments(frame) => {
                self.answer(permit, replies::OK);
            }
            Kind::Reset => self.tell_refused(intake, permit),
            Kind::Multi => {
                self.answer(permit, replies::OK);
                return false;
            }
            _ => {
                self.tell_refused(intake, permit);
                return false;
            }
        }
        true
    }

    /// A part of a transaction was not sent, so nothing that follows in it may be, or it would be
    /// executed alone.
    fn fail_rest(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        loop {
            let item = self.backlog.borrow_mut().pop();
            match item {
                None => {
                    // The rest of it is still to come.
                    intake.hopeless = intake.in_multi;
                    return;
                }
                Some(Item::Answer(reply)) => self.answer(permit, &reply),
                Some(Item::End) => return self.end_after_answers(intake, permit),
                Some(Item::Command { kind, frame, .. }) => {
                    if self.fail_part(intake, permit, &kind, &frame) {
                        return;
                    }
                }
            }
        }
    }
}

fn has_no_arguments(frame: &[u8]) -> bool {
    Args::new(frame).nth(1).is_none()
}

/// Whether a command that may be sent again leaves a trace beyond its connection, or is a question
/// the client would otherwise take for never asked.
fn acts_or_reads(class: Class) -> bool {
    matches!(
        class,
        Class::Read | Class::Scan | Class::Blocking | Class::BlockingRead { .. }
    )
}
