//! Bugs that can be planted in the production code, to see the simulation complain of them.

use std::cell::Cell;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A write that was completely written and has no reply is sent again.
    ResendsAWrite,
    /// What a stale Sentinel says is believed like anything newer.
    ForgetsTheEpoch,
    /// A switch does not close the links to the old primary.
    KeepsAnOldLink,
    /// What a lost link left behind is sent in another order.
    Reorders,
    /// The gate opens in place although a failover is under way.
    OpensTooEarly,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether this bug is planted on this thread.
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Plants a bug, if one is given, for as long as this lives.
pub(super) fn plant(bug: Option<Bug>) -> Planting {
    PLANTED.set(bug);
    Planting(())
}

/// A bug is planted.
pub(super) struct Planting(());

impl Drop for Planting {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}
