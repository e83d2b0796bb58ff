//! Keeps the first word of a command while the scanner passes over it.
//!
//! In upper case and in place, so that an idle session holds no allocation for it; a word that
//! does not fit is not kept in part.

/// Longest word kept; the longest command name there is today, `RESTORE-ASKING`, has 14 bytes.
pub const NAME_LEN_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No byte of it was seen.
    Awaited,
    /// The kept bytes are its beginning.
    Growing,
    /// The kept bytes are all of it.
    Complete,
    /// It is too long, or went by unseen.
    Unknown,
}

/// The first word of one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstWord {
    state: State,
    /// Bytes in use; at most [`NAME_LEN_MAX`].
    len: u8,
    bytes: [u8; NAME_LEN_MAX],
}

impl FirstWord {
    pub(super) const AWAITED: Self = Self::in_state(State::Awaited);
    pub(super) const UNKNOWN: Self = Self::in_state(State::Unknown);

    const fn in_state(state: State) -> Self {
        Self {
            state,
            len: 0,
            bytes: [0; NAME_LEN_MAX],
        }
    }

    /// Forgets the word for the next frame's; cheaper than assigning `AWAITED`.
    pub(super) const fn clear(&mut self) {
        self.state = State::Awaited;
        self.len = 0;
    }

    /// Keeps a word that is all there.
    #[inline]
    pub(super) fn keep(&mut self, word: &[u8]) {
        self.state = State::Unknown;
        if let (Some(bytes), Ok(len)) = (self.bytes.get_mut(..word.len()), word.len().try_into()) {
            for (kept, byte) in bytes.iter_mut().zip(word) {
                *kept = byte.to_ascii_uppercase();
            }
            self.len = len;
            self.state = State::Complete;
        }
    }

    /// Begins a word of at least `len` bytes.
    pub(super) const fn begin(&mut self, len: usize) {
        self.state = match len <= NAME_LEN_MAX {
            true => State::Growing,
            false => State::Unknown,
        };
    }

    /// Adds a byte to a growing word.
    pub(super) fn grow(&mut self, byte: u8) {
        match self.bytes.get_mut(usize::from(self.len)) {
            Some(kept) => {
                *kept = byte.to_ascii_uppercase();
                self.len += 1;
            }
            None => self.state = State::Unknown,
        }
    }

    /// Ends a growing word.
    pub(super) fn end(&mut self) {
        if self.is_growing() {
            self.state = State::Complete;
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.state == State::Awaited
    }

    pub(super) fn is_growing(&self) -> bool {
        self.state == State::Growing
    }

    /// The word, if all of it is here.
    #[inline]
    pub(super) fn complete(&self) -> Option<&[u8]> {
        match self.state {
            State::Complete => self.bytes.get(..self.len.into()),
            _ => None,
        }
    }
}
