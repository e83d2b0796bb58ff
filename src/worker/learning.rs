//! What the reply to a command tells: the client's connection state, which is learned from answers
//! and never from requests, and what the server answered to questions of our own.

use std::rc::Rc;

use crate::resp::questions::{BARE_HELLO, ROLE};
use crate::resp::{Class, Peek, Rejection, class, first_word, integer, rejection, replies};
use crate::topology::Sign;

use super::link::Link;
use super::outbox::BULK_MIN;
use super::routing::{Fault, Router, Verdict};
use super::session::Session;
use super::slot::{Kind, ReplyMode};
use super::transaction::Transaction;
use super::waiting::nobody;

/// A reply the client does not get.
const SWALLOWED: Verdict = Verdict {
    deliver: false,
    reply: true,
};
const OK: &[u8] = b"+OK\r\n";
const QUEUED: &[u8] = b"+QUEUED\r\n";

impl Router {
    /// What becomes of the reply to the oldest command; `None` when more of it is needed.
    pub(super) fn reply(
        &mut self,
        frame: &[u8],
        whole: bool,
        link: &Link,
    ) -> Result<Option<Verdict>, Fault> {
        if self.head().is_none() {
            return Err(Fault::Unasked);
        }
        if !whole && self.needs_whole(frame) {
            return Ok(None);
        }
        if self.is_own_answer() {
            self.own_answer(frame, link)?;
            return Ok(Some(SWALLOWED));
        }
        if self.repairs(frame, link) {
            return Ok(Some(SWALLOWED));
        }
        if self.holds_back(frame, link)? {
            return Ok(Some(SWALLOWED));
        }
        // The failover for which calls were called back came to nothing.
        link.unblocked
            .set(link.is_unblocked_by_us() && !link.is_open());
        let deliver = self.learn(frame, link);
        self.after_login(succeeded(frame), link);
        Ok(Some(Verdict {
            deliver,
            reply: true,
        }))
    }

    fn is_own_answer(&self) -> bool {
        let own = |kind: &Kind| {
            matches!(
                kind,
                Kind::RoleCheck(_)
                    | Kind::OwnId
                    | Kind::OwnPublish
                    | Kind::ScriptLoad(_)
                    | Kind::Login
                    | Kind::Restore(_)
                    | Kind::Resubscribe(..)
            )
        };
        self.head().is_some_and(|head| own(&head.kind))
    }

    /// Whether the beginning of this reply is not enough to tell what it means.
    fn needs_whole(&self, frame: &[u8]) -> bool {
        let Some(head) = self.head() else {
            return false;
        };
        if frame.first() == Some(&b'-') || self.is_refused() {
            return true;
        }
        match head.kind {
            Kind::Plain | Kind::Blocking(_) | Kind::Script(_) | Kind::Repeated => false,
            Kind::Scan(_) => first_word(frame) == Peek::NeedMore,
            Kind::Queued => frame.first() == Some(&b'+'),
            Kind::Exec => head.owner.state.borrow().queues_settings(),
            _ => true,
        }
    }

    /// The answer to something Steadfast asked for itself.
    fn own_answer(&mut self, frame: &[u8], link: &Link) -> Result<(), Fault> {
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
            Kind::OwnId => {
                integer(frame)
                    .iter()
                    .for_each(|id| link.learn_id(&head.owner, *id));
                Ok(())
            }
            Kind::Login if !succeeded(frame) => Err(Fault::Rejected),
            Kind::Login => {
                head.owner.unblock();
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

    /// What the reply to the oldest command tells of the connection's state, and whether the
    /// client gets it.
    fn learn(&mut self, frame: &[u8], link: &Link) -> bool {
        let Some(head) = self.head() else {
            return true;
        };
        let owner = head.owner.clone();
        if frame == QUEUED && self.learn_queued(&owner) {
            return !owner.state.borrow_mut().take_mute();
        }
        let Some(head) = self.head() else {
            return true;
        };
        let mut state = owner.state.borrow_mut();
        if !succeeded(frame) {
            state.spoil_transaction();
        }
        if !matches!(head.kind, Kind::Multi | Kind::Queued) {
            // A transaction is one command to it.
            state.set_caching(None);
        }
        match head.kind {
            Kind::ReplyMode(mode) if frame == OK => {
                state.take_mute();
                state.set_reply_mode(mode);
                mode == ReplyMode::On
            }
            Kind::Reset if succeeded(frame) => {
                let skipped = state.take_skip();
                state.reset(self.front_frame());
                !skipped
            }
            Kind::Refusal(text) if !succeeded(frame) => {
                drop(state);
                owner.deliver_local(text);
                false
            }
            Kind::LostWatch => {
                state.end_transaction();
                let nil = replies::nil(state.resp3);
                drop(state);
                if succeeded(frame) {
                    owner.deliver_local(nil);
                }
                !succeeded(frame)
            }
            Kind::Wait if link.miscounts.take() && succeeded(frame) => {
                drop(state);
                owner.deliver_local(nobody(self.front_frame().unwrap_or_default()));
                false
            }
            Kind::Monitor if frame == OK => {
                state.monitor = true;
                !state.take_mute()
            }
            _ => {
                drop(state);
                let other = owner.renumbered(&head.kind, frame, link);
                self.learn_setting(&owner, frame);
                if let Some(other) = other {
                    owner.deliver_local(&other);
                    return false;
                }
                !owner.state.borrow_mut().take_mute()
            }
        }
    }

    /// Something was queued for the transaction that is open; `false` when there is none.
    fn learn_queued(&self, owner: &Session) -> bool {
        let mut state = owner.state.borrow_mut();
        let Some(transaction) = &mut state.transaction else {
            return false;
        };
        let frame = self.front_frame();
        frame.iter().for_each(|frame| owner.note_script(frame));
        let large = self.head().is_some_and(|head| head.len > BULK_MIN as u64);
        transaction.queued(frame, large);
        true
    }

    /// What outlives the command itself: transactions, watches, and what the client has set.
    fn learn_setting(&self, owner: &Rc<Session>, frame: &[u8]) {
        let Some(head) = self.head() else { return };
        let mut state = owner.state.borrow_mut();
        let succeeded = succeeded(frame);
        match &head.kind {
            Kind::Multi if succeeded => {
                state.multi_granted = true;
                state.transaction = Some(Transaction::begun(self.front_frame()));
            }
            Kind::Multi if !self.has_later_multi() => owner.leave_multi(),
            Kind::Queued if succeeded && state.transaction.is_none() => {
                // Its MULTI was refused, so it was executed.
                let frame = self.front_frame();
                let frame = frame.filter(|frame| class(frame) == Class::Connection);
                frame.iter().for_each(|frame| state.learn(frame));
            }
            Kind::Caching if succeeded => state.set_caching(self.front_frame()),
            // Without a transaction it is refused, and a watch lives on.
            Kind::Exec if state.transaction.is_some() => {
                let transaction = state.end_transaction();
                if let Some(transaction) = transaction.filter(|it| succeeded && it.sets_state()) {
                    state.learn_executed(&transaction, frame);
                }
            }
            Kind::Discard if succeeded => {
                state.end_transaction();
            }
            Kind::Watch => state.watching |= succeeded,
            Kind::Unwatch => state.watching &= !succeeded,
            Kind::Setting if succeeded => match self.front_frame() {
                Some(frame) => state.learn(frame),
                None => state.lose_track(),
            },
            Kind::Scan(kind) if succeeded => {
                state.learn_cursor(*kind, frame, owner.worker.generation());
            }
            Kind::Script(mark) if succeeded => {
                self.front_frame()
                    .iter()
                    .for_each(|frame| owner.learn_script(frame, *mark));
            }
            Kind::Redirect(frame) if succeeded => state.learn(frame),
            Kind::Auth | Kind::Hello(_) if succeeded => {
                state.learn_version(frame.first().copied());
                state.multi_granted = false;
                match self.front_frame() {
                    Some(frame) => state.learn(frame),
                    None => state.lose_track(),
                }
            }
            _ => {}
        }
    }

    /// A login changes what we may ask: on a node whose role discovery could not verify, the link
    /// asks itself now, before anything else is sent on it.
    fn after_login(&mut self, succeeded: bool, link: &Link) {
        let Some(head) = self.head() else {
            return;
        };
        if !matches!(head.kind, Kind::Auth | Kind::Hello(true)) {
            return;
        }
        let owner = head.owner.clone();
        if succeeded && owner.role_pending.get() {
            self.ask(&owner, Kind::RoleCheck(true), ROLE, link);
        } else {
            owner.unblock();
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
fn will_pass(frame: &[u8]) -> bool {
    const PASSING: [&[u8]; 2] = [b"-BUSY ", b"-ERR max number of clients reached"];
    PASSING.iter().any(|text| frame.starts_with(text))
}

/// Whether a reply is no error.
fn succeeded(frame: &[u8]) -> bool {
    frame.first() != Some(&b'-')
}
