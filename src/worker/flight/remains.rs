//! What is left of the commands in flight when their link is lost: each with its bytes, where those
//! are kept, and whether the socket took the last of them.

use std::rc::Rc;

use crate::resp::{RequestScanner, Scanned};
use crate::worker::session::Session;
use crate::worker::slot::Kind;

use super::Flight;

impl Flight {
    /// Gives up all commands, oldest first, each with its bytes where they are kept and whether
    /// the last `unwritten` bytes of all that was sent include its end.
    pub(in crate::worker) fn dismantle(mut self, unwritten: usize) -> Vec<Remains> {
        let sent = self.slots.iter().map(|slot| slot.len).sum::<u64>() + self.taken_back;
        // Of the first slot, what was answered is counted too: its bytes went first of all.
        let written = sent.saturating_sub(unwritten as u64);
        let (mut stream, mut at) = (0, self.head);
        let mut remains = Vec::new();
        for slot in std::mem::take(&mut self.slots) {
            let from = stream;
            stream += slot.len;
            if slot.kind == Kind::Abandoned {
                at += if slot.kept {
                    self.run(at, slot.len).len()
                } else {
                    0
                };
                continue;
            }
            if !slot.kept {
                let ends = unkept(slot.count, from < written, stream <= written);
                let mut kind = Some(slot.kind);
                remains.extend(ends.map(|written| Remains {
                    owner: slot.owner.clone(),
                    kind: kind.take().unwrap_or(Kind::Plain),
                    frame: None,
                    written,
                }));
                continue;
            }
            let run = self.run(at, slot.len);
            at += run.len();
            if slot.count == 1 && slot.answered == 0 {
                remains.push(Remains::of(slot.owner, slot.kind, run, stream <= written));
                continue;
            }
            let mut end = from;
            for (nth, frame) in (0..).zip(Frames::new(run)) {
                end += frame.len() as u64;
                if nth >= slot.answered {
                    let owner = slot.owner.clone();
                    remains.push(Remains::of(owner, Kind::Plain, frame, end <= written));
                }
            }
        }
        remains
    }
}

/// Which commands of a slot whose bytes are not kept may be written. Where they end in a run is not
/// known without those: once it is `begun`, any may be, but the last one is only when all is
/// `written`.
fn unkept(count: u32, begun: bool, written: bool) -> impl Iterator<Item = bool> {
    (1..=count).map(move |nth| if nth == count { written } else { begun })
}

/// A command that was in flight on a link that is lost.
#[derive(Debug)]
pub(in crate::worker) struct Remains {
    /// Whose it was.
    pub(in crate::worker) owner: Rc<Session>,
    pub(in crate::worker) kind: Kind,
    /// What was sent for it, where that is known.
    pub(in crate::worker) frame: Option<Box<[u8]>>,
    /// The socket took it to its last byte.
    pub(in crate::worker) written: bool,
}

impl Remains {
    fn of(owner: Rc<Session>, kind: Kind, frame: &[u8], written: bool) -> Self {
        Self {
            owner,
            kind,
            frame: Some(frame.into()),
            written,
        }
    }
}

/// Splits what was sent back into commands; it was scanned once, so it is known to be whole.
pub(super) struct Frames<'a>(pub(super) &'a [u8]);

impl<'a> Frames<'a> {
    pub(super) fn new(run: &'a [u8]) -> Self {
        Self(run)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match RequestScanner::new().scan(self.0) {
            Ok(Scanned::Command { len }) if len > 0 => {
                let (frame, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Some(frame)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(begun: bool, written: bool) -> Vec<bool> {
        unkept(3, begun, written).collect()
    }

    #[test]
    fn of_a_run_that_was_begun_only_the_last_is_known_not_to_be_written() {
        assert_eq!(written(false, false), [false; 3]);
        assert_eq!(written(true, false), [true, true, false]);
        assert_eq!(written(true, true), [true; 3]);
    }
}
