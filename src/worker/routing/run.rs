//! Neighbouring frames of one read that go to the same session.

use std::ops::Range;

use crate::worker::session::Session;

/// Neighbouring frames for one session, written to it in one go.
#[derive(Debug, Default)]
pub(super) struct Run(Range<usize>);

impl Run {
    pub(super) fn extend(&mut self, piece: Range<usize>) {
        if self.0.is_empty() {
            self.0 = piece;
        } else {
            self.0.end = piece.end;
        }
    }

    pub(super) fn flush(&mut self, chunk: &[u8], owner: Option<&Session>) {
        let run = std::mem::take(&mut self.0);
        if let Some(owner) = owner
            && !run.is_empty()
        {
            owner.deliver(&chunk[run]);
        }
    }
}
