//! Flights at rest: an idle link has none, and a command needs no memory of its own.

use std::cell::RefCell;

use super::Flight;

/// What a stored flight may hold on to.
const STORED_BYTES_MAX: usize = 64 * 1024;
const STORED_SLOTS_MAX: usize = 1024;
/// Flights a worker stores.
const STORE_MAX: usize = 1024;

/// Flights at rest, so that a command needs no memory of its own.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "what is stored is the allocation that a link borrows"
)]
pub(crate) struct Store(RefCell<Vec<Box<Flight>>>);

impl Flight {
    /// With nothing in it, it stays with its link and gives up what it does not need to be ready for
    /// more.
    pub(in crate::worker) fn rest(&mut self) {
        self.taken_back = 0;
        self.bytes.shrink_to(STORED_BYTES_MAX);
        self.slots.shrink_to(STORED_SLOTS_MAX);
    }
}

impl Store {
    /// One with nothing in it.
    pub(in crate::worker) fn take(&self) -> Box<Flight> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes back one that has come to its end.
    pub(in crate::worker) fn put(&self, mut flight: Box<Flight>) {
        flight.taken_back = 0;
        let mut store = self.0.borrow_mut();
        if store.len() < STORE_MAX
            && flight.is_empty()
            && flight.bytes.capacity() <= STORED_BYTES_MAX
            && flight.slots.capacity() <= STORED_SLOTS_MAX
        {
            store.push(flight);
        }
    }
}
