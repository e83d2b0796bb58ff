//! HTTP/1.1 on the admin port: a handful of GET routes, each connection bounded in time and size.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::page;
use super::probe::{self, Facts, Verdict};
use super::status::Report;
use super::watchdog::{LOOK_EVERY, Watchdog};
use crate::config::ReadyPolicy;
use crate::shutdown::Lifecycle;
use crate::topology::Gate;
use crate::{discovery, topology, worker};

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

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const ROUTES: &str = "/livez\n/readyz\n/startupz\n/status\n";

/// What the admin port looks at.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// Sentinel's name for the set.
    pub primary_name: String,
    /// The published topology.
    pub topology: topology::Handle,
    /// Discovery's picture.
    pub discovery: discovery::StatusHandle,
    /// Each worker's counters.
    pub workers: Vec<Arc<worker::Counters>>,
    /// What is kept for waiting clients.
    pub held_bytes: Arc<worker::HeldBytes>,
    /// How far the process is on its way out.
    pub lifecycle: Arc<Lifecycle>,
    /// When `/readyz` passes.
    pub ready_policy: ReadyPolicy,
    /// Without a primary `/startupz` passes from here on.
    pub startup_timeout: Duration,
    /// When the process started.
    pub started: Instant,
}

struct Admin {
    state: AdminState,
    /// The loop that has stopped, if one has.
    stuck: watch::Receiver<Option<String>>,
}

/// Serves the admin port until `stop` is cancelled. Run it on the control runtime: by answering at all
/// it shows that this runs.
///
/// # Cancel safety
/// Dropping it closes the listener and every connection.
pub async fn serve(listener: TcpListener, state: AdminState, stop: CancellationToken) {
    let (tell, stuck) = watch::channel(None);
    let watching = keep_watch(state.topology.clone(), tell);
    let admin = Arc::new(Admin { state, stuck });
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
        () = accept(listener, admin) => {}
    }
}

/// Never returns.
async fn keep_watch(topology: topology::Handle, tell: watch::Sender<Option<String>>) {
    let mut watchdog = Watchdog::default();
    let mut interval = interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        tell.send_replace(watchdog.look(topology.beats()));
    }
}

/// Never returns: a failed accept is waited out.
async fn accept(listener: TcpListener, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut backoff = ACCEPT_BACKOFF_MIN;
    // The semaphore is never closed, so the loop has no end.
    while let Ok(place) = places.clone().acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
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

async fn converse(stream: TcpStream, admin: Arc<Admin>) {
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
        let path = request.uri().path();
        let known = matches!(path, "/" | "/livez" | "/readyz" | "/startupz" | "/status");
        if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
            let text = "only GET and HEAD are understood here\n";
            let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/" => front(request),
            "/livez" => verdict(probe::live(&self.facts())),
            "/readyz" => verdict(self.ready()),
            "/startupz" => verdict(probe::started(&self.facts(), self.state.startup_timeout)),
            "/status" => self.status(),
            _ => response(StatusCode::NOT_FOUND, TEXT, "no such page\n"),
        }
    }

    fn ready(&self) -> Verdict {
        let state = &self.state;
        probe::ready(&self.facts(), state.ready_policy, state.startup_timeout)
    }

    fn facts(&self) -> Facts {
        let topology = self.state.topology.load();
        Facts {
            generation: topology.generation,
            uptime: self.state.started.elapsed(),
            outage: (topology.gate != Gate::Open).then(|| topology.gate_since.elapsed()),
            waiting_for: self.state.discovery.load().waiting_for.clone(),
            draining: self.state.lifecycle.is_draining(),
            stuck: self.stuck.borrow().clone(),
        }
    }

    fn status(&self) -> Response<Full<Bytes>> {
        let topology = self.state.topology.load();
        let discovery = self.state.discovery.load();
        let report = Report::new(&self.state, &topology, &discovery);
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

/// The page for browsers, and for others what there is to ask for.
fn front<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    let accepts = request.headers().get(ACCEPT).map(HeaderValue::as_bytes);
    let is_browser = accepts.is_some_and(|accepts| accepts.starts_with(b"text/html"));
    if !is_browser {
        return response(StatusCode::OK, TEXT, ROUTES);
    }
    let mut response = response(StatusCode::OK, HTML, page::HTML);
    let policy = HeaderValue::from_static(page::POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

fn verdict(verdict: Verdict) -> Response<Full<Bytes>> {
    match verdict {
        Ok(text) => response(StatusCode::OK, TEXT, format!("{text}\n")),
        Err(text) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{text}\n")),
    }
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
