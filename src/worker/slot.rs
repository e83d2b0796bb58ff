//! One entry of a link's queue of commands in flight: whose, and what the reply will mean.

use std::rc::Rc;

use tokio::time::Instant;

use crate::resp::{Channels, Class, Iteration};

use super::scripts::{Digest, Mark};
use super::session::Session;

/// One or more commands in flight.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Whose commands.
    pub(crate) owner: Rc<Session>,
    /// What their replies mean to us.
    pub(crate) kind: Kind,
    /// How many; more than one only for [`Kind::Plain`], and what was that.
    pub(crate) count: u32,
    /// How many of this run were answered already; their bytes are still kept.
    pub(super) answered: u32,
    /// Bytes sent for all of the run.
    pub(super) len: u64,
    /// Those bytes can be had from the flight; not so for large bodies and for our own questions.
    pub(super) kept: bool,
    /// What is known of a command whose bytes are not kept; by it alone its errors are judged.
    pub(super) class: Class,
}

/// What is to be done about a reply besides passing it on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// Nothing, but it may be a long time coming; asked at this time.
    Blocking(Instant),
    /// WAIT, after a message of our own; not counted by the server where that was refused.
    Wait,
    /// Its reply tells a cursor.
    Scan(Iteration),
    /// Success changes which scripts the server has; sent at this mark.
    Script(Mark),
    /// Sent a second time, after its script was loaded.
    Repeated,
    /// The server queues it for a transaction.
    Queued,
    /// Success begins a transaction.
    Multi,
    /// Ends a transaction, whatever it is.
    Exec,
    /// Success drops the transaction and all watches.
    Discard,
    /// DISCARD, sent in place of an EXEC whose watch was lost with a link: success means nil.
    LostWatch,
    /// Success watches keys.
    Watch,
    /// Success ends that.
    Unwatch,
    /// Success sets something on the connection.
    Setting,
    /// Success is about the command that comes next.
    Caching,
    /// CLIENT ID: the client gets an id of ours.
    ClientId,
    /// CLIENT GETREDIR: likewise.
    RedirectTarget,
    /// Success sets up tracking on behalf of another client; the command as the client wrote it.
    Redirect(Box<[u8]>),
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
    /// It only read, and is asked for elsewhere: nobody waits for this reply.
    Abandoned,
    /// Never sent: the reply is ours and due when its turn comes.
    Local(Box<[u8]>),
    /// Never sent: the session ends when its turn comes.
    Close,
    /// Our own ROLE (`true`) or bare HELLO (`false`), asked after a client's login.
    RoleCheck(bool),
    /// Our own SCRIPT LOAD, of this script, sent at this mark.
    ScriptLoad(Box<(Digest, Mark)>),
    /// Our own PUBLISH.
    OwnPublish,
    /// Our own CLIENT CAPA.
    OwnCapa,
    /// Our own CLIENT ID.
    OwnId,
    /// Our own login, renewed after a client's RESET.
    Login,
    /// Ours: a new link is told what the client had set. `true`: it cannot go on without.
    Restore(bool),
    /// Ours: MULTI of the transaction that was open; success has what was queued queued again.
    Reopen,
    /// Ours: a new link subscribes again; so many confirmations are still to come.
    Resubscribe(Channels, usize),
    /// Never sent: by now a new link is as the old one was.
    Restored,
}

impl Kind {
    /// Whether its reply answers a question of our own.
    pub(super) fn is_own(&self) -> bool {
        matches!(
            self,
            Self::RoleCheck(_)
                | Self::OwnId
                | Self::OwnCapa
                | Self::OwnPublish
                | Self::ScriptLoad(_)
                | Self::Login
                | Self::Restore(_)
                | Self::Reopen
                | Self::Resubscribe(..)
                | Self::Abandoned
        )
    }

    /// Whether it is answered by confirmations.
    pub(super) fn is_confirmed(&self) -> bool {
        matches!(
            self,
            Self::Subscribe(..) | Self::Unsubscribe(..) | Self::Resubscribe(..)
        )
    }
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
