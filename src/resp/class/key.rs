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
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; LOOKED_UP_LEN_MAX],
            len: 0,
        }
    }

    /// Appends a subcommand; false if there is no room for it.
    pub(super) fn add_subcommand(&mut self, word: &[u8]) -> bool {
        self.add(&[BAR]) && self.add(word)
    }

    pub(super) fn name(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends `word`; false if there is no room for it.
    #[inline]
    pub(super) fn add(&mut self, word: &[u8]) -> bool {
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
