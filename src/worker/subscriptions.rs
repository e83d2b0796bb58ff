//! The names a client is subscribed to, learned from the server's confirmations, so that a new link
//! can be subscribed to them again.

use std::collections::HashSet;

use crate::resp::{Args, Channels, Peek, first_word};

/// Names in one command when subscribing again.
const NAMES_MAX: usize = 512;
/// The kinds, in the order of [`Channels`].
const KINDS: [(Channels, &str); 3] = [
    (Channels::Channel, "SUBSCRIBE"),
    (Channels::Pattern, "PSUBSCRIBE"),
    (Channels::Shard, "SSUBSCRIBE"),
];

/// What may be remembered of one client: so many bytes of names, each with what it costs to keep it.
pub(super) const REMEMBERED_MAX: usize = 4 * 1024 * 1024;
/// What one name costs beside its bytes.
const NAME_COST: usize = 48;
/// What a client is told that asks for more.
pub(super) const TOO_MANY: &[u8] =
    b"-ERR steadfast: too many names to remember for one connection \
(4 MiB); this command was not sent\r\n";

/// Channels, patterns, shard channels.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    names: [HashSet<Box<[u8]>>; 3],
    bytes: usize,
}

impl Subscriptions {
    /// A confirmation came: its frame begins with `*3` or `>3`, the word, and the name or nil.
    pub(super) fn confirm(&mut self, frame: &[u8], kind: Channels) {
        let names = &mut self.names[kind as usize];
        let Peek::Word(word) = first_word(frame) else {
            return;
        };
        let ends = word.contains(&b'u') && word.windows(5).any(|part| part == b"unsub");
        match name(frame, word) {
            Some(name) if ends && names.remove(name) => {
                self.bytes = self.bytes.saturating_sub(cost(name));
            }
            Some(name) if !ends && names.insert(name.into()) => self.bytes += cost(name),
            Some(_) | None => {}
        }
    }

    /// What remembering them costs.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this channel is one of them.
    pub(super) fn has_channel(&self, name: &[u8]) -> bool {
        self.names[Channels::Channel as usize].contains(name)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.names.iter().all(HashSet::is_empty)
    }

    /// The commands that subscribe to all again, each with its kind and the confirmations it gets.
    pub(super) fn commands(&self) -> Vec<(Channels, usize, Vec<u8>)> {
        let mut commands = Vec::new();
        for (kind, word) in KINDS {
            let names: Vec<_> = self.names[kind as usize].iter().collect();
            for part in names.chunks(NAMES_MAX) {
                let mut frame = format!("*{}\r\n${}\r\n{word}\r\n", part.len() + 1, word.len());
                let mut frame = std::mem::take(&mut frame).into_bytes();
                for name in part {
                    frame.extend_from_slice(format!("${}\r\n", name.len()).as_bytes());
                    frame.extend_from_slice(name);
                    frame.extend_from_slice(b"\r\n");
                }
                commands.push((kind, part.len(), frame));
            }
        }
        commands
    }
}

fn cost(name: &[u8]) -> usize {
    name.len() + NAME_COST
}

/// What remembering all names of `frame`, one of the SUBSCRIBE family, would cost.
pub(super) fn cost_of_all(frame: &[u8]) -> usize {
    Args::new(frame).skip(1).map(cost).sum()
}

/// The bulk string that follows the word.
fn name<'a>(frame: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let at = frame.windows(word.len()).position(|part| part == word)?;
    let rest = frame.get(at + word.len() + 2..)?.strip_prefix(b"$")?;
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    let len: usize = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    rest.get(end + 2..)?.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_confirmations_and_asks_for_what_is_left() {
        let mut names = Subscriptions::default();
        let confirm = |names: &mut Subscriptions, word: &str, name: &str, kind| {
            let (n, m) = (word.len(), name.len());
            let frame = format!("*3\r\n${n}\r\n{word}\r\n${m}\r\n{name}\r\n:1\r\n");
            names.confirm(frame.as_bytes(), kind);
        };
        confirm(&mut names, "subscribe", "a", Channels::Channel);
        confirm(&mut names, "subscribe", "subscribe", Channels::Channel);
        confirm(&mut names, "psubscribe", "p*", Channels::Pattern);
        confirm(&mut names, "unsubscribe", "a", Channels::Channel);
        let nil = b"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n";
        names.confirm(nil, Channels::Channel);
        let commands = names.commands();
        assert_eq!(commands.len(), 2);
        let again = b"*2\r\n$9\r\nSUBSCRIBE\r\n$9\r\nsubscribe\r\n";
        assert_eq!(commands[0], (Channels::Channel, 1, again.to_vec()));
        assert_eq!(commands[1].0, Channels::Pattern);
        assert!(!names.is_empty());
    }
}
