//! What a connection is called: its own name, and the name and version of its client's library. They
//! are for people to read and change no reply, so that a link may be given back with them; whoever
//! takes it has it called anew.

use crate::resp::Args;

use super::login::command;

/// The three names, each as the command that gives it; empty while there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names([Vec<u8>; 3]);

/// The words that take each of them away.
const NAMELESS: [&[&[u8]]; 3] = [
    &[b"CLIENT", b"SETNAME", b""],
    &[b"CLIENT", b"SETINFO", b"LIB-NAME", b""],
    &[b"CLIENT", b"SETINFO", b"LIB-VER", b""],
];

impl Names {
    /// Learns from a command that succeeded, if it gives a name.
    pub(super) fn learn(&mut self, frame: &[u8]) {
        let args: Vec<_> = Args::new(frame).collect();
        let is = |at: usize, word: &[u8]| {
            let arg = args.get(at);
            arg.is_some_and(|arg| arg.eq_ignore_ascii_case(word))
        };
        let kept = match () {
            () if is(0, b"HELLO") => return self.learn_hello(&args),
            () if is(1, b"SETNAME") => 0,
            () if is(1, b"SETINFO") && is(2, b"LIB-NAME") => 1,
            () if is(1, b"SETINFO") => 2,
            () => return,
        };
        self.set(kept, args.into_iter());
    }

    fn learn_hello(&mut self, args: &[&[u8]]) {
        let mut options = args.get(2..).unwrap_or_default();
        while let [option, after @ ..] = options {
            options = match after {
                [_, _, after @ ..] if option.eq_ignore_ascii_case(b"AUTH") => after,
                [name, after @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                    self.set(0, [&b"CLIENT"[..], b"SETNAME", name].into_iter());
                    after
                }
                _ => after,
            };
        }
    }

    fn set<'a>(&mut self, at: usize, words: impl Iterator<Item = &'a [u8]> + Clone) {
        if let Some(kept) = self.0.get_mut(at) {
            *kept = command(words);
        }
    }

    /// What makes a connection that has `self` have `wanted`.
    pub(super) fn changes(&self, wanted: &Self) -> Vec<Vec<u8>> {
        let mut changes = Vec::new();
        for ((had, wanted), nameless) in self.0.iter().zip(&wanted.0).zip(NAMELESS) {
            if had != wanted {
                changes.push(match wanted.is_empty() {
                    true => command(nameless.iter().copied()),
                    false => wanted.clone(),
                });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: &str) -> Vec<u8> {
        command(line.split(' ').map(str::as_bytes))
    }

    fn names(lines: &[&str]) -> Names {
        let mut names = Names::default();
        lines.iter().for_each(|line| names.learn(&frame(line)));
        names
    }

    #[test]
    fn only_what_differs_is_told() {
        let ann = names(&["CLIENT SETNAME ann", "CLIENT SETINFO LIB-NAME lib"]);
        let bob = names(&[
            "HELLO 3 AUTH SETNAME x SETNAME bob",
            "client setinfo lib-ver 2",
        ]);
        assert!(ann.changes(&ann).is_empty());
        let nameless = frame("CLIENT SETINFO LIB-NAME ");
        let expected = [
            frame("CLIENT SETNAME bob"),
            nameless,
            frame("client setinfo lib-ver 2"),
        ];
        assert_eq!(ann.changes(&bob), expected);
        assert_eq!(Names::default().changes(&ann).len(), 2);
        assert_eq!(ann.changes(&Names::default()).len(), 2);
    }
}
