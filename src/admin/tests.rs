//! The admin port over a real socket: raw requests in, whole responses out.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{AdminState, serve};
use crate::config::ReadyPolicy;
use crate::discovery::{SentinelStatus, Status, StatusHandle};
use crate::net::HostPort;
use crate::shutdown::Lifecycle;
use crate::topology::{Primary, Publisher};
use crate::worker::{Counters, HeldBytes};

/// No response takes longer unless something hangs.
const DEADLINE: Duration = Duration::from_secs(60);

struct Bed {
    address: std::net::SocketAddr,
    publisher: Arc<Publisher>,
    lifecycle: Arc<Lifecycle>,
    discovery: StatusHandle,
    workers: Vec<Arc<Counters>>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Bed {
    /// Started `uptime` ago, as far as the server knows.
    async fn new(uptime: Duration) -> Self {
        let bed = Self::with(uptime, ReadyPolicy::PrimaryOnce).await;
        let publisher = bed.publisher.clone();
        tokio::spawn(async move {
            loop {
                publisher.beat();
                sleep(Duration::from_millis(100)).await;
            }
        });
        bed
    }

    /// With nobody who shows signs of life.
    async fn with(uptime: Duration, ready_policy: ReadyPolicy) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (publisher, _) = Publisher::new(0, Duration::from_secs(15));
        let publisher = Arc::new(publisher);
        let lifecycle = Arc::new(Lifecycle::default());
        let discovery = StatusHandle::default();
        let workers = vec![Arc::new(Counters::default()), Arc::new(Counters::default())];
        let stop = CancellationToken::new();
        let state = AdminState {
            primary_name: "mymaster".to_owned(),
            topology: publisher.handle(),
            discovery: discovery.clone(),
            workers: workers.clone(),
            held_bytes: Arc::new(HeldBytes::new(1 << 20)),
            lifecycle: lifecycle.clone(),
            ready_policy,
            startup_timeout: Duration::from_secs(30),
            started: Instant::now()
                .checked_sub(uptime)
                .expect("a machine up for long enough"),
        };
        let server = tokio::spawn(serve(listener, state, stop.clone()));
        Self {
            address,
            publisher,
            lifecycle,
            discovery,
            workers,
            stop,
            server,
        }
    }

    async fn publish_primary(&self) {
        let primary = Primary {
            address: HostPort::new("10.0.0.7", 6379),
            epoch: 3,
            role_verified: true,
            knows_capa: false,
        };
        let lease = Instant::now() + Duration::from_secs(2);
        self.publisher.switch(primary, lease).await;
    }

    /// Sends `request` as it is and returns all that comes until the server closes.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request).await.expect("sending");
        let mut response = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut response))
            .await
            .expect("an answer in time")
            .expect("reading");
        String::from_utf8(response).expect("text")
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.send("GET", path, "").await;
        (status, body)
    }

    /// Status, head and body of the answer to a request with `headers`, each ending its line.
    async fn send(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        let host = self.address;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let response = self.raw(request.as_bytes()).await;
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        (
            status.expect("a status"),
            head.to_lowercase(),
            body.to_owned(),
        )
    }
}

#[tokio::test]
async fn probes_pass_from_the_first_primary_on_and_for_good() {
    let bed = Bed::new(Duration::ZERO).await;
    assert_eq!(bed.get("/livez").await.0, 200);
    assert_eq!(bed.get("/readyz").await.0, 503);
    assert_eq!(bed.get("/startupz").await.0, 503);
    bed.publish_primary().await;
    assert_eq!(bed.get("/readyz").await.0, 200);
    assert_eq!(bed.get("/startupz").await.0, 200);
    bed.publisher.shut().await;
    assert_eq!(
        bed.get("/readyz?verbose").await,
        (200, "ready\n".to_owned())
    );
}

#[tokio::test]
async fn a_lost_primary_counts_where_the_policy_says_so() {
    let policy = ReadyPolicy::PrimaryWithin(Duration::ZERO);
    let bed = Bed::with(Duration::ZERO, policy).await;
    assert_eq!(bed.get("/readyz").await.0, 503);
    bed.publish_primary().await;
    assert_eq!(bed.get("/readyz").await.0, 200);
    bed.publisher.shut().await;
    bed.discovery.store(Arc::new(Status {
        waiting_for: Some("a Sentinel".to_owned()),
        ..Status::default()
    }));
    let said = bed.get("/readyz").await;
    assert_eq!(said.0, 503);
    assert!(said.1.starts_with("no primary for "), "{}", said.1);
    assert!(
        said.1.ends_with(" s; waiting for a Sentinel\n"),
        "{}",
        said.1
    );
}

#[tokio::test]
async fn who_drains_is_alive_and_not_ready() {
    let bed = Bed::new(Duration::ZERO).await;
    bed.publish_primary().await;
    bed.lifecycle.set_draining();
    let (status, said) = bed.get("/readyz").await;
    assert_eq!(
        (status, said.starts_with("draining")),
        (503, true),
        "{said}"
    );
    assert_eq!(bed.get("/livez").await.0, 200);
    assert_eq!(bed.get("/startupz").await.0, 200);
}

#[tokio::test]
async fn without_a_sign_of_life_of_a_loop_it_is_not_live() {
    let bed = Bed::with(Duration::ZERO, ReadyPolicy::PrimaryOnce).await;
    let dead = async {
        while bed.get("/livez").await.0 == 200 {
            sleep(Duration::from_millis(100)).await;
        }
        bed.get("/livez").await
    };
    let (status, said) = timeout(DEADLINE, dead).await.expect("it is noticed");
    assert_eq!(
        (status, said.starts_with("discovery ")),
        (503, true),
        "{said}"
    );
    // It was a hiccup after all.
    bed.publisher.beat();
    let alive = async {
        while bed.get("/livez").await.0 != 200 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE, alive)
        .await
        .expect("that is noticed, too");
}

#[tokio::test]
async fn a_start_without_a_primary_counts_as_started_after_a_while() {
    let bed = Bed::new(Duration::from_secs(30)).await;
    assert_eq!(bed.get("/startupz").await.0, 200);
    assert_eq!(bed.get("/readyz").await.0, 503);
}

#[tokio::test]
async fn status_tells_what_is_known() {
    let bed = Bed::new(Duration::ZERO).await;
    bed.discovery.store(Arc::new(Status {
        reachable: 3,
        waiting_for: Some("a majority".to_owned()),
        ..Status::default()
    }));
    bed.workers[0].links.add(9);
    bed.workers[0].links_shared.set(2);
    bed.workers[0].links_pooled.set(3);
    bed.workers[0].commands.add(5);
    bed.workers[1].commands.add(7);
    let (status, body) = bed.get("/status").await;
    let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(status, 200);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["gate"], "shut");
    assert!(json["primary"].is_null());
    assert_eq!(json["hold_timeout_ms"], 15_000);
    assert_eq!(json["discovery"]["reachable"], 3);
    assert_eq!(json["discovery"]["waiting_for"], "a majority");
    assert_eq!(json["totals"]["commands"], 12);
    assert_eq!(json["workers"][1]["commands"], 7);
    assert_eq!(json["draining"], false);
    assert_eq!(json["discovery"]["last_switches"], serde_json::json!([]));

    let links = serde_json::json!({"shared": 2, "dedicated": 4, "pooled": 3});
    assert_eq!(json["links"], links);

    bed.publish_primary().await;
    bed.discovery.store(Arc::new(Status {
        named_by: vec!["10.0.0.1:26379".to_owned()],
        primary_says: Some("master"),
        sentinels: vec![SentinelStatus {
            trouble: Some("down"),
            answered: Some(Instant::now()),
            ..SentinelStatus::default()
        }],
        ..Status::default()
    }));
    let (_, body) = bed.get("/status").await;
    let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&json["gate"], &json["generation"]),
        (&"open".into(), &1.into())
    );
    assert_eq!(json["primary"]["address"], "10.0.0.7:6379");
    assert_eq!(json["primary"]["epoch"], 3);
    assert_eq!(json["primary"]["role_verified"], true);
    assert_eq!(json["primary"]["says"], "master");
    assert_eq!(json["primary"]["named_by"][0], "10.0.0.1:26379");
    let sentinel = &json["discovery"]["sentinels"][0];
    assert_eq!(sentinel["trouble"], "down");
    assert!(sentinel["answered_ms_ago"].is_u64(), "{sentinel}");
}

#[tokio::test]
async fn browsers_get_a_page_that_can_load_nothing_else() {
    let bed = Bed::new(Duration::ZERO).await;
    let accepts = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let (status, head, body) = bed.send("GET", "/", accepts).await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html"), "{head}");
    let policy = "content-security-policy: default-src 'none'; script-src 'sha256-";
    assert!(head.contains(policy), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    assert!(body.starts_with("<!doctype html>"), "{body}");
    let (_, plain) = bed.get("/").await;
    assert!(
        plain.contains("/status"),
        "others are told what there is: {plain}"
    );
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let bed = Bed::new(Duration::ZERO).await;
    assert_eq!(bed.get("/metricz").await.0, 404);
    let post = b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let refused = bed.raw(post).await;
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    assert!(refused.contains("allow: GET, HEAD"), "{refused}");
    let head = bed.raw(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let bed = Bed::new(Duration::ZERO).await;
    let huge = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(65));
    for request in [
        b"\x00\x01\r\n\r\n".as_slice(),
        b"*1\r\n$4\r\nPING\r\n",
        many.as_bytes(),
    ] {
        let response = bed.raw(request).await;
        assert!(response.starts_with("HTTP/1.1 4"), "{response}");
    }
    // The rest of an oversized head may meet a reset, so only that it is no success counts.
    let mut stream = TcpStream::connect(bed.address).await.expect("it listens");
    let _ = stream.write_all(huge.as_bytes()).await;
    let mut response = Vec::new();
    let _ = timeout(DEADLINE, stream.read_to_end(&mut response))
        .await
        .expect("an end");
    assert!(!response.starts_with(b"HTTP/1.1 200"));
    assert_eq!(bed.get("/livez").await.0, 200);
}

#[tokio::test]
async fn silent_connections_are_closed_and_give_their_places_back() {
    let bed = Bed::new(Duration::ZERO).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(
            TcpStream::connect(bed.address)
                .await
                .expect("the backlog takes it"),
        );
    }
    // All places are taken by now or soon; the answer comes once the silent ones are given up.
    assert_eq!(bed.get("/livez").await.0, 200);
}

#[tokio::test]
async fn stop_ends_the_server_and_its_connections() {
    let bed = Bed::new(Duration::ZERO).await;
    let mut open = TcpStream::connect(bed.address).await.expect("it listens");
    assert_eq!(bed.get("/livez").await.0, 200);
    bed.stop.cancel();
    timeout(DEADLINE, bed.server)
        .await
        .expect("it ends")
        .expect("without a panic");
    // Reset or end of stream; either way nothing comes any more.
    let mut byte = [0];
    let read = timeout(DEADLINE, open.read(&mut byte))
        .await
        .expect("closed");
    assert!(!matches!(read, Ok(1)));
    assert!(TcpStream::connect(bed.address).await.is_err());
}
