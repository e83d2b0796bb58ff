//! The commands in flight on a link, in the order their replies are due, with the bytes that were
//! sent for them: after a loss they may have to be sent again, and a reply may only be understood
//! together with its command.
//!
//! Runs of ordinary commands share a slot: a pipeline of a thousand GETs is a few entries with a
//! count each. An idle link has no flight at all; flights come from the worker's store and go back
//! to it when nothing is in flight any more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::resp::{RequestScanner, Scanned};

use super::session::Session;
use super::slot::{Kind, Slot};

/// Bytes kept for one link. What a client sends beyond that without reading replies is in flight
/// all the same, but cannot be sent again.
pub(super) const KEPT_MAX: usize = 1024 * 1024;
/// A run of ordinary commands ends here, so that the bytes of those answered can be let go.
const RUN_MAX: u64 = 16 * 1024;
/// Answered bytes at the front, from which on the rest is moved there.
const COMPACT_MIN: usize = 64 * 1024;
/// What a stored flight may hold on to.
const STORED_BYTES_MAX: usize = 64 * 1024;
const STORED_SLOTS_MAX: usize = 1024;
/// Flights a worker stores.
const STORE_MAX: usize = 1024;

/// Commands in flight, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    slots: VecDeque<Slot>,
    /// What was sent for the slots that are kept, from `head` on.
    bytes: Vec<u8>,
    head: usize,
    /// Bytes that were sent for a command that was taken back.
    taken_back: u64,
    /// Which command of the oldest slot was asked for last, and where it begins in the slot.
    found: Cell<(u32, usize)>,
}

impl Flight {
    /// Notes one more command of `owner`, for which `len` bytes are sent in the same turn: those
    /// are handed to [`Flight::keep`], before anything else is.
    pub(super) fn push(&mut self, owner: &Rc<Session>, kind: Kind, len: usize) {
        let len = len as u64;
        if kind == Kind::Plain
            && let Some(last) = self.slots.back_mut()
            && last.kind == Kind::Plain
            && last.kept
            && last.len < RUN_MAX
            && Rc::ptr_eq(&last.owner, owner)
        {
            last.count += 1;
            last.len += len;
            return;
        }
        self.slots.push_back(Slot {
            owner: owner.clone(),
            kind,
            count: 1,
            answered: 0,
            len,
            kept: true,
        });
    }

    /// Notes a command whose bytes, `len` so far, are not kept.
    pub(super) fn push_unkept(&mut self, owner: &Rc<Session>, kind: Kind, len: usize) {
        // Never part of a run, whose bytes are kept.
        self.slots.push_back(Slot {
            owner: owner.clone(),
            kind,
            count: 1,
            answered: 0,
            len: len as u64,
            kept: false,
        });
    }

    /// Keeps what is sent for the commands noted last.
    pub(super) fn keep(&mut self, sent: &[u8]) {
        if self.bytes.len() - self.head + sent.len() > KEPT_MAX {
            self.slots.iter_mut().for_each(|slot| slot.kept = false);
            self.bytes = Vec::new();
            self.head = 0;
        } else {
            self.bytes.extend_from_slice(sent);
        }
    }

    /// More of the command noted last, which is not kept, is sent.
    pub(super) fn extend_unkept(&mut self, n: usize) {
        if let Some(last) = self.slots.back_mut() {
            last.len += n as u64;
        }
    }

    /// Takes back what was noted last: that command will never be complete.
    pub(super) fn unpush(&mut self) {
        let slot = self.slots.pop_back();
        self.taken_back += slot.map_or(0, |slot| slot.len);
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&Slot> {
        self.slots.front()
    }

    /// The oldest.
    pub(super) fn front_mut(&mut self) -> Option<&mut Slot> {
        self.slots.front_mut()
    }

    /// The oldest command as it was sent, where it is kept.
    pub(super) fn front_frame(&self) -> Option<&[u8]> {
        let first = self.slots.front().filter(|slot| slot.kept)?;
        let run = self.run(self.head, first.len);
        let (nth, at) = self.found.get();
        let mut frames = Frames::new(run.get(at..)?);
        let frame = frames.nth(usize::try_from(first.answered.checked_sub(nth)?).ok()?)?;
        let at = run.len() - frames.0.len() - frame.len();
        self.found.set((first.answered, at));
        Some(frame)
    }

    fn run(&self, from: usize, len: u64) -> &[u8] {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let run = from..from.saturating_add(len);
        self.bytes.get(run).unwrap_or_default()
    }

    /// The oldest command, which is completely written, with its bytes where they are kept.
    pub(super) fn front_remains(&mut self) -> Option<Remains> {
        let frame = self.front_frame().map(Into::into);
        let first = self.slots.front_mut()?;
        let kind = match first.kind {
            Kind::Plain => Kind::Plain,
            _ => std::mem::replace(&mut first.kind, Kind::Plain),
        };
        Some(Remains {
            kind,
            frame,
            written: true,
        })
    }

    /// One command of the oldest slot is answered.
    pub(super) fn pop(&mut self) {
        let Some(first) = self.slots.front_mut() else {
            return;
        };
        first.count -= 1;
        first.answered += 1;
        if first.count > 0 {
            return;
        }
        self.found.take();
        if let Some(done) = self.slots.pop_front()
            && done.kept
        {
            self.head += usize::try_from(done.len).unwrap_or(0);
        }
        if self.head == self.bytes.len() {
            self.bytes.clear();
            self.head = 0;
        } else if self.head >= COMPACT_MIN && self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }

    /// Whether there is one of this kind behind the oldest.
    pub(super) fn has_later(&self, kind: &Kind) -> bool {
        self.slots.iter().skip(1).any(|slot| slot.kind == *kind)
    }

    /// Distinct runs of commands in flight.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Gives up all commands, oldest first, each with its bytes where they are kept and whether
    /// the last `unwritten` bytes of all that was sent include its end.
    pub(super) fn dismantle(mut self, unwritten: usize) -> Vec<Remains> {
        let sent = self.slots.iter().map(|slot| slot.len).sum::<u64>() + self.taken_back;
        // Of the first slot, what was answered is counted too: its bytes went first of all.
        let written = sent.saturating_sub(unwritten as u64);
        let (mut stream, mut at) = (0, self.head);
        let mut remains = Vec::new();
        for slot in std::mem::take(&mut self.slots) {
            let from = stream;
            stream += slot.len;
            if !slot.kept {
                remains.extend(unkept(
                    slot.kind,
                    slot.count,
                    from < written,
                    stream <= written,
                ));
                continue;
            }
            let run = self.run(at, slot.len);
            at += run.len();
            if slot.count == 1 && slot.answered == 0 {
                remains.push(Remains::of(slot.kind, run, stream <= written));
                continue;
            }
            let mut end = from;
            for (nth, frame) in (0..).zip(Frames::new(run)) {
                end += frame.len() as u64;
                if nth >= slot.answered {
                    remains.push(Remains::of(Kind::Plain, frame, end <= written));
                }
            }
        }
        remains
    }
}

/// The commands of a slot whose bytes are not kept. Where they end in a run is not known without
/// those: once it is `begun`, any may be written, but the last one is only when all is `written`.
fn unkept(kind: Kind, count: u32, begun: bool, written: bool) -> impl Iterator<Item = Remains> {
    let mut kind = Some(kind);
    (1..=count).map(move |nth| Remains {
        kind: kind.take().unwrap_or(Kind::Plain),
        frame: None,
        written: if nth == count { written } else { begun },
    })
}

/// A command that was in flight on a link that is lost.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) kind: Kind,
    /// What was sent for it, where that is known.
    pub(super) frame: Option<Box<[u8]>>,
    /// The socket took it to its last byte.
    pub(super) written: bool,
}

impl Remains {
    fn of(kind: Kind, frame: &[u8], written: bool) -> Self {
        Self {
            kind,
            frame: Some(frame.into()),
            written,
        }
    }
}

/// Splits what was sent back into commands; it was scanned once, so it is known to be whole.
struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    fn new(run: &'a [u8]) -> Self {
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

/// Flights at rest, so that a command needs no memory of its own.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "what is stored is the allocation that a link borrows"
)]
pub(crate) struct Store(RefCell<Vec<Box<Flight>>>);

impl Store {
    /// One with nothing in it.
    pub(super) fn take(&self) -> Box<Flight> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes back one that has come to its end.
    pub(super) fn put(&self, mut flight: Box<Flight>) {
        flight.taken_back = 0;
        let mut store = self.0.borrow_mut();
        if store.len() < STORE_MAX
            && flight.is_empty()
            && flight.bytes.capacity() <= STORED_BYTES_MAX
            && flight.slots.capacity() <= STORED_SLOTS_MAX
        {
            store.push(flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(begun: bool, written: bool) -> Vec<bool> {
        let remains = unkept(Kind::Plain, 3, begun, written);
        remains.map(|it| it.written).collect()
    }

    #[test]
    fn of_a_run_that_was_begun_only_the_last_is_known_not_to_be_written() {
        assert_eq!(written(false, false), [false; 3]);
        assert_eq!(written(true, false), [true, true, false]);
        assert_eq!(written(true, true), [true; 3]);
    }
}
