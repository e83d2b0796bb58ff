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
//! - [`config`]: flags, environment and a file become one validated [`config::Config`].
//! - [`discovery`]: asks and hears all Sentinels, chooses the primary (`election`, pure), watches
//!   it (`probe`), and publishes.
//! - [`topology`]: the published snapshot, the two-step switch, the lease.
//! - [`listener`]: binds, accepts, hands over.
//! - [`worker`]: the data path, one thread each.
//! - [`resp`]: framing, and what commands are (`class`: a table made from what servers say), pure.
//! - [`check`]: `steadfast check`.
//! - [`admin`]: the HTTP port. [`count`]: numbers that one thread writes and others read. [`net`]: sockets, by TCP, under TLS or Unix. [`tls`]: certificates, whom to
//!   believe, and what a failed handshake means. [`secrets`]: passwords, also while they are replaced,
//!   and what a refused login means. [`reload`]: when files are read again. [`shutdown`]: signals, and
//!   how far the process is on its way to its end. [`service`]: what systemd is told.
//! - `simulation` (tests): the whole proxy among simulated servers and clients, from one seed.
//!
//! # What must hold
//! - `resp`, `discovery::message` and `discovery::election` know no runtime, socket, clock or log.
//! - `discovery` and `worker` know nothing of each other; they meet in `topology`.
//! - Only discovery publishes. A worker confirms a switch only after it has closed every link of
//!   the older generation; nothing is opened before all have.
//! - A worker sends and delivers nothing unless its gate is open and the lease valid at that moment;
//!   after a pause of its thread only a lease renewed since counts.
//! - A command that may have been executed is never sent again; a session outlives its links, and
//!   what becomes of the commands in flight is decided by `worker::recovery` alone (pure).
//! - A link carries commands of several clients only where the server has let all of them in with the
//!   same name and password, and only commands that are known to leave nothing on it.
//! - At a new primary those who listen are restored first, on all workers, before anybody may publish.
//! - While a planned failover is under way the gate is quiescing: what is in flight is finished, and of
//!   what is new only pure reads are sent, none of them past a held command of its client. Once another node says that it is a primary, the old one's replies count no more.
//! - The data path waits for no Sentinel, and takes no lock but for what a process must agree on when
//!   something new is learned: client ids and scripts. Every buffer, queue and wait has a named
//!   limit.
//! - What is kept for clients that wait is counted for the process and bounded: beyond it they are not
//!   read.
//! - A handshake belongs to the connection that makes it: it goes on inside that connection's reads, for
//!   a limited time, and nobody waits for it. Bytes count as written when the TLS record they are in has
//!   left completely.
//! - Passwords live in [`secrets::Secret`], which prints nothing.
//! - Before the time to drain is over nobody loses an answer by the end of the process; and what comes
//!   after a client was told of the end is not executed.
//!
//! # Dependencies
//! - `tokio`: runtimes and sockets. `tokio-util`: cancellation tokens, reads into buffers.
//! - `bytes`: the buffers large bodies travel in. `slab`: a worker's registry of sessions.
//! - `redis-protocol`: decodes the answers of Sentinels and of control connections, after a bounded
//!   scan of ours; second oracle in the framing tests.
//! - `clap`: flags and `--help`. `serde`, `serde_json`: `/status`. `hyper`, `hyper-util`,
//!   `http-body-util`: the admin port.
//! - `sha1_smol`: what a server calls a script. `arc-swap`: the topology snapshot. `socket2`: socket
//!   options. `rustix`: descriptor limits, and the files of Unix sockets.
//! - `rustls` with `ring`: TLS. `rustls-native-certs`, `webpki-roots`: whom to believe where no CA is
//!   named.
//! - `sd-notify`: tells systemd. `sd-listen-fds`: what systemd hands over.
//! - `tracing`, `tracing-subscriber`: logs. `zeroize`: wipes passwords.
#![warn(missing_docs)]

pub mod admin;
pub mod check;
pub mod config;
pub mod count;
pub mod discovery;
pub mod listener;
pub mod net;
pub mod reload;
pub mod resp;
pub mod secrets;
pub mod service;
pub mod shutdown;
#[cfg(test)]
mod simulation;
mod stopping;
pub mod tls;
pub mod topology;
pub mod worker;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use admin::{AdminState, Controls};
use config::Config;
use listener::Door;
use net::Listener;
use reload::Asked;
use shutdown::{Lifecycle, Orders, Stage, Stages};
use stopping::End;
use topology::{Publisher, Report, View};

/// Reports from workers that discovery has not read yet; more are dropped, for they say the same.
const REPORTS_MAX: usize = 64;

/// The sockets [`run`] serves, bound beforehand, so that a taken port is said at once.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub clients: Vec<Listener>,
    /// For clients with TLS; of no use without [`Config::tls`]'s part for them.
    pub clients_tls: Vec<Listener>,
    /// For the admin port.
    pub admin: Vec<TcpListener>,
}

/// Runs the proxy until the first of the `orders`, then ends it as that says; the second ends it at once.
/// Files that settings name are read again every so often, and whenever that is `asked` for. What may be
/// asked of the process over the admin port is done by the `controls`.
///
/// Must be called within a tokio runtime, which becomes the control thread.
///
/// # Errors
/// When threads or sockets cannot be set up, or a defect of ours ended one of them; never for
/// anything a Sentinel, a server or a client does.
pub async fn run(
    config: Config,
    listeners: Listeners,
    asked: Asked,
    controls: Controls,
    mut orders: Orders,
) -> io::Result<()> {
    let config = Arc::new(config);
    let (publisher, views) = Publisher::new(config.workers, config.hold_timeout.initial());
    let (reports, incoming) = mpsc::channel(REPORTS_MAX);
    let status = discovery::StatusHandle::default();
    let lifecycle = Arc::new(Lifecycle::default());
    let held_bytes = Arc::new(worker::HeldBytes::new(
        config.max_held_bytes,
        config.max_output_bytes,
    ));
    let (workers, doors) = start_workers(
        &config,
        &held_bytes,
        views,
        &reports,
        &lifecycle.stages(),
        listening(listeners.clients, listeners.clients_tls, &config),
    )?;

    let admin = AdminState {
        primary_name: config.primary_name.clone(),
        topology: publisher.handle(),
        discovery: status.clone(),
        workers: doors.iter().map(|door| door.counters.clone()).collect(),
        held_bytes,
        lifecycle: lifecycle.clone(),
        controls: config.admin_actions.then_some(controls),
        ready_policy: config.ready_policy,
        startup_timeout: config.startup_timeout,
        max_clients: config.max_clients,
        reloads: asked.record(),
        tls: config.tls.clone(),
        started: Instant::now(),
    };
    let end = End::of(&config, admin.workers.clone());
    let mut others = JoinSet::new();
    if !config.tls.is_empty() {
        others.spawn(tls::watch(config.tls.clone(), asked.schedule()));
    }
    others.spawn(secrets::watch(config.passwords(), asked));
    others.spawn(service::tell(
        publisher.handle(),
        config.primary_name.clone(),
        lifecycle.clone(),
        service::Pulses::of(admin.workers.clone()),
    ));
    for listener in listeners.admin {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        others.spawn(admin::serve(
            listener,
            admin.clone(),
            CancellationToken::new(),
        ));
    }
    // None of these ends but by a panic. Without discovery, or a worker, the process would only
    // look alive: whoever supervises it shall start it anew.
    let mut alive = JoinSet::new();
    for door in doors.iter() {
        let clients = door.clients.clone();
        alive.spawn(async move { clients.closed().await });
    }
    let mut discovering = JoinSet::new();
    discovering
        .spawn(async move { match discovery::run(config, publisher, incoming, status).await {} });

    let broken = tokio::select! {
        () = lifecycle.begin(&mut orders, end.delay, |order| end.announce(order)) => false,
        _ = alive.join_next() => true,
        _ = discovering.join_next() => true,
    };
    if broken {
        lifecycle.advance(Stage::Finishing);
    }
    // Those who accept have the last doors: once they are done, workers know that nobody comes any more.
    drop((doors, alive));
    stopping::join(workers, &lifecycle, &mut orders).await?;
    end.report();
    match broken {
        true => Err(io::Error::other(
            "a thread or task that never ends has ended; the log says why",
        )),
        false => Ok(()),
    }
}

type Workers = Vec<JoinHandle<()>>;

/// Starts one worker for each view; clients reach them through the doors. The first one accepts, for
/// all of them: where it is the only one, no client costs a switch of threads.
fn start_workers(
    config: &Arc<Config>,
    held_bytes: &Arc<worker::HeldBytes>,
    views: Vec<View>,
    reports: &mpsc::Sender<Report>,
    stages: &Stages,
    listeners: Listening,
) -> io::Result<(Workers, Arc<[Door]>)> {
    let ids = Arc::new(worker::Ids::default());
    let scripts = Arc::new(worker::Scripts::default());
    let mut doors = Vec::new();
    let mut all = Vec::new();
    for view in views {
        let counters = Arc::new(worker::Counters::default());
        let (clients, receiver) = mpsc::channel(listener::HAND_OVER_MAX);
        all.push(worker::Parts {
            config: config.clone(),
            view,
            counters: counters.clone(),
            ids: ids.clone(),
            scripts: scripts.clone(),
            held_bytes: held_bytes.clone(),
            reports: reports.clone(),
            clients: receiver,
            stages: stages.clone(),
        });
        doors.push(Door { clients, counters });
    }
    let doors: Arc<[Door]> = doors.into();
    let accepting = accept_all(listeners, doors.clone(), config.max_clients, stages.clone());
    let mut accepting = Some(accepting);
    let mut workers = Vec::new();
    for (index, parts) in all.into_iter().enumerate() {
        let accepting = accepting.take();
        let beside = async move {
            if let Some(accepting) = accepting {
                accepting.await;
            }
        };
        workers.push(worker::spawn(index, parts, beside)?);
    }
    Ok((workers, doors))
}

/// Where clients come in, and what secures them there.
type Listening = Vec<(Listener, Option<Arc<tls::Server>>)>;

fn listening(plain: Vec<Listener>, secured: Vec<Listener>, config: &Config) -> Listening {
    let server = config.tls.listen.as_ref();
    let secured = secured.into_iter();
    let secured = secured.filter_map(|socket| Some((socket, Some(server?.clone()))));
    let plain = plain.into_iter().map(|socket| (socket, None));
    plain.chain(secured).collect()
}

/// Accepts from all `listeners` until `stages` says that no client is to come in any more.
async fn accept_all(listeners: Listening, doors: Arc<[Door]>, max_clients: usize, stages: Stages) {
    let mut accepting = JoinSet::new();
    for (listener, tls) in listeners {
        let (doors, stages) = (doors.clone(), stages.clone());
        accepting.spawn(listener::accept(listener, tls, doors, max_clients, stages));
    }
    drop(doors);
    accepting.join_all().await;
}
