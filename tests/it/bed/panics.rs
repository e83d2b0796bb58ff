//! A test that fails says why at once, beside the line that says so, and not only at the end of all:
//! where a log is shown shortened, its end may be what is left out.

use std::io::Write;
use std::sync::Once;
use std::{io, panic, thread};

static ONCE: Once = Once::new();

/// From now on every panic of this process is told in one line of its standard error, which the test
/// harness does not keep back, before what is told of it otherwise.
pub(crate) fn tell_at_once() {
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let thread = thread::current();
            let name = thread.name().unwrap_or("a thread");
            let told = info.to_string().replace('\n', " ");
            // Written by hand: what `eprintln!` says in a test is kept back until the end.
            let _ = writeln!(io::stderr(), "{name}: {told}");
            usual(info);
        }));
    });
}
