//! What a frame is when that depends on its content: pairs pub/sub confirmations, and tells pushes
//! and monitor lines from replies.

use crate::resp::{Channels, Peek, first_word};

use super::link::Link;
use super::routing::{Fault, Router, Verdict};
use super::slot::Kind;

const PUSH: Verdict = Verdict {
    deliver: true,
    reply: false,
};

const IGNORED: Verdict = Verdict {
    deliver: false,
    reply: false,
};

/// A pub/sub word, as the server's pubsub.c writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Message,
    Subscribed(Channels),
    Unsubscribed(Channels),
}

fn word(text: &[u8]) -> Option<Word> {
    use Channels::{Channel, Pattern, Shard};
    Some(match text {
        b"message" | b"pmessage" | b"smessage" => Word::Message,
        b"subscribe" => Word::Subscribed(Channel),
        b"psubscribe" => Word::Subscribed(Pattern),
        b"ssubscribe" => Word::Subscribed(Shard),
        b"unsubscribe" => Word::Unsubscribed(Channel),
        b"punsubscribe" => Word::Unsubscribed(Pattern),
        b"sunsubscribe" => Word::Unsubscribed(Shard),
        _ => return None,
    })
}

impl Router {
    /// What becomes of `frame` (`whole`, or only its beginning so far); `None` when more of it is
    /// needed.
    pub(super) fn verdict(
        &mut self,
        frame: &[u8],
        whole: bool,
        link: &Link,
    ) -> Result<Option<Verdict>, Fault> {
        match self.replies.kind() {
            0 => Ok(None),
            // Nobody who shares a link has asked for any.
            b'>' if self.owner.is_none() => Ok(Some(IGNORED)),
            b'>' => Ok(self.push(frame, whole)),
            b'*' if self.expects_pubsub_arrays() => match first_word(frame) {
                Peek::NeedMore if !whole => Ok(None),
                Peek::Word(text) if word(text).is_some() => Ok(self.push(frame, whole)),
                _ => self.reply(frame, whole, link),
            },
            b'+' if self.monitors() => match begins_monitor_line(frame) {
                None if !whole => Ok(None),
                Some(true) => Ok(Some(self.monitor_line())),
                _ => self.reply(frame, whole, link),
            },
            _ => self.reply(frame, whole, link),
        }
    }

    /// In RESP2 confirmations and messages are arrays like any other.
    fn expects_pubsub_arrays(&self) -> bool {
        let Some(owner) = &self.owner else {
            return false;
        };
        let state = owner.state.borrow();
        let confirming = self.head().is_some_and(|head| head.kind.is_confirmed());
        !state.resp3 && (confirming || state.is_subscribed())
    }

    fn monitors(&self) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| owner.state.borrow().monitor)
    }

    /// The server sends a monitor nothing while its replies are off.
    fn monitor_line(&self) -> Verdict {
        let owner = self.owner.as_ref();
        Verdict {
            deliver: owner.is_some_and(|owner| !owner.state.borrow().is_reply_off()),
            reply: false,
        }
    }

    /// A frame that is no reply in itself; confirmations count off the command they belong to.
    fn push(&mut self, frame: &[u8], whole: bool) -> Option<Verdict> {
        if frame.first() == Some(&b'>')
            && let Some(owner) = &self.owner
        {
            owner.state.borrow_mut().resp3 = true;
        }
        let word = match first_word(frame) {
            Peek::NeedMore if !whole => return None,
            Peek::Word(text) => word(text),
            _ => None,
        };
        match word {
            Some(Word::Subscribed(_) | Word::Unsubscribed(_)) if !whole => None,
            Some(Word::Subscribed(kind) | Word::Unsubscribed(kind)) => {
                Some(self.confirm(frame, kind))
            }
            _ => Some(PUSH),
        }
    }

    /// A confirmation: the state it tells of, and whether its command has them all now.
    fn confirm(&mut self, frame: &[u8], kind: Channels) -> Verdict {
        let Some(owner) = self.owner.clone() else {
            return PUSH;
        };
        let mut state = owner.state.borrow_mut();
        if let Some(Kind::Resubscribe(expected, left)) = self.head_mut().map(|head| &mut head.kind)
            && *expected == kind
        {
            *left = left.saturating_sub(1);
            let reply = *left == 0;
            owner.worker.counters.resubscribed.add(1);
            return Verdict {
                deliver: false,
                reply,
            };
        }
        let before = state.subscribed(kind);
        if let Some(stated) = stated_count(frame) {
            state.confirm(kind, stated, frame);
        }
        let left = match self.head_mut().map(|head| &mut head.kind) {
            Some(Kind::Subscribe(expected, left)) if *expected == kind => left,
            Some(Kind::Unsubscribe(expected, left)) if *expected == kind => {
                left.get_or_insert(before.max(1))
            }
            _ => return PUSH,
        };
        *left = left.saturating_sub(1);
        let done = *left == 0;
        if done {
            // Confirmations are sent whatever CLIENT REPLY says, but a SKIP ends with them.
            state.take_mute();
        }
        Verdict {
            deliver: true,
            reply: done,
        }
    }
}

/// Whether this is `+1700000000.000001 [`, what a monitor's line starts with; none while it may
/// still become that.
fn begins_monitor_line(frame: &[u8]) -> Option<bool> {
    let head = frame.get(1..)?;
    let clock = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b' ');
    let end = head.iter().find(|byte| !clock(byte))?;
    Some(*end == b'[')
}

/// The count at the end of a confirmation: `*3`, word, channel or nil, `:n`.
fn stated_count(frame: &[u8]) -> Option<usize> {
    let line = frame.strip_suffix(b"\r\n")?;
    let digits = line.rsplit(|byte| *byte == b':').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
