//! What a frame means when that depends on its content: pairs pub/sub confirmations, tells pushes
//! and monitor lines from replies, and learns the client's connection state from answers.

use crate::resp::{Channels, Peek, first_word};
use crate::topology::Sign;

use super::link::Link;
use super::routing::{Fault, Router, Verdict};
use super::slot::{Kind, ReplyMode};

const PUSH: Verdict = Verdict {
    deliver: true,
    reply: false,
};
/// A reply the client did not ask for.
const SWALLOWED: Verdict = Verdict {
    deliver: false,
    reply: true,
};
const OK: &[u8] = b"+OK\r\n";

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
        let confirming = self
            .slots
            .front()
            .is_some_and(|head| matches!(head.kind, Kind::Subscribe(..) | Kind::Unsubscribe(..)));
        let head = self.slots.front();
        let unsure = head.is_some_and(|head| head.kind == Kind::Version);
        (unsure || !state.resp3) && (confirming || state.is_subscribed())
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
        let before = state.subscribed(kind);
        if let Some(stated) = stated_count(frame) {
            state.confirm(kind, stated);
        }
        let left = match self.slots.front_mut().map(|head| &mut head.kind) {
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

    /// The reply to the oldest command.
    fn reply(&mut self, frame: &[u8], whole: bool, link: &Link) -> Result<Option<Verdict>, Fault> {
        let Some(head) = self.slots.front() else {
            return Err(Fault::Unasked);
        };
        let needs_whole = !matches!(head.kind, Kind::Plain | Kind::Blocking | Kind::Hello(false));
        if needs_whole && !whole {
            return Ok(None);
        }
        if matches!(head.kind, Kind::RoleCheck(_) | Kind::Login | Kind::Version) {
            self.own_answer(frame, link)?;
            return Ok(Some(SWALLOWED));
        }
        let deliver = self.learn(frame);
        self.after_login(succeeded(frame), link);
        Ok(Some(Verdict {
            deliver,
            reply: true,
        }))
    }

    /// The answer to something Steadfast asked for itself.
    fn own_answer(&mut self, frame: &[u8], link: &Link) -> Result<(), Fault> {
        let Some(head) = self.slots.front() else {
            return Ok(());
        };
        let owner = head.owner.clone();
        match head.kind {
            Kind::RoleCheck(by_role) => self.check_role(frame, by_role, link),
            Kind::Login if !succeeded(frame) => Err(Fault::Rejected),
            Kind::Login => {
                owner.unblock();
                Ok(())
            }
            _ => {
                let mut state = owner.state.borrow_mut();
                state.learn_version(frame.first().copied());
                // What a RESP2 subscriber may not ask.
                state.resp3 &= succeeded(frame) || !state.is_subscribed();
                Ok(())
            }
        }
    }

    /// What the reply to the oldest command tells of the connection's state, and whether the
    /// client gets it.
    fn learn(&mut self, frame: &[u8]) -> bool {
        let Some(head) = self.slots.front() else {
            return true;
        };
        let mut state = head.owner.state.borrow_mut();
        match head.kind {
            Kind::ReplyMode(mode) if frame == OK => {
                state.take_mute();
                state.set_reply_mode(mode);
                mode == ReplyMode::On
            }
            Kind::Reset if succeeded(frame) => {
                let skipped = state.take_skip();
                state.reset();
                !skipped
            }
            Kind::Refusal(text) if !succeeded(frame) => {
                drop(state);
                head.owner.deliver_local(text);
                false
            }
            Kind::Monitor if frame == OK => {
                state.monitor = true;
                !state.take_mute()
            }
            Kind::Hello(_) => {
                state.learn_version(frame.first().copied());
                !state.take_mute()
            }
            _ => !state.take_mute(),
        }
    }

    /// A login changes what we may ask: on a node whose role discovery could not verify, the link
    /// asks itself now, before anything else is sent on it.
    fn after_login(&mut self, succeeded: bool, link: &Link) {
        let Some(head) = self.slots.front() else {
            return;
        };
        if !matches!(head.kind, Kind::Auth | Kind::Hello(true)) {
            return;
        }
        let owner = head.owner.clone();
        if succeeded && owner.role_pending.get() {
            link.send(b"*1\r\n$4\r\nROLE\r\n");
            self.expect(&owner, Kind::RoleCheck(true));
        } else {
            owner.unblock();
        }
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
                link.send(b"*1\r\n$5\r\nHELLO\r\n");
                self.expect(&owner, Kind::RoleCheck(false));
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

/// Whether a reply is no error.
fn succeeded(frame: &[u8]) -> bool {
    frame.first() != Some(&b'-')
}
