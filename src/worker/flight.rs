//! The commands in flight on a link, in the order their replies are due, with the bytes that were
//! sent for them: after a loss they may have to be sent again, and a reply may only be understood
//! together with its command.
//!
//! Runs of ordinary commands share a slot: a pipeline of a thousand GETs is a few entries with a
//! count each. An idle link has no flight at all; flights come from the worker's store and go back
//! to it when nothing is in flight any more.

mod abandoning;
mod remains;
mod store;

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::resp::{Class, class};

use super::session::Session;
use super::slot::{Kind, Slot};

pub(super) use abandoning::Reads;
use remains::Frames;
pub(super) use remains::Remains;
pub(crate) use store::Store;

/// Bytes kept for one link. What a client sends beyond that without reading replies is in flight
/// all the same, but cannot be sent again.
pub(super) const KEPT_MAX: usize = 1024 * 1024;
/// A run of ordinary commands ends here, so that the bytes of those answered can be let go.
const RUN_MAX: u64 = 16 * 1024;
/// Answered bytes at the front, from which on the rest is moved there.
const COMPACT_MIN: usize = 64 * 1024;

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
        if matches!(kind, Kind::Plain)
            && let Some(last) = self.slots.back_mut()
            && matches!(last.kind, Kind::Plain)
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
            class: Class::Unknown,
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
            class: Class::Unknown,
        });
    }

    /// As [`Flight::push_unkept`], for a command of `class` of which nothing is sent yet.
    pub(super) fn push_streamed(&mut self, owner: &Rc<Session>, kind: Kind, class: Class) {
        self.push_unkept(owner, kind, 0);
        if let Some(last) = self.slots.back_mut() {
            last.class = class;
        }
    }

    /// The class of the oldest command.
    pub(super) fn front_class(&self) -> Class {
        let streamed = self.slots.front().map_or(Class::Unknown, |slot| slot.class);
        self.front_frame().map_or(streamed, class)
    }

    /// Keeps what is sent for the commands noted last, up to `most` bytes in all.
    pub(super) fn keep(&mut self, sent: &[u8], most: usize) {
        if self.kept() + sent.len() > most {
            self.slots.iter_mut().for_each(|slot| slot.kept = false);
            self.bytes = Vec::new();
            self.head = 0;
        } else {
            self.bytes.extend_from_slice(sent);
        }
    }

    /// Bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.bytes.len() - self.head
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

    /// The one after the oldest.
    pub(super) fn second(&self) -> Option<&Slot> {
        self.slots.get(1)
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
            owner: first.owner.clone(),
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

    /// Commands whose bytes are not kept.
    pub(super) fn unkept(&self) -> u64 {
        let unkept = self.slots.iter().filter(|slot| !slot.kept);
        unkept.map(|slot| u64::from(slot.count)).sum()
    }

    /// Commands in flight.
    pub(super) fn in_flight(&self) -> u64 {
        self.slots.iter().map(|slot| u64::from(slot.count)).sum()
    }

    /// Distinct runs of commands in flight.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}
