//! How a worker acts by each new topology: what belongs to an older generation is cut first, then
//! the publisher is told that nothing more is sent to it.

use std::rc::Rc;

use tokio::time::Instant;

#[cfg(test)]
use crate::simulation::{Bug, planted};
use crate::topology::{Gate, Tally, View};

use super::loss::Loss;
use super::session::{Route, Session};
use super::{PULSE, Worker};

impl Worker {
    /// Acts by each new topology as it comes. Never returns.
    pub(super) async fn follow(self: Rc<Self>, mut view: View) {
        let mut pulse = tokio::time::interval(PULSE);
        // Everybody was told of this one: it must not be missed where the pulse comes with it.
        let mut told = None;
        loop {
            let expiry = self.hold_expiry().filter(|expiry| told != Some(*expiry));
            tokio::select! {
                // What must be confirmed first; the pulse has its pace, and so starves nothing.
                biased;
                () = view.changed() => self.adopt(&view),
                now = pulse.tick() => {
                    self.look(now.max(Instant::now()));
                    view.tell(self.tally());
                    self.tidy(Instant::now());
                    // There may be room for what was not read.
                    if !self.holds_off.take() {
                        continue;
                    }
                }
                () = self.feed_restored.notified() => {
                    self.confirm_restored(&view);
                    continue;
                }
                () = tokio::time::sleep_until(expiry.unwrap_or_else(Instant::now)), if expiry.is_some() => told = expiry,
            }
            self.wake_all();
        }
    }

    /// Takes over the newest topology: cuts what belongs to an older generation, then confirms.
    fn adopt(self: &Rc<Self>, view: &View) {
        let new = view.load();
        let old = self.topology.replace(new.clone());
        if old.generation != new.generation && old.generation > 0 {
            self.switched_at.set(Some(Instant::now()));
        }
        if old.gate == Gate::Shut && new.gate == Gate::Open {
            // The node may have been started anew.
            self.scripts.doubt();
        }
        for session in self.all() {
            let outdated = match &*session.route.borrow() {
                Route::Attached(link)
                    if link.generation != new.generation || new.is_superseded() =>
                {
                    Some(link.clone())
                }
                _ => None,
            };
            #[cfg(test)]
            let outdated = outdated.filter(|_| !planted(Bug::KeepsAnOldLink));
            if let Some(link) = outdated {
                session.lose_link(&link, Loss::Switch);
                self.counters.links_closed_by_switch.add(1);
            }
        }
        for link in self.commons.links() {
            if link.generation != new.generation || new.is_superseded() {
                self.lose_shared(&link, Loss::Switch, None);
                self.counters.links_closed_by_switch.add(1);
            }
        }
        let keeps = (!new.is_superseded()).then_some(new.generation);
        self.tidy_shelf(Instant::now(), keeps.unwrap_or_default());
        view.tell(self.tally());
        match new.gate {
            Gate::Restoring => self.confirm_restored(view),
            _ => view.confirm(&new),
        }
        if new.gate == Gate::Quiescing && old.gate != Gate::Quiescing {
            tokio::task::spawn_local(self.clone().call_back());
        }
    }

    /// Says that everybody here who listens hears the new primary, once that is so.
    fn confirm_restored(&self, view: &View) {
        let topology = self.topology();
        let is_deaf = |session: &Rc<Session>| session.is_deaf(topology.generation);
        if topology.gate == Gate::Restoring && !self.all().iter().any(is_deaf) {
            view.confirm(&topology);
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            links_closed: self.counters.links_closed_by_switch.load(),
            held: self.counters.held.load(),
            resent: self.counters.resent.load(),
            uncertain: self.counters.uncertain.load(),
        }
    }

    pub(super) fn wake_all(&self) {
        for session in self.all() {
            session.wake();
            if let Route::Attached(link) = &*session.route.borrow() {
                link.wake();
            }
        }
        self.commons.links().iter().for_each(|link| link.wake());
    }
}
