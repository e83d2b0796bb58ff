//! One task's waker, for whoever has news for it.

use std::cell::Cell;
use std::task::{Context, Waker};

/// Holds the waker of the task that polls its owner.
#[derive(Default)]
pub(crate) struct WakeSlot(Cell<Option<Waker>>);

impl WakeSlot {
    /// Remembers the task of this poll.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let known = self.0.take();
        let same = known.filter(|waker| waker.will_wake(cx.waker()));
        self.0.set(Some(same.unwrap_or_else(|| cx.waker().clone())));
    }

    /// Has the task polled again soon.
    pub(crate) fn wake(&self) {
        let waker = self.0.take();
        if let Some(waker) = &waker {
            waker.wake_by_ref();
        }
        self.0.set(waker);
    }
}

impl std::fmt::Debug for WakeSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WakeSlot")
    }
}
