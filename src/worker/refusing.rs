//! Replies that prove that a command was not executed: the node is no primary (any more), or not
//! yet. The client never sees them; the command is sent again once there is a primary.
//!
//! Its place in the order must be kept, so from the first such reply on nothing of the link is
//! delivered: what else is answered is noted, and when all is, the link is given up. Only a missing
//! script is made good on the same link.

use crate::resp::{Class, Rejection, class, rejection};
use crate::topology::Sign;

use super::case::Case;
use super::link::Link;
use super::recovery::Progress;
use super::routing::{Fault, Router};
use super::slot::{Kind, Slot};

/// Bytes of replies noted on one link.
const NOTED_MAX: usize = 1024 * 1024;

/// What is noted of a link that is being given up.
#[derive(Debug, Default)]
pub(super) struct Refused {
    pub(super) cases: Vec<Case>,
    noted: usize,
}

impl Router {
    /// Whether replies are noted and not delivered.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Notes the reply to the oldest command if the client must not have it (yet).
    pub(super) fn holds_back(&mut self, frame: &[u8], link: &Link) -> Result<bool, Fault> {
        let proof = self.proves_unexecuted(frame, link);
        if proof && self.is_refused_alone(frame) {
            return Ok(true);
        }
        if !proof && self.refused.is_none() {
            return Ok(false);
        }
        if self.refused.is_none() && !link.is_unblocked_by_us() {
            link.report(Sign::Rejected);
            link.distrust();
        }
        let head = self.head();
        let renumbered = head.and_then(|head| head.owner.renumbered(&head.kind, frame, link));
        let Some(remains) = self.front_remains() else {
            return Ok(false);
        };
        let refused = self.refused.get_or_insert_default();
        refused.noted += frame.len();
        if refused.noted > NOTED_MAX {
            return Err(Fault::TooLong);
        }
        refused.cases.push(Case {
            progress: match proof {
                true => Progress::Refused,
                false => Progress::Answered,
            },
            reply: Some(renumbered.map_or_else(|| frame.into(), Vec::into_boxed_slice)),
            ..Case::unanswered(remains)
        });
        Ok(true)
    }

    /// That replicas are missing is no news about the node: on a shared link it concerns nobody but the
    /// one who was told so, whose command is sent again by itself.
    fn is_refused_alone(&mut self, frame: &[u8]) -> bool {
        let alone = |head: &&Slot| {
            head.kind == Kind::Plain && head.kept && head.owner.outstanding.get() == 1
        };
        let apart = self.owner.is_none() && self.refused.is_none();
        let Some(head) = self.head().filter(alone).filter(|_| apart) else {
            return false;
        };
        let owner = head.owner.clone();
        if rejection(frame, Class::Effect) != Rejection::NoReplicas || !owner.may_ask_apart() {
            return false;
        }
        let frames = self.take_all_of(&owner);
        owner.ask_later(frames);
        true
    }

    /// Loads a script the server does not have and asks again for it, once, where nothing was sent
    /// after the command.
    pub(super) fn repairs(&mut self, frame: &[u8], link: &Link) -> bool {
        let Some(head) = self.head() else {
            return false;
        };
        let may_ask = head.kind == Kind::Plain && !self.is_refused() && link.is_open();
        if frame.first() != Some(&b'-') || !may_ask {
            return false;
        }
        let (owner, alone) = (head.owner.clone(), head.count == 1 && self.slots() == 1);
        let Some(command) = self.front_frame() else {
            return false;
        };
        if rejection(frame, class(command)) != Rejection::NoScript {
            return false;
        }
        let load = owner.script_to_repair(link, command).filter(|_| alone);
        let (Some(load), command) = (load, command.to_vec()) else {
            return false;
        };
        self.ask(&owner, load.kind, &load.frame, link);
        self.expect(&owner, Kind::Repeated, command.len());
        self.keep(&command);
        link.write(&command);
        true
    }

    /// An answer of our own has its turn among replies that are held back.
    pub(super) fn hold_back_own(&mut self) {
        let own = self.take_front().map(Case::unanswered);
        if let Some(refused) = &mut self.refused {
            refused.cases.extend(own);
        }
    }

    /// Whether nothing more is to be learned from a link that is being given up.
    pub(super) fn has_refused_all(&self) -> bool {
        let waits =
            |kind: &Kind| matches!(kind, Kind::Blocking(_) | Kind::Wait) || kind.is_confirmed();
        self.is_refused() && self.head().is_none_or(|head| waits(&head.kind))
    }

    fn proves_unexecuted(&self, frame: &[u8], link: &Link) -> bool {
        if frame.first() != Some(&b'-') {
            return false;
        }
        let Some(head) = self.head() else {
            return false;
        };
        let class = match self.front_frame() {
            Some(frame) => head.owner.worker.class(frame),
            None => self.front_class(),
        };
        match rejection(frame, class) {
            Rejection::NotPrimary | Rejection::Loading => head.owner.may_try_again(),
            Rejection::NoReplicas => head.owner.worker.has_just_switched(),
            Rejection::Unblocked => link.is_unblocked_by_us(),
            Rejection::NoScript | Rejection::None => false,
        }
    }
}
