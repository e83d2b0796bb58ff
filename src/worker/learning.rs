//! What the reply to a command tells of the client's connection state, which is learned from answers
//! and never from requests.

use std::rc::Rc;

use crate::resp::{Class, Peek, class, first_word, replies};

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
        if self.owner.is_none() && self.is_mixed(frame) {
            return Err(Fault::Mixed);
        }
        let deliver = self.learn(frame, link);
        if let Some(head) = self.head().filter(|_| !succeeded(frame)) {
            head.owner.hear_error(frame, link.generation);
        }
        self.after_login(succeeded(frame), link);
        Ok(Some(Verdict {
            deliver,
            reply: true,
        }))
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
            Kind::Plain if self.may_be_mixed(frame) => true,
            Kind::Plain | Kind::Blocking(_) | Kind::Script(_) => false,
            Kind::Repeated | Kind::Abandoned => false,
            Kind::Scan(_) => first_word(frame) == Peek::NeedMore,
            Kind::Queued => frame.first() == Some(&b'+'),
            Kind::Exec => head.owner.state.borrow().queues_settings(),
            _ => true,
        }
    }

    /// Whether this may be the beginning of what no ordinary command on a shared link is told.
    pub(super) fn may_be_mixed(&self, frame: &[u8]) -> bool {
        self.owner.is_none() && (frame.starts_with(b"+Q") || frame == b"+")
    }

    /// Whether what is sent on this shared link is queued for a transaction that it is no part of, or
    /// one that its client takes for ended may still be open. It goes there as a whole or not at all,
    /// so that neither can be; if it were, strangers' commands would be executed or forgotten with it.
    fn is_mixed(&self, frame: &[u8]) -> bool {
        let Some(head) = self.head() else {
            return false;
        };
        match head.kind {
            Kind::Plain | Kind::Scan(_) => frame == QUEUED,
            Kind::Exec if !succeeded(frame) && !frame.starts_with(b"-EXECABORT ") => {
                head.owner.state.borrow().transaction.is_some()
            }
            _ => false,
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
        if let Some(head) = self.head() {
            let mut state = owner.state.borrow_mut();
            if !succeeded(frame) {
                state.spoil_transaction();
            }
            if !matches!(head.kind, Kind::Multi | Kind::Queued) {
                // A transaction is one command to it.
                state.set_caching(None);
            }
        }
        if let Some(deliver) = self.learn_replaced(&owner, frame, link) {
            return deliver;
        }
        let head = self.head();
        let other = head.and_then(|head| owner.renumbered(&head.kind, frame, link));
        self.learn_setting(&owner, frame);
        if let Some(other) = other {
            owner.deliver_local(&other);
            return false;
        }
        !owner.state.borrow_mut().take_mute()
    }

    /// As [`Router::learn`], for commands whose reply the client may not get as it stands; none for
    /// all others.
    fn learn_replaced(&self, owner: &Session, frame: &[u8], link: &Link) -> Option<bool> {
        let mut state = owner.state.borrow_mut();
        match self.head()?.kind {
            Kind::ReplyMode(mode) if frame == OK => {
                state.take_mute();
                state.set_reply_mode(mode);
                Some(mode == ReplyMode::On)
            }
            Kind::Reset if succeeded(frame) => {
                let skipped = state.take_skip();
                // Logged out, it is a stranger to the server as it is by now.
                owner.vouched.set(false);
                owner.served.set(false);
                state.reset(self.front_frame());
                Some(!skipped)
            }
            Kind::Refusal(text) if !succeeded(frame) => {
                drop(state);
                owner.deliver_local(text);
                Some(false)
            }
            Kind::LostWatch => {
                state.end_transaction();
                let nil = replies::nil(state.resp3);
                drop(state);
                if succeeded(frame) {
                    owner.deliver_local(nil);
                }
                Some(!succeeded(frame))
            }
            Kind::Wait if link.miscounts.take() && succeeded(frame) => {
                drop(state);
                owner.deliver_local(nobody(self.front_frame().unwrap_or_default()));
                Some(false)
            }
            Kind::Monitor if frame == OK => {
                state.monitor = true;
                Some(!state.take_mute())
            }
            _ => None,
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
        let succeeded = succeeded(frame);
        match &head.kind {
            Kind::Multi | Kind::Queued | Kind::Exec | Kind::Discard => {
                self.learn_transaction(owner, frame);
            }
            Kind::Watch => owner.state.borrow_mut().watching |= succeeded,
            Kind::Unwatch => owner.state.borrow_mut().watching &= !succeeded,
            _ if !succeeded => {}
            Kind::Caching => owner.state.borrow_mut().set_caching(self.front_frame()),
            Kind::Setting => self.learn_front(owner),
            Kind::Scan(kind) => {
                let generation = owner.worker.generation();
                let mut state = owner.state.borrow_mut();
                state.learn_cursor(*kind, frame, generation);
            }
            Kind::Script(mark) => {
                let command = self.front_frame();
                let learn = |command: &&[u8]| owner.learn_script(command, *mark);
                command.iter().for_each(learn);
            }
            Kind::Redirect(command) => owner.state.borrow_mut().learn(command),
            Kind::Auth | Kind::Hello(_) => {
                let mut state = owner.state.borrow_mut();
                state.learn_version(frame.first().copied());
                state.multi_granted = false;
                drop(state);
                self.learn_front(owner);
            }
            _ => {}
        }
    }

    /// Where a transaction begins and ends, and what one has set.
    fn learn_transaction(&self, owner: &Session, frame: &[u8]) {
        let Some(head) = self.head() else { return };
        let succeeded = succeeded(frame);
        if head.kind == Kind::Multi {
            owner.multi_answered(succeeded);
        }
        let mut state = owner.state.borrow_mut();
        match head.kind {
            Kind::Multi if succeeded => {
                state.multi_granted = true;
                state.transaction = Some(Transaction::begun(self.front_frame()));
            }
            Kind::Multi if !self.has_later_multi() => owner.leave_multi(),
            Kind::Queued if succeeded && state.transaction.is_none() => {
                // Its MULTI was refused, so it was executed.
                let command = self.front_frame();
                let command = command.filter(|it| class(it) == Class::Connection);
                command.iter().for_each(|it| state.learn(it));
            }
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
            _ => {}
        }
    }

    /// The oldest command has set something.
    fn learn_front(&self, owner: &Session) {
        let mut state = owner.state.borrow_mut();
        match self.front_frame() {
            Some(command) => state.learn(command),
            None => state.lose_track(),
        }
    }
}

/// Whether a reply is no error.
pub(super) fn succeeded(frame: &[u8]) -> bool {
    frame.first() != Some(&b'-')
}
