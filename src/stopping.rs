//! What the control thread does and says while the process ends. How clients are let go is the workers'
//! affair, and when is decided by [`crate::shutdown`].

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::config::Config;
use crate::front::Front;
use crate::service;
use crate::shutdown::{Lifecycle, Order, Orders, Stage};
use crate::worker::Counters;

/// How long the threads get to end when everything is to end now.
const END_MAX: Duration = Duration::from_secs(1);

/// Waits for the worker threads; not for long once everything is to end now.
pub(crate) async fn join(
    workers: Vec<JoinHandle<()>>,
    lifecycle: &Lifecycle,
    orders: &mut Orders,
) -> io::Result<()> {
    let all = move || workers.into_iter().for_each(|worker| drop(worker.join()));
    let mut joined = tokio::task::spawn_blocking(all);
    if lifecycle.stages().now() < Stage::Over {
        tokio::select! {
            joined = &mut joined => return Ok(joined?),
            order = orders.next() => {
                tracing::info!(event = "stopping_now", signal = %order, "asked again: not waiting any longer");
                lifecycle.advance(Stage::Over);
            }
        }
    }
    match timeout(END_MAX, joined).await {
        Ok(joined) => Ok(joined?),
        // The end of the process ends them.
        Err(_) => Ok(()),
    }
}

/// What the log says of the end.
pub(crate) struct End {
    workers: Vec<Arc<Counters>>,
    pub(crate) delay: Duration,
    timeout: Duration,
    begun: OnceLock<(Instant, u64)>,
}

impl End {
    /// Of a process with these settings, and these fronts.
    pub(crate) fn of(config: &Config, fronts: &[Front]) -> Self {
        let workers = fronts.iter().flat_map(Front::all_workers);
        Self {
            workers: workers.cloned().collect(),
            delay: config.drain_delay,
            timeout: config.drain_timeout,
            begun: OnceLock::new(),
        }
    }

    /// The first order has come.
    pub(crate) fn announce(&self, order: Order) {
        let clients = self.workers.iter().map(|it| it.clients.load()).sum();
        let _ = self.begun.set((Instant::now(), clients));
        service::stopping(clients);
        tracing::info!(
            event = "stopping",
            signal = %order,
            clients,
            delay_ms = self.delay.as_millis(),
            timeout_ms = self.timeout.as_millis(),
            "asked to stop"
        );
    }

    /// All threads have ended.
    pub(crate) fn report(&self) {
        let Some((begun, clients)) = self.begun.get() else {
            return;
        };
        let cut: u64 = self.workers.iter().map(|it| it.cut_by_drain.load()).sum();
        let ms = begun.elapsed().as_millis();
        tracing::info!(event = "stopped", clients, cut, ms, "stopped");
    }
}
