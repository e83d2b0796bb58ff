//! What is known of a client's connection state, learned from replies and never from requests.

use crate::resp::Channels;

use super::slot::ReplyMode;

/// Connection state that changes what a reply means or whether it is passed on.
#[derive(Debug, Default)]
pub(crate) struct ClientState {
    reply_off: bool,
    skip_next: bool,
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
        !self.reply_off && !self.skip_next && !self.monitor && !self.is_subscribed()
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
    pub(crate) fn confirm(&mut self, kind: Channels, stated: usize) {
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

    /// RESET succeeded.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}
