//! A transaction that cannot be executed any more, because a part of it was refused or lost: the rest
//! of it is answered here, up to its end, so that nothing of it is executed by itself.

use std::rc::Rc;

use crate::resp::{Special, replies, special};

use super::intake::Intake;
use super::permit::Permit;
use super::session::Session;

impl Intake {
    /// A transaction that cannot be executed is over for the client.
    fn end_hopeless(&mut self) {
        self.hopeless = false;
        self.in_multi = false;
        self.watch_lost = false;
    }

    /// Whether the command at hand would be queued for a transaction that cannot be executed.
    pub(super) fn is_part_of_hopeless(&self) -> bool {
        let ends = matches!(
            special(self.scanner.name()),
            Special::Exec | Special::Discard | Special::Reset | Special::Quit | Special::Http
        );
        self.hopeless && !ends
    }
}

impl Session {
    /// Answers what belongs to a transaction that cannot be executed any more; `false` when the
    /// command does not.
    pub(super) fn answers_hopeless(
        self: &Rc<Self>,
        intake: &mut Intake,
        permit: &Permit,
        command: Special,
    ) -> bool {
        match command {
            _ if !intake.hopeless || matches!(permit, Permit::Login) => return false,
            Special::Quit | Special::Http => return false,
            Special::Reset => {
                intake.end_hopeless();
                return false;
            }
            Special::Exec => {
                intake.end_hopeless();
                self.answer(permit, replies::ABORTED);
            }
            Special::Discard => {
                intake.end_hopeless();
                self.answer(permit, replies::OK);
            }
            _ => self.queue_in_vain(intake, permit),
        }
        true
    }

    /// Answers a part of a transaction that cannot be executed any more.
    pub(super) fn queue_in_vain(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        match permit {
            Permit::Refuse => self.refuse(intake, permit),
            _ => self.answer(permit, replies::QUEUED),
        }
    }
}
