//! What one worker has found out about scripts, so that one that is loaded costs a look-up and no
//! lock; and what one link has asked the server to load.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Digest, Mark, Scripts};

/// Digests a worker remembers the standing of.
const KNOWN_MAX: usize = 16 * 1024;
/// Uses of a loaded script after which it counts as used lately again.
const TOUCH_EVERY: u32 = 64;

/// The scripts one link has asked the server to load at one mark: until it has answered, what
/// follows in the same pipeline must not ask for each again.
#[derive(Debug, Default)]
pub(in crate::worker) struct Loads {
    at: Mark,
    digests: HashSet<Digest>,
}

impl Loads {
    /// Notes that the script is being loaded at `mark`; `false` when it was noted before.
    pub(in crate::worker) fn begin(&mut self, digest: Digest, mark: Mark) -> bool {
        if self.at != mark || self.digests.len() >= KNOWN_MAX {
            self.digests.clear();
            self.at = mark;
        }
        self.digests.insert(digest)
    }
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    /// Loaded by way of its text, and never used by its digest.
    Given,
    /// Loaded, and used this often since the shelf was told.
    Loaded(u32),
    /// Nobody gave its text, when so many had been added.
    Unknown(u64),
}

/// What one worker knows of scripts at one mark.
#[derive(Debug, Default)]
pub(in crate::worker) struct Known {
    at: Cell<Mark>,
    standings: RefCell<HashMap<Digest, Standing>>,
    /// Where nothing was missing when last looked.
    complete: Cell<Option<Mark>>,
}

impl Known {
    /// The text to load before the script can be used by its digest; none where it is loaded or
    /// not known at all.
    pub(in crate::worker) fn lacks(
        &self,
        scripts: &Scripts,
        digest: &Digest,
        mark: Mark,
    ) -> Option<Arc<[u8]>> {
        let mut standings = self.standings(mark);
        let added = scripts.added.load(Ordering::Relaxed);
        match standings.get_mut(digest) {
            Some(Standing::Loaded(uses)) if *uses < TOUCH_EVERY => {
                *uses += 1;
                return None;
            }
            Some(Standing::Unknown(then)) if *then == added => return None,
            _ => {}
        }
        let (standing, text) = match scripts.want(digest, mark) {
            Some((_, true)) => (Standing::Loaded(0), None),
            // Not before the server has said so.
            Some((text, false)) => return Some(text),
            None => (Standing::Unknown(added), None),
        };
        standings.insert(*digest, standing);
        text
    }

    /// A server took its text at `mark`.
    pub(in crate::worker) fn learn(&self, digest: Digest, mark: Mark) {
        self.standings(mark)
            .entry(digest)
            .or_insert(Standing::Given);
    }

    fn standings(&self, mark: Mark) -> RefMut<'_, HashMap<Digest, Standing>> {
        let mut standings = self.standings.borrow_mut();
        if self.at.replace(mark) != mark || standings.len() >= KNOWN_MAX {
            standings.clear();
        }
        standings
    }

    /// Whether this worker has seen the script loaded at `mark`.
    pub(in crate::worker) fn has(&self, digest: &Digest, mark: Mark) -> bool {
        let standings = self.standings.borrow();
        let there = |standing: &Standing| !matches!(standing, Standing::Unknown(_));
        self.at.get() == mark && standings.get(digest).is_some_and(there)
    }

    /// What is missing at `mark` for commands that cannot wait for it later.
    pub(in crate::worker) fn missing(
        &self,
        scripts: &Scripts,
        mark: Mark,
        most: usize,
    ) -> Vec<(Digest, Arc<[u8]>)> {
        if self.complete.get() == Some(mark) {
            return Vec::new();
        }
        let missing = scripts.missing(mark, most);
        if missing.is_empty() {
            self.complete.set(Some(mark));
        }
        missing
    }
}
