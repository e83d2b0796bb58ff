//! Commands in flight on a link, in the order their replies are due.
//!
//! Runs of ordinary commands of one session share a slot: a pipeline of a thousand GETs is one
//! entry with a count.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::resp::Channels;

use super::session::Session;

/// One or more commands in flight.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Whose commands.
    pub(crate) owner: Rc<Session>,
    /// What their replies mean to us.
    pub(crate) kind: Kind,
    /// How many; more than one only for [`Kind::Plain`].
    pub(crate) count: u32,
}

/// What is to be done about a reply besides passing it on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// Nothing, but it may be a long time coming.
    Blocking,
    /// Success means another identity, whose view of the node's role may have to be checked.
    Auth,
    /// Its shape tells the RESP version in use; `true` when it carried credentials.
    Hello(bool),
    /// Success clears all tracked state.
    Reset,
    /// Success starts a stream of lines that are no replies.
    Monitor,
    /// Sent upstream as CLIENT REPLY ON; success sets this mode here.
    ReplyMode(ReplyMode),
    /// So many confirmations are still to come.
    Subscribe(Channels, usize),
    /// So many confirmations are still to come; none: one for each channel subscribed by then.
    Unsubscribe(Channels, Option<usize>),
    /// The server was given something it must refuse; the client is told this instead.
    Refusal(&'static [u8]),
    /// Never sent: the reply is ours and due when its turn comes.
    Local(Box<[u8]>),
    /// Never sent: the session ends when its turn comes.
    Close,
    /// Our own ROLE (`true`) or bare HELLO (`false`), asked after a client's login.
    RoleCheck(bool),
    /// Our own bare HELLO, asked after an EXEC that may have changed the RESP version.
    Version,
    /// Our own login, renewed after a client's RESET.
    Login,
}

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    /// Replies are sent.
    On,
    /// No replies.
    Off,
    /// The next reply is left out.
    Skip,
}

/// The slots of one link, oldest first. The first one needs no memory of its own: an idle link
/// keeps none, and a client that waits for each reply never needs a second.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    first: Option<Slot>,
    #[expect(
        clippy::box_collection,
        reason = "an idle link shall pay for a pointer, not a deque"
    )]
    rest: Option<Box<VecDeque<Slot>>>,
}

impl Slots {
    /// Notes one more command of `owner` as in flight.
    pub(crate) fn push(&mut self, owner: &Rc<Session>, kind: Kind) {
        let rest = self.rest.as_mut().and_then(|rest| rest.back_mut());
        let last = rest.or(self.first.as_mut());
        if let Some(last) = last
            && last.kind == Kind::Plain
            && kind == Kind::Plain
            && Rc::ptr_eq(&last.owner, owner)
            && last.count < u32::MAX
        {
            last.count += 1;
            return;
        }
        let slot = Slot {
            owner: owner.clone(),
            kind,
            count: 1,
        };
        if self.first.is_none() {
            self.first = Some(slot);
        } else {
            self.rest.get_or_insert_default().push_back(slot);
        }
    }

    /// Takes back what was noted last.
    pub(crate) fn unpush(&mut self) {
        let rest = self.rest.as_mut().and_then(|rest| rest.back_mut());
        let Some(last) = rest.or(self.first.as_mut()) else {
            return;
        };
        last.count -= 1;
        if last.count > 0 {
            return;
        }
        if self
            .rest
            .as_mut()
            .and_then(|rest| rest.pop_back())
            .is_none()
        {
            self.first = None;
        }
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<&Slot> {
        self.first.as_ref()
    }

    /// The oldest.
    pub(crate) fn front_mut(&mut self) -> Option<&mut Slot> {
        self.first.as_mut()
    }

    /// One command of the oldest slot is done.
    pub(crate) fn pop(&mut self) {
        let Some(first) = &mut self.first else { return };
        first.count -= 1;
        if first.count > 0 {
            return;
        }
        self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        if self.first.is_none() {
            self.rest = None;
        }
    }

    /// Distinct runs of commands in flight.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
