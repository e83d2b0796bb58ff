//! Commands whose replies are not waited for any more: what only reads is asked for elsewhere when its
//! link is stuck. Their slots stay, for the replies still come; nobody gets those.

use std::collections::HashMap;
use std::rc::Rc;

use crate::resp::{Class, Commands};
use crate::worker::session::Session;
use crate::worker::slot::Kind;

use super::Flight;
use super::remains::Frames;

/// What one session has in flight, which only reads.
pub(in crate::worker) type Reads = (Rc<Session>, Vec<Box<[u8]>>);

impl Flight {
    /// Those who have nothing in flight here but what only reads, each with that; not the one whose
    /// command is the oldest.
    pub(in crate::worker) fn readers(&self, commands: &Commands) -> Vec<Reads> {
        let mut readers: HashMap<*const Session, Option<Reads>> = HashMap::new();
        let mut at = self.head;
        for (nth, slot) in self.slots.iter().enumerate() {
            let run = match slot.kept {
                true => self.run(at, slot.len),
                false => &[],
            };
            at += run.len();
            if slot.kind == Kind::Abandoned {
                continue;
            }
            let entry = readers.entry(Rc::as_ptr(&slot.owner));
            let reads = entry.or_insert_with(|| Some((slot.owner.clone(), Vec::new())));
            let asked = || Frames::new(run).skip(slot.answered as usize);
            let only_reads = || asked().all(|frame| commands.class(frame) == Class::Read);
            if nth == 0 || slot.kind != Kind::Plain || !slot.kept || !only_reads() {
                *reads = None;
            }
            reads
                .iter_mut()
                .for_each(|(_, frames)| frames.extend(asked().map(Into::into)));
        }
        readers.into_values().flatten().collect()
    }

    /// Nobody waits any more for what `session` has in flight.
    pub(in crate::worker) fn abandon(&mut self, session: &Rc<Session>) {
        let own = self
            .slots
            .iter_mut()
            .filter(|slot| Rc::ptr_eq(&slot.owner, session));
        own.for_each(|slot| slot.kind = Kind::Abandoned);
    }
}
