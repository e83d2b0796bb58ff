//! The scripts clients have given servers. A server does not hand its scripts on to the one that
//! takes its place, so their text is kept here, to be loaded there when it is asked for by digest.
//!
//! `Scripts` is the front's, behind a lock; `Known` is what one worker has found out from it, so
//! that a script that is loaded costs a look-up and no lock. Functions are replicated and no matter
//! of ours.

mod commands;
mod known;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use commands::{Effect, asked_for, digest_of, effect};
pub(super) use known::{Known, Loads};

/// Bytes of text kept for all clients; what was used longest ago goes first.
const KEPT_MAX: usize = 16 * 1024 * 1024;
/// What one script costs beside its text.
const ENTRY_COST: usize = 256;

/// What a script is asked for by.
pub(crate) type Digest = [u8; 20];

/// Where a script was seen to be loaded: counts for as long as nothing has changed there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    generation: u64,
    era: u64,
}

#[derive(Debug)]
struct Script {
    text: Arc<[u8]>,
    /// It was asked for by its digest, or given for that.
    wanted: bool,
    loaded: Mark,
    used: u64,
}

#[derive(Debug, Default)]
struct Shelf {
    scripts: HashMap<Digest, Script>,
    by_use: BTreeMap<u64, Digest>,
    clock: u64,
    bytes: usize,
}

impl Shelf {
    fn touch(&mut self, digest: &Digest) {
        self.clock += 1;
        if let Some(script) = self.scripts.get_mut(digest) {
            self.by_use.remove(&script.used);
            script.used = self.clock;
            self.by_use.insert(self.clock, *digest);
        }
    }

    fn add(&mut self, digest: Digest, text: &[u8]) {
        self.bytes += text.len() + ENTRY_COST;
        let script = Script {
            text: text.into(),
            wanted: false,
            loaded: Mark::default(),
            used: 0,
        };
        self.scripts.insert(digest, script);
        self.touch(&digest);
        while self.bytes > KEPT_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            let dropped = self.scripts.remove(&oldest);
            self.bytes -= dropped.map_or(0, |script| script.text.len() + ENTRY_COST);
        }
    }
}

/// The scripts of a front.
#[derive(Debug, Default)]
pub struct Scripts {
    shelf: Mutex<Shelf>,
    era: AtomicU64,
    /// How often a script was added.
    added: AtomicU64,
}

impl Scripts {
    /// A script that is loaded from now on is loaded there.
    pub(super) fn mark(&self, generation: u64) -> Mark {
        let era = self.era.load(Ordering::Relaxed);
        Mark { generation, era }
    }

    /// Scripts that were loaded may not be any more.
    pub(super) fn doubt(&self) {
        self.era.fetch_add(1, Ordering::Relaxed);
    }

    /// SCRIPT FLUSH: who drops all scripts does not want them back.
    pub(super) fn forget_all(&self) {
        *self.shelf() = Shelf::default();
        self.doubt();
    }

    /// A server took this text at `mark`; `wanted` when it did so for its digest to be used.
    pub(super) fn learn(&self, text: &[u8], wanted: bool, mark: Mark) -> Digest {
        let digest = digest_of(text);
        let mut shelf = self.shelf();
        if shelf.scripts.contains_key(&digest) {
            shelf.touch(&digest);
        } else {
            shelf.add(digest, text);
            self.added.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(script) = shelf.scripts.get_mut(&digest) {
            script.loaded = mark;
            script.wanted |= wanted;
        }
        digest
    }

    /// The script was loaded at `mark`.
    pub(super) fn loaded(&self, digest: &Digest, mark: Mark) {
        if let Some(script) = self.shelf().scripts.get_mut(digest) {
            script.loaded = mark;
        }
    }

    /// Its digest was used: the text, where it is known, and whether it is loaded at `mark`.
    pub(super) fn want(&self, digest: &Digest, mark: Mark) -> Option<(Arc<[u8]>, bool)> {
        let mut shelf = self.shelf();
        shelf.touch(digest);
        let script = shelf.scripts.get_mut(digest)?;
        script.wanted = true;
        Some((script.text.clone(), script.loaded == mark))
    }

    /// What may be used by its digest and is not loaded at `mark`, last used first, up to so many
    /// bytes.
    pub(super) fn missing(&self, mark: Mark, most: usize) -> Vec<(Digest, Arc<[u8]>)> {
        let shelf = self.shelf();
        let mut left = most;
        let latest = shelf.by_use.values().rev();
        latest
            .filter_map(|digest| Some((*digest, shelf.scripts.get(digest)?)))
            .filter(|(_, script)| script.wanted && script.loaded != mark)
            .map_while(|(digest, script)| {
                left = left.checked_sub(script.text.len())?;
                Some((digest, script.text.clone()))
            })
            .collect()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // A panic in between would leave at worst a count that is off.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
