//! Steadfast: one steady endpoint for Sentinel-managed Valkey and Redis.
//!
//! An application that knows nothing of Sentinel connects to Steadfast and always talks to the
//! primary. [`run`] is the whole proxy; `main` adds flags, logging and the exit code.
//!
//! ```text
//!   Sentinels <== ask, subscribe ==> discovery --publishes--> topology (one ArcSwap snapshot:
//!                                        ^                       |     primary, generation, gate,
//!                                        | reports               |     lease, token)
//!                                        |                       v loaded by
//!   client -> listener -> worker thread { session <-> pool <-> link } <-> primary
//!                                        resp (pure)
//!   admin HTTP, signals: control thread
//! ```
//!
//! # Code map, in reading order
//! - [`config`]: flags and environment become one validated [`config::Config`].
//! - [`discovery`]: asks and hears all Sentinels, chooses the primary (`election`, pure), watches
//!   it (`probe`), and publishes.
//! - [`topology`]: the published snapshot, the two-step switch, the lease.
//! - [`listener`]: binds, accepts, hands over.
//! - [`worker`]: the data path, one thread each.
//! - [`resp`]: framing, pure.
//! - [`check`]: `steadfast check`.
//! - [`admin`]: the HTTP port. [`net`]: sockets. [`shutdown`]: signals.
//!
//! # What must hold
//! - `resp`, `discovery::message` and `discovery::election` know no runtime, socket, clock or log.
//! - `discovery` and `worker` know nothing of each other; they meet in `topology`.
//! - Only discovery publishes. A worker confirms a switch only after it has closed every link of
//!   the older generation; nothing is opened before all have.
//! - A worker sends and delivers nothing unless its gate is open and the lease valid at that moment.
//! - The data path takes no lock and waits for no Sentinel. Every buffer, queue and wait has a named
//!   limit.
//! - Passwords live in [`config::Secret`], which prints nothing.
//!
//! # Dependencies
//! - `tokio`: runtimes and sockets. `tokio-util`: cancellation tokens, reads into buffers.
//! - `bytes`: the buffers large bodies travel in. `slab`: a worker's registry of sessions.
//! - `redis-protocol`: decodes the answers of Sentinels and of control connections, after a bounded
//!   scan of ours; second oracle in the framing tests.
//! - `clap`: flags and `--help`. `serde`, `serde_json`: `/status`. `hyper`, `hyper-util`,
//!   `http-body-util`: the admin port.
//! - `arc-swap`: the topology snapshot. `socket2`: socket options. `rustix`: descriptor limits.
//! - `tracing`, `tracing-subscriber`: logs. `zeroize`: wipes passwords.
#![warn(missing_docs)]

pub mod admin;
pub mod check;
pub mod config;
pub mod discovery;
pub mod listener;
pub mod net;
pub mod resp;
pub mod shutdown;
pub mod topology;
pub mod worker;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use config::Config;
use listener::Door;

/// Reports from workers that discovery has not read yet; more are dropped, for they say the same.
const REPORTS_MAX: usize = 64;

/// What [`run`] needs that can fail beforehand, made by [`bind`].
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub clients: Vec<TcpListener>,
    /// For the admin port.
    pub admin: Vec<TcpListener>,
}

/// Runs the proxy until `stop` completes, then lets what is in flight finish.
///
/// Must be called within a tokio runtime, which becomes the control thread.
///
/// # Errors
/// When threads or sockets cannot be set up; never for anything a Sentinel, a server or a client
/// does.
pub async fn run(
    config: Config,
    listeners: Listeners,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let config = Arc::new(config);
    let hold = std::time::Duration::from_secs(15);
    let (publisher, views) = topology::Publisher::new(config.workers, hold);
    let (reports, incoming) = mpsc::channel(REPORTS_MAX);
    let status = discovery::StatusHandle::default();
    let stopping = CancellationToken::new();

    let mut workers = Vec::new();
    let mut doors = Vec::new();
    for (index, view) in views.into_iter().enumerate() {
        let counters = Arc::new(worker::Counters::default());
        let (clients, receiver) = mpsc::channel(listener::HAND_OVER_MAX);
        doors.push(Door {
            clients,
            counters: counters.clone(),
        });
        let parts = worker::Parts {
            config: config.clone(),
            view,
            counters,
            reports: reports.clone(),
            clients: receiver,
            stop: stopping.clone(),
        };
        workers.push(worker::spawn(index, parts)?);
    }
    let doors: Arc<[Door]> = doors.into();
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners.clients {
        tasks.spawn(listener::accept(
            listener,
            doors.clone(),
            config.max_clients,
        ));
    }
    tasks.spawn(async move {
        discovery::run(config, publisher, incoming, status).await;
    });
    stop.await;
    // Listeners close first; discovery goes on until the last session has come to rest.
    stopping.cancel();
    drop(doors);
    tokio::task::spawn_blocking(move || workers.into_iter().for_each(|worker| drop(worker.join())))
        .await?;
    Ok(())
}
