//! HTTP/1.1 on the admin port: a handful of routes, each connection bounded in time and size. No body
//! is read: none of them needs one.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::action::{self, Action, Controls};
use super::fullness::Fullness;
use super::guard;
use super::metrics;
use super::probe::{self, Facts, FrontFacts, Verdict};
use super::reply::{JSON, TEXT, front, not_allowed, response, verdict};
use super::socket::{Reach, Socket};
use super::status::{Report, View};
use super::watchdog::{LOOK_EVERY, Watchdog};
use crate::config::ReadyPolicy;
use crate::front::Front;
use crate::shutdown::Lifecycle;
use crate::topology::Gate;
use crate::{reload, worker};

/// Probes and scrapes are few; whoever opens more waits for its turn.
const CONNECTIONS_MAX: usize = 64;
/// From accept to the end of the response. Each connection serves one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Until the request's head is complete.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes buffered for one connection; no honest request head comes near (hyper's least is 8 KiB).
const BUFFER_LEN_MAX: usize = 16 * 1024;
/// Headers in one request.
const HEADERS_MAX: usize = 64;
/// Pause after a failed accept, doubled from the least to the most while it goes on.
const ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(10);
const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What the admin port looks at.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// The fronts of the process; never none.
    pub fronts: Arc<[Front]>,
    /// What is kept for waiting clients.
    pub held_bytes: Arc<worker::HeldBytes>,
    /// How far the process is on its way out.
    pub lifecycle: Arc<Lifecycle>,
    /// When `/readyz` passes.
    pub ready_policy: ReadyPolicy,
    /// Without a primary `/startupz` passes from here on.
    pub startup_timeout: Duration,
    /// What may be asked of the process; none where that is not allowed.
    pub controls: Option<Controls>,
    /// `--max-clients`.
    pub max_clients: usize,
    /// What came of files that were read again.
    pub reloads: Arc<reload::Record>,
    /// When the process started.
    pub started: Instant,
}

struct Admin {
    state: AdminState,
    /// The loop that has stopped, if one has.
    stuck: watch::Receiver<Option<String>>,
    /// Who can ask.
    reach: Reach,
    fullness: Fullness,
}

/// Serves the admin port until `stop` is cancelled. Run it on the control runtime: by answering at all
/// it shows that this runs.
///
/// # Cancel safety
/// Dropping it closes the listener and every connection.
pub async fn serve(listener: Socket, state: AdminState, stop: CancellationToken) {
    let (tell, stuck) = watch::channel(None);
    let watching = keep_watch(state.fronts.clone(), tell);
    let reach = listener.reach();
    let admin = Arc::new(Admin {
        state,
        stuck,
        reach,
        fullness: Fullness::default(),
    });
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
        () = accept(listener, admin) => {}
    }
}

/// Never returns.
async fn keep_watch(fronts: Arc<[Front]>, tell: watch::Sender<Option<String>>) {
    let mut watchdogs: Vec<_> = fronts.iter().map(|_| Watchdog::default()).collect();
    let mut interval = interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let looks = fronts.iter().zip(&mut watchdogs);
        let stuck = looks.filter_map(|(front, watchdog)| {
            let said = watchdog.look(front.topology.beats())?;
            Some(probe::of_front(&front.name, fronts.len(), &said))
        });
        // All of them look, whoever is stuck.
        let stuck: Vec<_> = stuck.collect();
        tell.send_replace((!stuck.is_empty()).then(|| stuck.join("; ")));
    }
}

/// Never returns: a failed accept is waited out.
async fn accept(listener: Socket, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut backoff = ACCEPT_BACKOFF_MIN;
    // The semaphore is never closed, so the loop has no end.
    while let Ok(place) = places.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok(stream) => {
                backoff = ACCEPT_BACKOFF_MIN;
                let admin = admin.clone();
                connections.spawn(async move {
                    converse(stream, admin).await;
                    drop(place);
                });
            }
            Err(error) if is_peers_own(&error) => {}
            Err(error) => {
                tracing::warn!(event = "admin_accept_failed", %error, "the admin port waits");
                sleep(backoff).await;
                backoff = (backoff * 2).min(ACCEPT_BACKOFF_MAX);
            }
        }
    }
}

/// The connection was gone before it was accepted; the next one is not concerned.
fn is_peers_own(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, admin: Arc<Admin>) {
    let service = service_fn(|request| {
        let response = admin.answer(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // What a peer does wrong here is its own business; the connection is closed either way.
    match timeout(REQUEST_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(event = "admin_request_failed", %error, "closed"),
        Err(_) => tracing::debug!(
            event = "admin_request_failed",
            error = "timed out",
            "closed"
        ),
    }
}

impl Admin {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if self.reach == Reach::Loopback && !guard::is_for_us(request.headers()) {
            let text = "ask by an address or as localhost: other names may be anybody's\n";
            return response(StatusCode::MISDIRECTED_REQUEST, TEXT, text);
        }
        let path = request.uri().path();
        let methods = match path {
            "/" | "/livez" | "/readyz" | "/startupz" | "/status" | "/metrics" => "GET, HEAD",
            "/drain" | "/reload" | "/loglevel" => "POST",
            _ => return response(StatusCode::NOT_FOUND, TEXT, "no such page\n"),
        };
        if !methods.split(", ").any(|method| request.method() == method) {
            return not_allowed(methods);
        }
        match path {
            "/" => front(request),
            "/livez" => verdict(probe::live(&self.facts())),
            "/readyz" => verdict(self.ready()),
            "/startupz" => verdict(probe::started(&self.facts(), self.state.startup_timeout)),
            "/status" => self.status(),
            "/metrics" => {
                let page = metrics::page(&self.state);
                response(StatusCode::OK, metrics::CONTENT_TYPE, page)
            }
            "/drain" => self.act(Action::Drain, request),
            "/reload" => self.act(Action::Reload, request),
            "/loglevel" => self.act(Action::LogLevel, request),
            _ => response(StatusCode::NOT_FOUND, TEXT, "no such page\n"),
        }
    }

    fn act<B>(&self, action: Action, request: &Request<B>) -> Response<Full<Bytes>> {
        let controls = self.state.controls.as_ref();
        let (status, text) = match action::permitted(controls, self.reach, request.headers()) {
            Err(reason) => (StatusCode::FORBIDDEN, reason.to_owned()),
            Ok(controls) => match action.carry_out(controls, request.uri().query()) {
                Ok(done) => (StatusCode::ACCEPTED, done),
                Err(wrong) => (StatusCode::BAD_REQUEST, wrong),
            },
        };
        response(status, TEXT, format!("{text}\n"))
    }

    fn ready(&self) -> Verdict {
        let state = &self.state;
        probe::ready(&self.facts(), state.ready_policy, state.startup_timeout)
    }

    fn facts(&self) -> Facts {
        Facts {
            fronts: self.state.fronts.iter().map(facts_of).collect(),
            uptime: self.state.started.elapsed(),
            draining: self.state.lifecycle.is_draining(),
            full: self.is_full(),
            stuck: self.stuck.borrow().clone(),
        }
    }

    fn is_full(&self) -> bool {
        let workers = self.state.fronts.iter().flat_map(Front::all_workers);
        let clients = workers.map(|it| it.clients.load()).sum();
        let most = u64::try_from(self.state.max_clients).unwrap_or(u64::MAX);
        self.fullness.look(clients, most)
    }

    fn status(&self) -> Response<Full<Bytes>> {
        let views: Vec<_> = self.state.fronts.iter().map(View::of).collect();
        let report = Report::new(&self.state, &views);
        match serde_json::to_vec_pretty(&report) {
            Ok(mut json) => {
                json.push(b'\n');
                response(StatusCode::OK, JSON, json)
            }
            Err(error) => response(
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("the status cannot be written: {error}\n"),
            ),
        }
    }
}

fn facts_of(front: &Front) -> FrontFacts {
    let topology = front.topology.load();
    FrontFacts {
        name: front.name.clone(),
        generation: topology.generation,
        outage: (topology.gate != Gate::Open).then(|| topology.gate_since.elapsed()),
        waiting_for: front.discovery.load().waiting_for.clone(),
    }
}
