//! A transaction that is open on a link: MULTI and what the server has queued, so that it can be
//! queued again on another. Nothing of it is executed before its EXEC.

use crate::resp::{Class, RequestScanner, Scanned, class};

/// Bytes kept of one transaction; a longer one does not survive the loss of its link.
const KEPT_MAX: usize = 1024 * 1024;

/// MULTI was answered, EXEC was not.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    frames: Vec<u8>,
    /// Something that was queued is not in `frames`.
    incomplete: bool,
    /// The server refused something in between.
    refused: bool,
    sets: bool,
}

impl Transaction {
    /// MULTI succeeded.
    pub(super) fn begun(multi: Option<&[u8]>) -> Box<Self> {
        let mut transaction = Self::default();
        transaction.add(multi);
        Box::new(transaction)
    }

    /// The server has queued `frame`; none where its bytes were too many to be kept: `large` when
    /// it was itself.
    pub(super) fn queued(&mut self, frame: Option<&[u8]>, large: bool) {
        // No command that sets something is large.
        self.sets |= frame.map_or(!large, |frame| class(frame) == Class::Connection);
        self.add(frame);
    }

    fn add(&mut self, frame: Option<&[u8]>) {
        match frame {
            Some(frame) if self.frames.len() + frame.len() <= KEPT_MAX && !self.incomplete => {
                self.frames.extend_from_slice(frame);
            }
            _ => {
                self.incomplete = true;
                self.frames = Vec::new();
            }
        }
    }

    /// The server refused something instead of queueing it. Queued again without that, the rest might
    /// be executed although it must not be; what was queued is still wanted, because not every refusal
    /// has the server refuse EXEC (WATCH inside MULTI has not, on Redis 7.0).
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether all of it is at hand, and nothing was refused.
    pub(super) fn is_replayable(&self) -> bool {
        !self.incomplete && !self.refused
    }

    /// Whether all that was queued is at hand.
    pub(super) fn is_whole(&self) -> bool {
        !self.incomplete
    }

    /// Whether something in it changes the connection's state, if EXEC says so.
    pub(super) fn sets_state(&self) -> bool {
        self.sets
    }

    /// MULTI and the commands queued.
    pub(super) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.frames.as_slice();
        std::iter::from_fn(move || match RequestScanner::new().scan(rest) {
            Ok(Scanned::Command { len }) => {
                let (frame, after) = rest.split_at_checked(len)?;
                rest = after;
                Some(frame)
            }
            _ => None,
        })
    }
}
