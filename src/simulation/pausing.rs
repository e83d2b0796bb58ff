//! Stands in for a worker's thread: everything a worker does is one future, which can be kept from
//! running as a starved thread is.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::ledger::Ledger;

#[derive(Default)]
struct Switch {
    paused: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The threads.
#[derive(Clone, Default)]
pub(super) struct Pauses(Vec<Rc<Switch>>);

impl Pauses {
    /// Runs `work` with all it spawns as a thread of its own.
    pub(super) fn run(&mut self, work: impl Future<Output = ()> + 'static) {
        let switch = Rc::new(Switch::default());
        self.0.push(switch.clone());
        let mut thread = LocalSet::new();
        thread.spawn_local(work);
        spawn_local(poll_fn(move |cx| {
            switch.waker.replace(Some(cx.waker().clone()));
            match switch.paused.get() {
                true => Poll::Pending,
                false => Pin::new(&mut thread).poll(cx),
            }
        }));
    }

    /// One of them does not run for a while.
    pub(super) async fn pause_one(&self, ledger: &Ledger) {
        let chosen = ledger.chance.borrow_mut().index(self.0.len());
        let switch = &self.0[chosen];
        ledger.fault(format!("worker {chosen} pauses"));
        switch.paused.set(true);
        let outage = ledger.outage();
        ledger.pause(50, 2_500).await;
        ledger.tell(format!("worker {chosen} goes on"));
        switch.paused.set(false);
        let believed = outage.map(|since| (since, Instant::now()));
        ledger.believed.set(believed);
        if let Some(waker) = switch.waker.take() {
            waker.wake();
        }
    }
}
