//! Commands whose replies are not waited for any more: what only reads is asked for elsewhere when its
//! link is stuck, or a reply is too large for it. Their slots stay, for the replies still come; nobody
//! gets those.

use std::collections::HashMap;
use std::rc::Rc;

use crate::resp::{Class, Commands};
use crate::worker::session::Session;
use crate::worker::slot::{Kind, Slot};

use super::Flight;
use super::remains::Frames;

/// What one session has in flight, which only reads.
pub(in crate::worker) type Reads = (Rc<Session>, Vec<Box<[u8]>>);

impl Flight {
    /// Those who have nothing in flight here but what only reads, each with that; not the one whose
    /// command is the oldest.
    pub(in crate::worker) fn readers(&self, commands: &Commands) -> Vec<Reads> {
        let mut readers: HashMap<*const Session, Option<Reads>> = HashMap::new();
        for (nth, (slot, run)) in self.runs().enumerate() {
            if slot.kind == Kind::Abandoned {
                continue;
            }
            let entry = readers.entry(Rc::as_ptr(&slot.owner));
            let reads = entry.or_insert_with(|| Some((slot.owner.clone(), Vec::new())));
            if nth == 0 || !slot.only_reads(run, commands) {
                *reads = None;
            }
            reads
                .iter_mut()
                .for_each(|(_, frames)| frames.extend(slot.asked(run).map(Into::into)));
        }
        readers.into_values().flatten().collect()
    }

    /// Whether `session` has nothing in flight here but what only reads.
    pub(in crate::worker) fn only_reads(&self, commands: &Commands, session: &Rc<Session>) -> bool {
        let mut own = self.runs_of(session);
        own.all(|(slot, run)| slot.only_reads(run, commands))
    }

    /// Nobody waits any more for what `session` has in flight, which is given up here.
    pub(in crate::worker) fn take_all_of(&mut self, session: &Rc<Session>) -> Vec<Box<[u8]>> {
        let own = self.runs_of(session);
        let frames = own.flat_map(|(slot, run)| slot.asked(run).map(Into::into));
        let frames = frames.collect();
        self.abandon(session);
        frames
    }

    /// Nobody waits any more for what `session` has in flight.
    pub(in crate::worker) fn abandon(&mut self, session: &Rc<Session>) {
        let own = self
            .slots
            .iter_mut()
            .filter(|slot| Rc::ptr_eq(&slot.owner, session));
        own.for_each(|slot| slot.kind = Kind::Abandoned);
    }

    fn runs_of(&self, session: &Rc<Session>) -> impl Iterator<Item = (&Slot, &[u8])> {
        let own = |slot: &Slot| slot.kind != Kind::Abandoned && Rc::ptr_eq(&slot.owner, session);
        self.runs().filter(move |(slot, _)| own(slot))
    }

    /// All there is, each with its bytes where they are kept.
    fn runs(&self) -> impl Iterator<Item = (&Slot, &[u8])> {
        self.slots.iter().scan(self.head, |at, slot| {
            let run = match slot.kept {
                true => self.run(*at, slot.len),
                false => &[],
            };
            *at += run.len();
            Some((slot, run))
        })
    }
}

impl Slot {
    /// Of its bytes, those of the commands that have no reply yet.
    fn asked<'a>(&self, run: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Frames::new(run).skip(self.answered as usize)
    }

    fn only_reads(&self, run: &[u8], commands: &Commands) -> bool {
        let reads = |frame| commands.class(frame) == Class::Read;
        self.kind == Kind::Plain && self.kept && self.asked(run).all(reads)
    }
}
