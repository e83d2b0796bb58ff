//! What a data node holds: a log of effects, the lists they make, and how a replica follows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// What a write did.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Put,
    Push(String),
    Pop(String),
}

/// One write.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) token: u64,
    effect: Effect,
    at: Instant,
}

/// Bytes of the replication stream that one write makes.
const ENTRY_LEN: i64 = 50;

/// The data.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) log: Vec<Entry>,
    lists: BTreeMap<String, VecDeque<u64>>,
}

impl Data {
    /// Carries out a write; what a pop took.
    pub(super) fn apply(&mut self, token: u64, effect: Effect) -> Option<u64> {
        let at = Instant::now();
        self.replay(Entry { token, effect, at })
    }

    fn replay(&mut self, entry: Entry) -> Option<u64> {
        let taken = match &entry.effect {
            Effect::Put => None,
            Effect::Push(list) => {
                let list = self.lists.entry(list.clone()).or_default();
                list.push_back(entry.token);
                None
            }
            Effect::Pop(list) => self.lists.get_mut(list)?.pop_front(),
        };
        self.log.push(entry);
        taken
    }

    pub(super) fn is_empty(&self, list: &str) -> bool {
        self.lists.get(list).is_none_or(VecDeque::is_empty)
    }

    pub(super) fn offset(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap_or(0) * ENTRY_LEN
    }

    /// Receives what `leader` executed at least `lag` ago; what it never had is forgotten.
    pub(super) fn follow(&mut self, leader: &Self, lag: Duration) {
        let now = Instant::now();
        let old_enough = |entry: &&Entry| entry.at + lag <= now;
        let received: Vec<_> = leader.log.iter().take_while(old_enough).cloned().collect();
        let same = |(ours, theirs): (&Entry, &Entry)| ours.token == theirs.token;
        let is_part = self.log.iter().zip(&leader.log).all(same);
        if is_part && self.log.len() >= received.len() && self.log.len() <= leader.log.len() {
            return;
        }
        *self = Self::default();
        for entry in received {
            self.replay(entry);
        }
    }
}
