//! Who may be taking our primary's place: chosen, told to, or promoted already.

use super::shown::{Shown, fresh};
use super::{STEP_MEMORY, Underway};
use crate::discovery::election::Millis;
use crate::discovery::event::PROMOTION_ORDERED;
use crate::net::HostPort;

/// How long a replica's word that it is a primary counts.
const ROLE_FRESH: Millis = 1_000;

impl Underway {
    /// A replica that was promoted in place of `ours`; the one a Sentinel chose, if there are more.
    pub(crate) fn promoted(&self, ours: &HostPort, now: Millis) -> Option<&HostPort> {
        let is_fresh = |at: Millis| now.saturating_sub(at) <= ROLE_FRESH;
        let masters = || {
            let fresh = self.masters.iter().filter(|(_, at)| is_fresh(**at));
            fresh.map(|(address, _)| address)
        };
        let others = || masters().filter(|address| *address != ours);
        others()
            .find(|address| self.is_selected(address, ours, now))
            .or_else(|| others().next())
    }

    /// Whether a replica was told to become the primary in place of `ours`.
    pub(crate) fn is_ordered(&self, ours: &HostPort, now: Millis) -> bool {
        let step = |shown: &Shown| {
            fresh(shown.step.as_ref(), ours, now, STEP_MEMORY)
                .is_some_and(|sign| sign.what == PROMOTION_ORDERED)
        };
        self.shown.values().any(step)
    }

    /// Replicas that a Sentinel chose to promote, in place of whomsoever.
    pub(crate) fn selected(&self, now: Millis) -> impl Iterator<Item = &HostPort> {
        let chosen = move |shown| Shown::chosen(shown, now);
        self.shown.values().filter_map(chosen).map(|(_, who)| who)
    }

    /// Whether a Sentinel chose this replica to be promoted in place of `ours`.
    pub(crate) fn is_selected(&self, address: &HostPort, ours: &HostPort, now: Millis) -> bool {
        let chosen = self.shown.values().filter_map(|shown| shown.chosen(now));
        let mut fitting = chosen.filter(|(sign, _)| sign.concerns(ours));
        fitting.any(|(_, who)| who == address)
    }
}
