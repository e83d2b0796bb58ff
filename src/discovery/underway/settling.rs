//! Ends of failovers that were not heard of: events can be missed, and a Sentinel that is restarted
//! publishes no abort. The polls and the replicas tell instead, and a step then need not be
//! remembered until it is too old.
//!
//! A Sentinel that does not answer proves nothing: it may be cut off from us alone and lead on. Its
//! step then counts until it is too old.
//!
//! It takes no sign back that somebody still gives, and the least wait of `may_open` stays.

use std::collections::BTreeSet;

use super::{MASTERS_MAX, Underway};
use crate::discovery::election::Millis;
use crate::net::HostPort;

impl Underway {
    /// A node, asked at `at`, said that it is a replica.
    pub(super) fn note_follower(&mut self, address: &HostPort, at: Millis) {
        if self.followers.len() < MASTERS_MAX || self.followers.contains_key(address) {
            self.followers.insert(address.clone(), at);
        }
    }

    /// Whether polls show the end of a failover whose abort was not heard.
    pub(crate) fn may_have_ended(&self) -> bool {
        self.shown.values().any(|shown| shown.ended.is_some())
    }

    /// Forgets the steps of failovers that have ended unheard: their Sentinels show them no more, and
    /// since then the replica chosen has said that it is one; where no choice was heard of, all of
    /// `replicas` have. A silent one may have been told to become a primary, so it is waited for as
    /// long as a step is remembered.
    pub(crate) fn settle(&mut self, replicas: &BTreeSet<&HostPort>) {
        let followers = &self.followers;
        for shown in self.shown.values_mut() {
            let Some(ended) = shown.ended else { continue };
            let follows = |node: &HostPort| followers.get(node).is_some_and(|at| *at >= ended);
            let settled = match &shown.selected {
                Some((_, chosen)) => follows(chosen),
                None => !replicas.is_empty() && replicas.iter().all(|node| follows(node)),
            };
            if settled {
                shown.step = None;
                shown.selected = None;
                shown.ended = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
