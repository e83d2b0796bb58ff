//! One task's waker, for whoever has news for it.

use std::cell::RefCell;
use std::task::{Context, Waker};

/// Holds the waker of the task that polls its owner.
#[derive(Debug, Default)]
pub(crate) struct WakeSlot(RefCell<Option<Waker>>);

impl WakeSlot {
    /// Remembers the task of this poll.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut slot = self.0.borrow_mut();
        if !slot
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
    }

    /// Has the task polled again soon.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}
