//! What is known of a client's connection state, learned from replies and never from requests.

use crate::resp::{Args, Channels, Class, Iteration, class, elements};

use super::cursors::Cursors;
use super::key::Key;
use super::names::Names;
use super::settings::{Settings, Wish};
use super::slot::ReplyMode;
use super::subscriptions::{REMEMBERED_MAX, Subscriptions};
use super::transaction::Transaction;

/// Connection state that changes what a reply means or whether it is passed on.
#[derive(Debug, Default)]
pub(crate) struct ClientState {
    /// What a new link has to be told; none while the client has set nothing.
    settings: Option<Box<Settings>>,
    /// The names behind `subscriptions`.
    names: Option<Box<Subscriptions>>,
    /// The transaction that is open.
    pub(super) transaction: Option<Box<Transaction>>,
    /// A WATCH is live.
    pub(super) watching: bool,
    /// The user may use MULTI.
    pub(super) multi_granted: bool,
    /// A CLIENT CACHING whose next command has no reply yet.
    caching: Option<Box<[u8]>>,
    /// Where iterations that are not finished were begun.
    cursors: Option<Box<Cursors>>,
    reply_off: bool,
    skip_next: bool,
    /// Something was set that we have not seen.
    unknown: bool,
    /// MONITOR is running.
    pub(crate) monitor: bool,
    /// The connection speaks RESP3: what is not asked for comes as push frames.
    pub(crate) resp3: bool,
    /// Channels, patterns, shard channels.
    subscriptions: [u32; 3],
}

impl ClientState {
    /// Whether every reply is simply the answer to the oldest command and is passed on.
    pub(crate) fn is_plain(&self) -> bool {
        !self.reply_off
            && !self.skip_next
            && !self.monitor
            && !self.is_subscribed()
            && self.transaction.is_none()
            && self.caching.is_none()
    }

    /// Whether nothing but its key tells the connection from a fresh one, names aside.
    pub(super) fn is_common(&self) -> bool {
        let settings = self.settings.as_ref();
        let told = settings.is_none_or(|settings| settings.is_common());
        told && self.is_plain() && !self.watching && !self.unknown
    }

    /// What links the client can share with others.
    pub(super) fn key(&self) -> Key {
        match &self.settings {
            Some(settings) => settings.key(self.resp3),
            None => Key::new(None, self.resp3, None),
        }
    }

    /// What the client has its connection called.
    pub(super) fn given_names(&self) -> Names {
        let mut names = Names::default();
        for wish in self.wishes() {
            names.learn(wish.frame());
        }
        names
    }

    /// Whether the client expects to be sent something without asking.
    pub(super) fn expects_feed(&self) -> bool {
        self.is_listening() || self.has_tracking()
    }

    /// Whether all the client may be waiting for is what others say.
    pub(super) fn is_listening(&self) -> bool {
        self.monitor || self.is_subscribed()
    }

    /// Whether the client keeps a cache that the server tells of changes.
    pub(super) fn has_tracking(&self) -> bool {
        let settings = self.settings.as_ref();
        settings.is_some_and(|settings| settings.has_tracking())
    }

    /// A reply to SCAN or its kin came from a primary of `generation`.
    pub(super) fn learn_cursor(&mut self, kind: Iteration, reply: &[u8], generation: u64) {
        self.cursors
            .get_or_insert_default()
            .learn(kind, reply, generation);
    }

    /// The CLIENT CACHING that the next command is to be sent with.
    pub(super) fn caching(&self) -> Option<&[u8]> {
        self.caching.as_deref()
    }

    /// A CLIENT CACHING succeeded; or none is in force any more.
    pub(super) fn set_caching(&mut self, frame: Option<&[u8]>) {
        self.caching = frame.map(Into::into);
    }

    /// Where iterations were begun, if any was.
    pub(super) fn cursors(&self) -> Option<&Cursors> {
        self.cursors.as_deref()
    }

    /// The client that is told of changes in this one's stead.
    pub(super) fn redirection(&self) -> Option<u64> {
        self.settings.as_ref()?.redirection()
    }

    /// Forgets of tracking on behalf of another client, which ended with a link; says who that was.
    pub(super) fn break_redirection(&mut self) -> Option<u64> {
        let target = self.redirection()?;
        self.settings.as_mut()?.stop_tracking();
        Some(target)
    }

    /// The server said yes to `frame`, which may set something.
    pub(super) fn learn(&mut self, frame: &[u8]) {
        let settings = self.settings.get_or_insert_default();
        settings.learn(frame);
        if settings.wishes().is_empty() {
            self.settings = None;
        }
    }

    /// The command the client logged in with.
    pub(super) fn login(&self) -> Option<&[u8]> {
        self.settings.as_ref()?.login()
    }

    /// What a new link is to be told, in order.
    pub(super) fn wishes(&self) -> &[Wish] {
        self.settings
            .as_ref()
            .map_or(&[], |settings| settings.wishes())
    }

    /// The names the client is subscribed to.
    pub(super) fn names(&self) -> Option<&Subscriptions> {
        self.names.as_deref()
    }

    /// Whether any subscription is live.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscriptions.iter().any(|count| *count > 0)
    }

    /// How many subscriptions of one kind are live.
    pub(crate) fn subscribed(&self, kind: Channels) -> usize {
        self.subscriptions[kind as usize] as usize
    }

    /// Takes over the count a confirmation states: shard channels are counted by themselves,
    /// channels and patterns together (`addReplyPubsubSubscribed` in the server's pubsub.c).
    pub(crate) fn confirm(&mut self, kind: Channels, stated: usize, frame: &[u8]) {
        let names = self.names.get_or_insert_default();
        names.confirm(frame, kind);
        if names.bytes() > REMEMBERED_MAX {
            // Too large to be looked at before it was sent. Not subscribed to all of them again, the
            // client would miss some in silence: with its link it is closed.
            self.unknown = true;
        }
        if names.is_empty() || self.unknown {
            self.names = None;
        }
        let others = match kind {
            Channels::Channel => self.subscribed(Channels::Pattern),
            Channels::Pattern => self.subscribed(Channels::Channel),
            Channels::Shard => 0,
        };
        let own = stated.saturating_sub(others);
        self.subscriptions[kind as usize] = u32::try_from(own).unwrap_or(u32::MAX);
    }

    /// Whether the reply that is due now is to be left out; consumes a SKIP.
    pub(crate) fn take_mute(&mut self) -> bool {
        std::mem::take(&mut self.skip_next) || self.reply_off
    }

    /// Whether the server takes only what has to do with subscriptions, as it does in RESP2.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_subscribed() && !self.resp3
    }

    /// The reply that was left out for a SKIP will come again.
    pub(super) fn skip_again(&mut self) {
        self.skip_next = !self.reply_off;
    }

    /// The server said yes to what may set something, and its words are not at hand.
    pub(super) fn lose_track(&mut self) {
        self.unknown = true;
    }

    /// Whether no other link could be made what this one is.
    pub(super) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether CLIENT REPLY OFF is in force.
    pub(crate) fn is_reply_off(&self) -> bool {
        self.reply_off
    }

    /// Whether the server passes over a MONITOR in silence: one is running already, and nothing
    /// forbids the command before that is noticed (`monitorCommand` in replication.c).
    pub(crate) fn ignores_monitor(&self) -> bool {
        self.monitor && !self.is_limited()
    }

    /// Whether a SKIP is pending; consumes it.
    pub(crate) fn take_skip(&mut self) -> bool {
        std::mem::take(&mut self.skip_next)
    }

    /// HELLO answers in the version now in use: a map in RESP3, an array in RESP2.
    pub(crate) fn learn_version(&mut self, first_byte: Option<u8>) {
        match first_byte {
            Some(b'%') => self.resp3 = true,
            Some(b'*') => self.resp3 = false,
            _ => {}
        }
    }

    /// CLIENT REPLY succeeded.
    pub(crate) fn set_reply_mode(&mut self, mode: ReplyMode) {
        match mode {
            ReplyMode::On => (self.reply_off, self.skip_next) = (false, false),
            ReplyMode::Off => self.reply_off = true,
            ReplyMode::Skip => self.skip_next = !self.reply_off,
        }
    }

    /// RESET succeeded; `frame` is that command.
    pub(crate) fn reset(&mut self, frame: Option<&[u8]>) {
        let settings = self.settings.take();
        *self = Self {
            settings,
            ..Self::default()
        };
        match frame {
            Some(frame) => self.learn(frame),
            None => self.lose_track(),
        }
    }

    /// Whether the transaction that is open may change the connection's state, or ask for it.
    pub(super) fn queues_settings(&self) -> bool {
        let transaction = self.transaction.as_ref();
        transaction.is_some_and(|transaction| transaction.sets_state())
    }

    /// What a transaction did to the connection, told by the elements of EXEC's reply.
    pub(super) fn learn_executed(&mut self, transaction: &Transaction, reply: &[u8]) {
        let Some(results) = elements(reply) else {
            return;
        };
        if !transaction.is_whole() {
            self.lose_track();
        }
        for (frame, result) in transaction.frames().skip(1).zip(results) {
            if result.first() == Some(&b'-') || class(frame) != Class::Connection {
                continue;
            }
            let name = Args::new(frame).next().unwrap_or_default();
            if name.eq_ignore_ascii_case(b"HELLO") {
                self.learn_version(result.first().copied());
            }
            self.learn(frame);
        }
    }

    /// The server refused something instead of queueing it, and mostly refuses EXEC for that.
    pub(super) fn spoil_transaction(&mut self) {
        self.transaction.iter_mut().for_each(|it| it.refuse());
    }

    /// EXEC was answered: whatever it said, the transaction is over, and so is every watch.
    pub(super) fn end_transaction(&mut self) -> Option<Box<Transaction>> {
        self.watching = false;
        self.transaction.take()
    }
}
