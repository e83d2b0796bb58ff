//! Finds a name in the table without a search, for this is asked of every command.
//!
//! A hash table of positions, made at compile time; the table stays sorted for its readers.

use super::table::Entry;

/// Positions in the table, by name; `SLOTS`, a power of two, is above the number of its names.
pub(super) struct Index<const SLOTS: usize> {
    /// One more than a position; 0 where there is none.
    slots: [u16; SLOTS],
}

impl<const SLOTS: usize> Index<SLOTS> {
    const MASK: usize = SLOTS - 1;

    /// The index of `table`.
    pub(super) const fn of(table: &[Entry]) -> Self {
        assert!(SLOTS.is_power_of_two() && table.len() < SLOTS && SLOTS < 1 << 16);
        let mut slots = [0; SLOTS];
        let mut at = 0;
        // Indexing is checked when this is evaluated, at compile time.
        while at < table.len() {
            let mut slot = hash(table[at].name.as_bytes()) & Self::MASK;
            while slots[slot] != 0 {
                slot = (slot + 1) & Self::MASK;
            }
            at += 1;
            #[expect(clippy::cast_possible_truncation)] // There are fewer slots than that.
            let above = at as u16;
            slots[slot] = above;
        }
        Self { slots }
    }

    /// Where `table`, the one this is the index of, has `name`, and what it has there.
    #[inline]
    pub(super) fn find<'a>(&self, table: &'a [Entry], name: &[u8]) -> Option<(usize, &'a Entry)> {
        let mut slot = hash(name) & Self::MASK;
        // There is an empty slot, so this ends.
        loop {
            let above = usize::from(*self.slots.get(slot)?);
            let at = above.checked_sub(1)?;
            let entry = table.get(at)?;
            if entry.name.as_bytes() == name {
                return Some((at, entry));
            }
            slot = (slot + 1) & Self::MASK;
        }
    }
}

/// FNV-1a: short names, known beforehand, need no better one.
const fn hash(mut name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    while let [byte, rest @ ..] = name {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        name = rest;
    }
    (hash ^ (hash >> 15)) as usize
}
