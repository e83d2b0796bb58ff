//! Commands in flight on a link, in the order their replies are due.
//!
//! Runs of ordinary commands of one session share a slot: a pipeline of a thousand GETs is one
//! entry with a count.

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
