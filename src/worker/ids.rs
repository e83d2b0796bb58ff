//! The ids clients are known by. A server's ids begin anew on every node, so a client is told one
//! of ours instead, which it keeps for life; where a command names another client by it, the server
//! is told the id that client's link has there at this moment.
//!
//! CLIENT INFO, LIST and TRACKINGINFO describe upstream connections and are left as they are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Set in every id of ours, and beyond what a server counts to; what is below it still is a number
/// to clients that know only floating point.
const MARK: u64 = 1 << 52;
/// Bits of the number a client has in this process; those between are the process's own.
const SERIAL_BITS: u32 = 32;
/// An upstream id no connection has, for clients that are not there.
const NOBODY: u64 = i64::MAX as u64;

/// All ids of a front. Locked only when an upstream id is learned, given up or asked for.
#[derive(Debug)]
pub struct Ids {
    prefix: u64,
    serial: AtomicU64,
    links: Mutex<HashMap<u64, Upstream>>,
}

#[derive(Debug, Clone, Copy)]
struct Upstream {
    generation: u64,
    id: u64,
    /// A server may have been told of it.
    told: bool,
}

impl Upstream {
    fn is(&self, other: &Self) -> bool {
        (self.generation, self.id) == (other.generation, other.id)
    }
}

impl Default for Ids {
    /// With a prefix of its own, so that another process's ids mean nothing here.
    fn default() -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        Self {
            prefix: MARK | (random % (MARK >> SERIAL_BITS)) << SERIAL_BITS,
            serial: AtomicU64::new(0),
            links: Mutex::default(),
        }
    }
}

impl Ids {
    /// An id for a new client.
    pub(super) fn next(&self) -> u64 {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        self.prefix | (serial % (1 << SERIAL_BITS))
    }

    /// The id to send to the primary of `generation` for the client of this id: one that nobody has
    /// where that client is unknown or has no link of that generation.
    pub(super) fn upstream(&self, client: u64, generation: u64) -> u64 {
        let mut links = self.links();
        let found = links.get_mut(&client);
        let found = found.filter(|upstream| upstream.generation == generation);
        found.map_or(NOBODY, |upstream| {
            upstream.told = true;
            upstream.id
        })
    }

    fn links(&self) -> MutexGuard<'_, HashMap<u64, Upstream>> {
        // Each use is one whole insertion, removal or look-up.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's link can be found by the client's id for as long as this lives.
#[derive(Debug)]
pub(super) struct Registration {
    ids: Arc<Ids>,
    client: u64,
    upstream: Upstream,
}

impl Registration {
    /// `client` has a link of `generation`, which the server calls `id`.
    pub(super) fn new(ids: &Arc<Ids>, client: u64, generation: u64, id: u64) -> Self {
        let upstream = Upstream {
            generation,
            id,
            told: false,
        };
        ids.links().insert(client, upstream);
        Self {
            ids: ids.clone(),
            client,
            upstream,
        }
    }

    /// Has it end, unless a server may have been told of the link by now: what it was told is about
    /// whoever has the link.
    pub(super) fn withdraw(&self) -> bool {
        let mut links = self.ids.links();
        match links.get(&self.client) {
            Some(found) if found.is(&self.upstream) && found.told => false,
            Some(found) if found.is(&self.upstream) => links.remove(&self.client).is_some(),
            _ => true,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut links = self.ids.links();
        let own = |found: &Upstream| found.is(&self.upstream);
        if links.get(&self.client).is_some_and(own) {
            links.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_high_distinct_and_exact_in_floating_point() {
        let ids = Ids::default();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a, b);
        for id in [a, b] {
            assert!((MARK..MARK << 1).contains(&id), "{id:x}");
        }
    }

    #[test]
    fn a_client_is_found_only_where_its_link_is() {
        let ids = Arc::new(Ids::default());
        let client = ids.next();
        assert_eq!(ids.upstream(client, 1), NOBODY);
        assert!(Registration::new(&ids, client, 1, 7).withdraw());
        assert_eq!(ids.upstream(client, 1), NOBODY);
        let first = Registration::new(&ids, client, 1, 7);
        assert_eq!(ids.upstream(client, 1), 7);
        assert_eq!(ids.upstream(client, 2), NOBODY, "a stranger has 7 there");
        assert!(!first.withdraw(), "a server was told of it");
        assert_eq!(ids.upstream(client, 1), 7);
        let second = Registration::new(&ids, client, 2, 9);
        drop(first);
        assert_eq!(
            ids.upstream(client, 2),
            9,
            "the older link does not take it away"
        );
        drop(second);
        assert_eq!(ids.upstream(client, 2), NOBODY);
    }
}
