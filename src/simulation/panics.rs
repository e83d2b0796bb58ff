//! A panic in a task ends that task and nothing else, so it has to be listened for.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Listens on this thread.
pub(super) struct Listening(());

/// Begins to listen; what was heard before is forgotten.
pub(super) fn begin() -> Listening {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            HEARD.with_borrow_mut(|heard| heard.push(what.to_string()));
            usual(what);
        }));
    });
    HEARD.take();
    Listening(())
}

impl Listening {
    /// What panicked since.
    pub(super) fn heard(&self) -> Vec<String> {
        HEARD.take()
    }
}
