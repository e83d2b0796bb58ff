//! The name by which a command is looked up, made without allocating.

use super::table::BAR;

/// Longest name looked up, a subcommand's with its command's and a bar.
const LOOKED_UP_LEN_MAX: usize = 32;

/// A name in upper case, of bounded length.
pub(super) struct Key {
    bytes: [u8; LOOKED_UP_LEN_MAX],
    len: usize,
}

impl Key {
    /// The key of a command; `None` if its name is too long for any in the table, or has a bar.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name.contains(&BAR) {
            true => None,
            false => Self::whole(name),
        }
    }

    /// The key of a command or, as the table and servers write it, of a subcommand.
    pub(super) fn whole(name: &[u8]) -> Option<Self> {
        let mut key = Self {
            bytes: [0; LOOKED_UP_LEN_MAX],
            len: 0,
        };
        key.add(name).then_some(key)
    }

    /// The key of a subcommand of this.
    pub(super) fn with(mut self, subcommand: &[u8]) -> Option<Self> {
        (self.add(&[BAR]) && self.add(subcommand)).then_some(self)
    }

    pub(super) fn name(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends `word`; false if there is no room for it.
    fn add(&mut self, word: &[u8]) -> bool {
        let end = self.len.saturating_add(word.len());
        let Some(room) = self.bytes.get_mut(self.len..end) else {
            return false;
        };
        for (kept, byte) in room.iter_mut().zip(word) {
            *kept = byte.to_ascii_uppercase();
        }
        self.len = end;
        true
    }
}
