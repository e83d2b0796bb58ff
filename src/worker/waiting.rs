//! WAIT and WAITAOF count the replicas that have received what was written on their own connection.
//! A link that took another's place has written nothing yet, so a server would count every replica
//! there is. So something is written on it first, that does no harm: a message that nobody hears.

use crate::resp::questions::MOVE_OFFSET;
use crate::resp::{Args, replies};

use super::link::Link;
use super::prelude::Question;
use super::slot::Kind;

/// What a server knows of the writes of a link's client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Offset {
    /// All of them.
    #[default]
    Stands,
    /// None of those made on an earlier link.
    Unknown,
    /// Likewise, and it cannot be moved; other commands may have done so since.
    Refused,
}

impl Link {
    /// What is to be asked before a WAIT counts truly; none where it does already.
    pub(super) fn wait_prelude(&self, frame: &[u8]) -> Option<Question> {
        if self.offset.get() == Offset::Stands || !is_wait(frame) {
            return None;
        }
        self.offset.set(Offset::Stands);
        Some(Question::new(Kind::OwnPublish, MOVE_OFFSET))
    }

    /// The server answered that question.
    pub(super) fn learn_offset(&self, moved: bool) {
        if !moved {
            self.offset.set(Offset::Refused);
        }
        self.miscounts.set(!moved);
    }

    /// A command is sent, which may be a write.
    pub(super) fn may_move_offset(&self) {
        if self.offset.get() == Offset::Refused {
            self.offset.set(Offset::Stands);
        }
    }
}

/// Nobody is known to have received anything: the answer to `frame`, a WAIT or WAITAOF.
pub(super) fn nobody(frame: &[u8]) -> &'static [u8] {
    let name = Args::new(frame).next().unwrap_or_default();
    match name.eq_ignore_ascii_case(b"WAITAOF") {
        true => replies::TWO_ZEROS,
        false => replies::ZERO,
    }
}

fn is_wait(frame: &[u8]) -> bool {
    let name = Args::new(frame).next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"WAIT") || name.eq_ignore_ascii_case(b"WAITAOF")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_zero_of_its_own() {
        let frame = |name: &str| format!("*1\r\n${}\r\n{name}\r\n", name.len()).into_bytes();
        assert_eq!(nobody(&frame("wait")), b":0\r\n");
        assert_eq!(nobody(&frame("waitaof")), b"*2\r\n:0\r\n:0\r\n");
        assert!(is_wait(&frame("WAIT")) && is_wait(&frame("WaitAof")));
        assert!(!is_wait(&frame("BLPOP")));
    }
}
