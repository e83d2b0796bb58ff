//! The pool: finds a session a link of its own, dialled when the session first needs it. With
//! `--pool shared`, one that another session has given back will do.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::net::{self, Transport};
use crate::topology::{Sign, Topology};

use super::Worker;
use super::greeting;
use super::link::Link;
use super::login;
use super::names::Names;
use super::session::Session;

/// Dials of one worker under way at the same time: after a switch all clients come back at once,
/// and a server's accept queue holds 511 by default.
pub(super) const DIALS_MAX: usize = 64;
/// Pause before a failed dial is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Dials for `session`, which is told through [`Session::attach`] or [`Session::detach`].
pub(super) fn connect(session: &Rc<Session>) {
    tokio::task::spawn_local(find_link(session.clone()));
}

async fn find_link(session: Rc<Session>) {
    // The semaphore is never closed.
    let _turn = session.worker.dials.acquire().await;
    if session.is_over() {
        return;
    }
    // A dial's state is large; those who wait for their turn do without.
    Box::pin(dial_for(&session)).await;
}

async fn dial_for(session: &Rc<Session>) {
    let worker = &session.worker;
    let topology = worker.topology();
    let find = async {
        match recycled(worker, topology.generation).await {
            Some(transport) => Ok(transport),
            None => establish(worker, &topology).await,
        }
    };
    let found = tokio::select! {
        biased;
        () = topology.superseded() => return session.detach(),
        found = find => found,
    };
    match found {
        // To be made what the last one was it is sent things, which the gate may forbid by now.
        Ok(transport) if worker.generation() == topology.generation && worker.may_listen_now() => {
            let primary = topology.primary.as_ref();
            let verified = primary.is_some_and(|primary| primary.role_verified);
            let knows_capa = primary.is_some_and(|primary| primary.knows_capa);
            let link = Link::new(session, topology.generation, transport);
            session.attach(link, verified, knows_capa);
        }
        Ok(_) => session.detach(),
        Err(error) => {
            tracing::debug!(event = "dial_failed", %error);
            worker.report(topology.generation, Sign::DialFailed);
            sleep(RETRY_PAUSE).await;
            session.detach();
        }
    }
}

/// A connection that a client of another key gave back, taken back to its beginning.
async fn recycled(worker: &Worker, generation: u64) -> Option<Transport> {
    if worker.config.login.is_some() {
        // To log in once more would be no less than a dial.
        return None;
    }
    let idle = worker
        .unshelve_any()
        .filter(|idle| idle.generation == generation)?;
    worker.counters.links.sub(1);
    let mut transport = idle.transport;
    let nameless = idle.names.changes(&Names::default());
    let reset = greeting::reset(&mut transport, &nameless, worker.config.connect_timeout).await;
    reset.is_ok().then_some(transport)
}

/// Dials, and logs in where Steadfast does so for its clients.
///
/// # Errors
/// The socket's, or `PermissionDenied`.
pub(super) async fn establish(worker: &Worker, topology: &Topology) -> io::Result<Transport> {
    let started = Instant::now();
    let found = dial_primary(worker, topology).await;
    worker.count_dial(started, found.as_ref().map(|_| ()));
    found
}

async fn dial_primary(worker: &Worker, topology: &Topology) -> io::Result<Transport> {
    let config = &worker.config;
    let Some(primary) = &topology.primary else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let address = &primary.address;
    let mut transport = net::dial(
        address,
        config.tls.upstream.as_ref(),
        config.connect_timeout,
    )
    .await?;
    if let Some(credentials) = &config.login {
        login::log_in(&mut transport, credentials, config.connect_timeout).await.inspect_err(|error| {
            if worker.may_complain() {
                tracing::error!(event = "login_failed", primary = %address, %error, "{}", login::advice(error));
            }
        })?;
    }
    Ok(transport)
}
