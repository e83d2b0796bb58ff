//! The answers to what Steadfast asked the server for itself: checks of the node's role, scripts it
//! loaded, what it restored on a new link. The client never sees them.

use std::rc::Rc;

use crate::resp::questions::{BARE_HELLO, CAPA_REDIRECT, ROLE};
use crate::resp::{Class, Peek, Rejection, first_word, integer, rejection};
use crate::topology::Sign;

use super::learning::succeeded;
use super::link::Link;
use super::routing::{Fault, Router};
use super::session::Session;
use super::slot::Kind;

impl Router {
    /// Whether the reply that is due answers a question of our own.
    pub(super) fn is_own_answer(&self) -> bool {
        self.head().is_some_and(|head| head.kind.is_own())
    }

    /// The answer to something Steadfast asked for itself.
    pub(super) fn own_answer(&mut self, frame: &[u8], link: &Link) -> Result<(), Fault> {
        let Some(head) = self.head() else {
            return Ok(());
        };
        match &head.kind {
            Kind::RoleCheck(by_role) => self.check_role(frame, *by_role, link),
            Kind::ScriptLoad(script) => {
                match succeeded(frame) {
                    true => head.owner.worker.scripts.loaded(&script.0, script.1),
                    false => link.scripts_refused.set(true),
                }
                Ok(())
            }
            Kind::OwnPublish => {
                link.learn_offset(succeeded(frame));
                Ok(())
            }
            Kind::OwnCapa => {
                // Refused before the login, it is asked again after it.
                link.wants_capa.set(!succeeded(frame));
                Ok(())
            }
            Kind::OwnId => {
                integer(frame)
                    .iter()
                    .for_each(|id| link.learn_id(&head.owner, *id));
                Ok(())
            }
            Kind::Abandoned => Ok(()),
            Kind::Login if !succeeded(frame) => Err(Fault::Rejected),
            Kind::Login => {
                head.owner.unblock();
                Ok(())
            }
            Kind::Reopen if succeeded(frame) => {
                let owner = head.owner.clone();
                self.queue_again(&owner, link);
                Ok(())
            }
            _ if succeeded(frame) => Ok(()),
            _ if rejection(frame, Class::Connection) != Rejection::None => {
                link.report(Sign::Rejected);
                Err(Fault::Rejected)
            }
            Kind::Restore(false) => Ok(()),
            _ if will_pass(frame) => Err(Fault::Rejected),
            _ => Err(Fault::Revoked),
        }
    }

    /// A login changes what we may ask: on a node whose role discovery could not verify, the link
    /// asks itself now, before anything else is sent on it.
    pub(super) fn after_login(&mut self, succeeded: bool, link: &Link) {
        let Some(head) = self.head() else {
            return;
        };
        if !matches!(head.kind, Kind::Auth | Kind::Hello(true)) {
            return;
        }
        let owner = head.owner.clone();
        if succeeded && link.wants_capa.take() {
            self.ask(&owner, Kind::OwnCapa, CAPA_REDIRECT, link);
        }
        if succeeded && owner.role_pending.get() {
            self.ask(&owner, Kind::RoleCheck(true), ROLE, link);
        } else {
            owner.unblock();
        }
    }

    /// MULTI was granted once more: only now is what was queued safe from being executed at once.
    fn queue_again(&mut self, owner: &Rc<Session>, link: &Link) {
        let state = owner.state.borrow();
        for frame in state.transaction.iter().flat_map(|it| it.frames().skip(1)) {
            self.ask(owner, Kind::Restore(false), frame, link);
        }
    }

    /// Asks the server something for ourselves.
    pub(super) fn ask(&mut self, owner: &Rc<Session>, kind: Kind, question: &[u8], link: &Link) {
        self.expect_unkept(owner, kind, question.len());
        link.write(question);
    }

    /// Only a node that says it is a primary gets commands; one that will not say is believed to
    /// be what Sentinel calls it.
    fn check_role(&mut self, frame: &[u8], by_role: bool, link: &Link) -> Result<(), Fault> {
        let Some(owner) = self.owner.clone() else {
            return Ok(());
        };
        let says = |role: &[u8]| frame.windows(role.len()).any(|window| window == role);
        match frame.first() {
            Some(b'-') if by_role => {
                self.ask(&owner, Kind::RoleCheck(false), BARE_HELLO, link);
                return Ok(());
            }
            Some(b'*' | b'%') if by_role && !matches!(first_word(frame), Peek::Word(b"master")) => {
                link.report(Sign::NotPrimary);
                return Err(Fault::Rejected);
            }
            Some(b'*' | b'%') if !by_role && says(b"\r\nreplica\r\n") => {
                link.report(Sign::NotPrimary);
                return Err(Fault::Rejected);
            }
            _ => {}
        }
        owner.role_checked();
        Ok(())
    }
}

/// Whether an error is about the moment and not about what was asked.
pub(super) fn will_pass(frame: &[u8]) -> bool {
    const PASSING: [&[u8]; 2] = [b"-BUSY ", b"-ERR max number of clients reached"];
    PASSING.iter().any(|text| frame.starts_with(text))
}
