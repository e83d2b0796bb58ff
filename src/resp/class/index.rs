//! Finds a name in a table without a search, for this is asked of every command.
//!
//! A hash table of positions, made at compile time; the tables stay sorted for their readers.

/// Positions in one table, by name; `SLOTS`, a power of two, is above the number of its names.
pub(super) struct Index<const SLOTS: usize> {
    /// One more than a position; 0 where there is none.
    slots: [u16; SLOTS],
}

impl<const SLOTS: usize> Index<SLOTS> {
    const MASK: usize = SLOTS - 1;

    /// The index of `table`.
    pub(super) const fn of<T>(table: &[(&str, T)]) -> Self {
        assert!(SLOTS.is_power_of_two() && table.len() < SLOTS && SLOTS < 1 << 16);
        let mut slots = [0; SLOTS];
        let mut at = 0;
        // Indexing is checked when this is evaluated, at compile time.
        while at < table.len() {
            let mut slot = hash(table[at].0.as_bytes()) & Self::MASK;
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

    /// What `table`, the one this is the index of, has for `name`.
    #[inline]
    pub(super) fn find<T: Copy>(&self, table: &[(&str, T)], name: &[u8]) -> Option<T> {
        let mut slot = hash(name) & Self::MASK;
        // There is an empty slot, so this ends.
        loop {
            let above = usize::from(*self.slots.get(slot)?);
            let (listed, found) = table.get(above.checked_sub(1)?)?;
            if listed.as_bytes() == name {
                return Some(*found);
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
