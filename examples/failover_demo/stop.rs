//! Ctrl-C and SIGTERM as a flag the demo looks at, so that everything is cleaned up in order.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether the demo was told to end.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// An error once the demo was told to end.
pub(crate) fn check() -> Result<(), Failure> {
    if requested() {
        return Err(Failure::Interrupted);
    }
    Ok(())
}

/// Listens for SIGINT, SIGTERM and SIGHUP from now on.
pub(crate) fn on_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(guard);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        REQUESTED.store(true, Ordering::Relaxed);
        // The runtime stays, or a second signal would end the demo in the middle of its cleaning.
        runtime.block_on(std::future::pending::<()>());
    });
    Ok(())
}

/// Treats the end of standard input as a request to end: a test that dies takes its bed with it.
pub(crate) fn on_end_of_input() {
    thread::spawn(|| {
        let mut buffer = [0; 64];
        while matches!(io::stdin().read(&mut buffer), Ok(n) if n > 0) {}
        REQUESTED.store(true, Ordering::Relaxed);
    });
}
