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
//! Where there is a read-only endpoint, discovery leads its clients to replicas as well: they are dealt out
//! to slots, each of which has a topology of its own, and is to a worker what the primary is elsewhere.
//!
//! That, but for the threads, the admin port and the signals, is a *front*: one for each endpoint, so
//! that a process may serve several primaries. Fronts share nothing else but bounds: what one meets,
//! from a Sentinel that hangs to an outage without end, another does not feel.
//!
//! # Code map, in reading order
//! - [`config`]: flags, environment and a file become one validated [`config::Config`].
//! - [`discovery`]: asks and hears all Sentinels, chooses the primary (`election`, pure), watches
//!   it (`probe`), and publishes.
//! - [`topology`]: the published snapshot, the two-step switch, the lease.
//! - [`front`]: puts together what one endpoint is made of, and starts them all on the threads.
//! - [`listener`]: binds, accepts, hands over.
//! - [`worker`]: the data path of a front on one thread.
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
//! - On the read-only endpoint nothing is sent that is not known to change nothing, whoever serves; and by
//!   the time a new primary is opened nobody there is served by what followed another.
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
//! - Nothing that a front waits for is held by another; what they count together only ever refuses or
//!   slows those who come anew, or wait already.
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
pub mod front;
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
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use admin::{AdminState, Controls};
use config::Config;
use front::{Front, Plan, ReaderSource, Shared, Source};
use net::Listener;
use reload::Asked;
use secrets::Password;
use shutdown::{Lifecycle, Orders, Stage};
use stopping::End;

/// One of the places that [`run`] serves: who is to be found, and the sockets at which clients come in,
/// bound beforehand, so that a taken port is said at once.
#[derive(Debug)]
pub struct Endpoint {
    /// Its settings; those that concern the whole process count where the endpoint is the first.
    pub config: Config,
    /// For clients.
    pub clients: Vec<Listener>,
    /// For clients with TLS; of no use without [`Config::tls`]'s part for them.
    pub clients_tls: Vec<Listener>,
    /// For clients that only read.
    pub readers: Vec<Listener>,
}

/// Runs the proxy until the first of the `orders`, then ends it as that says; the second ends it at once.
/// Files that settings name are read again every so often, and whenever that is `asked` for. What may be
/// asked of the process at its `admin` sockets is done by the `controls`.
///
/// Must be called within a tokio runtime, which becomes the control thread.
///
/// # Errors
/// When there is no endpoint, when threads or sockets cannot be set up, or a defect of ours ended one of
/// them; never for anything a Sentinel, a server or a client does.
pub async fn run(
    endpoints: Vec<Endpoint>,
    admin: Vec<Listener>,
    asked: Asked,
    controls: Controls,
    mut orders: Orders,
) -> io::Result<()> {
    let process = endpoints.first().map(|first| first.config.clone());
    let process = process.ok_or_else(|| io::Error::other("there is no endpoint to serve"))?;
    let lifecycle = Arc::new(Lifecycle::default());
    let shared = Shared::of(&process, lifecycle.stages());
    let passwords = endpoints.iter().flat_map(|it| it.config.passwords());
    let passwords = passwords.collect();
    let plans = endpoints.into_iter().map(|one| plan(one, &shared));
    let (plans, searches): (Vec<_>, Vec<_>) = plans.unzip();
    let fronts: Arc<[Front]> = plans.iter().map(|plan| plan.front.clone()).collect();
    let started = front::start(plans, &shared)?;
    let end = End::of(&process, &fronts);
    let state = AdminState {
        fronts,
        held_bytes: shared.held_bytes,
        lifecycle: lifecycle.clone(),
        controls: process.admin_actions.then_some(controls),
        ready_policy: process.ready_policy,
        startup_timeout: process.startup_timeout,
        max_clients: process.max_clients,
        reloads: asked.record(),
        started: Instant::now(),
    };
    let _attendants = attend(state, passwords, admin, asked)?;
    // None of these ends but by a panic. Without discovery, or a worker, the process would only
    // look alive: whoever supervises it shall start it anew.
    let (mut alive, mut discovering) = (started.workers, discover(searches));

    let broken = until_asked(
        &lifecycle,
        &mut orders,
        &end,
        [&mut alive, &mut discovering],
    )
    .await;
    if broken {
        lifecycle.advance(Stage::Finishing);
    }
    // Those who accept have the last doors: once they are done, workers know that nobody comes any more.
    drop(alive);
    stopping::join(started.threads, &lifecycle, &mut orders).await?;
    end.report();
    match broken {
        true => Err(io::Error::other(
            "a thread or task that never ends has ended; the log says why",
        )),
        false => Ok(()),
    }
}

/// Waits for the first of the `orders`, and tells of it; or until one of the tasks that never end has
/// ended: then it is `true`.
async fn until_asked(
    lifecycle: &Lifecycle,
    orders: &mut Orders,
    end: &End,
    [workers, discovering]: [&mut JoinSet<()>; 2],
) -> bool {
    tokio::select! {
        () = lifecycle.begin(orders, end.delay, |order| end.announce(order)) => false,
        _ = workers.join_next() => true,
        _ = discovering.join_next() => true,
    }
}

/// The front of an endpoint, and what discovery needs to find its primary.
fn plan(endpoint: Endpoint, shared: &Shared) -> (Plan, Search) {
    let Endpoint {
        config,
        clients,
        clients_tls,
        readers,
    } = endpoint;
    let config = Arc::new(config);
    let listening = front::listening(clients, clients_tls, &config);
    let reading = front::listening(readers, Vec::new(), &config);
    let (plan, source) = Plan::new(&config, listening, reading, shared);
    let front = plan.front.clone();
    let search = Search {
        config,
        source,
        front,
    };
    (plan, search)
}

/// What discovery goes by, and where it tells what it found.
struct Search {
    config: Arc<Config>,
    source: Source,
    front: Front,
}

/// Has the primary of every front found and watched, and its replicas where there is a read-only
/// endpoint, each by a task of its own that never ends.
fn discover(searches: Vec<Search>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let are_several = searches.len() > 1;
    for search in searches {
        let Source {
            publisher,
            reports,
            readers,
        } = search.source;
        let (config, status) = (search.config, search.front.discovery.clone());
        let span = || search.front.span(are_several);
        let teller = readers.map(|ReaderSource { replicas, teller }| {
            let replicas = discovery::replicas::run(replicas);
            let endless = async move { match replicas.await {} };
            tasks.spawn(endless.instrument(span()));
            teller
        });
        let discovery = discovery::run(config, publisher, reports, status, teller);
        let endless = async move { match discovery.await {} };
        tasks.spawn(endless.instrument(span()));
    }
    tasks
}

/// Starts what serves the whole process: the admin port, reading files again, telling systemd. All of it
/// ends when what is returned is dropped.
fn attend(
    state: AdminState,
    passwords: Vec<Password>,
    admin: Vec<Listener>,
    asked: Asked,
) -> io::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    let are_several = state.fronts.len() > 1;
    for front in state.fronts.iter().filter(|front| !front.tls.is_empty()) {
        let watch = tls::watch(front.name.clone(), front.tls.clone(), asked.schedule());
        tasks.spawn(watch.instrument(front.span(are_several)));
    }
    tasks.spawn(secrets::watch(passwords, asked));
    tasks.spawn(service::tell(state.fronts.clone(), state.lifecycle.clone()));
    for listener in admin {
        let stop = CancellationToken::new();
        tasks.spawn(admin::serve(listener.try_into()?, state.clone(), stop));
    }
    Ok(tasks)
}
