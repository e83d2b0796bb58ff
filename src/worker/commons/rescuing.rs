//! Reads that were sent behind a command that takes its time (CLIENT PAUSE, mostly): once a fresh
//! connection has shown that the server serves others meanwhile, they are asked for again on another
//! link. What is not known to read only waits, for it may have been executed.

use std::collections::VecDeque;
use std::rc::Rc;

use tokio::time::Instant;

use crate::worker::Worker;
use crate::worker::backlog::Item;
use crate::worker::ending::Phase;
use crate::worker::key::Key;
use crate::worker::link::Link;
use crate::worker::session::{Route, Session};
use crate::worker::slot::Kind;

use super::{Commons, bring};

/// A link that is stuck, and since when.
pub(super) struct Stuck {
    link: Rc<Link>,
    since: Instant,
}

impl Commons {
    /// The links of this key that are stuck now.
    pub(super) fn stuck(&self, key: &Key) -> Vec<Stuck> {
        let places = self.places.borrow();
        let place = places.iter().find(|place| place.key == *key);
        let links = place.into_iter().flat_map(|place| place.links.iter());
        let stuck = links.filter(|link| link.is_stuck()).map(|link| Stuck {
            link: link.clone(),
            since: link.progressed(),
        });
        stuck.collect()
    }

    /// Finds out whether the server serves others than those who wait behind something.
    pub(in crate::worker) fn look_after_stuck(&self, worker: &Rc<Worker>) {
        if !worker.may_send_now() {
            return;
        }
        for place in self.places.borrow_mut().iter_mut() {
            let crowded = |link: &Rc<Link>| link.is_stuck() && link.slots() > 1;
            if !place.dialling && place.links.iter().any(crowded) {
                place.dialling = true;
                tokio::task::spawn_local(bring(worker.clone(), place.key.clone()));
            }
        }
    }
}

impl Worker {
    /// The server answers others: those who only wait for reads on a link that has been stuck all the
    /// while go on elsewhere.
    pub(super) fn rescue(&self, stuck: &[Stuck]) {
        let topology = self.topology();
        for Stuck { link, since } in stuck {
            if !link.is_usable() || !link.is_stuck() || link.progressed() != *since {
                continue;
            }
            link.note_parked();
            let may_go = |session: &Rc<Session>| session.may_leave(link);
            if !self.may_send_now() {
                continue;
            }
            let mut router = link.router.borrow_mut();
            let readers = router.abandon_reads(&topology.commands, may_go);
            drop(router);
            for (session, frames) in readers {
                session.ask_elsewhere(frames);
            }
        }
    }
}

impl Session {
    fn may_leave(&self, link: &Rc<Link>) -> bool {
        let sits_there =
            matches!(&*self.route.borrow(), Route::Shared(own) if Rc::ptr_eq(own, link));
        sits_there
            && self.phase.get() == Phase::Open
            && !self.client_gone.get()
            && !self.has_backlog()
    }

    /// Goes on without its shared link, and without the replies to `frames`, all of which only read.
    fn ask_elsewhere(&self, frames: Vec<Box<[u8]>>) {
        self.leave_shared();
        let again = frames.into_iter().map(|frame| Item::Command {
            kind: Kind::Plain,
            frame,
            maybe_executed: true,
            apart: false,
        });
        self.backlog
            .borrow_mut()
            .put(again.collect::<VecDeque<_>>());
        self.wake();
    }
}
