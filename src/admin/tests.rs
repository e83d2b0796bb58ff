//! The admin port over a real socket: raw requests in, whole responses out.

mod acting;
mod bed;
mod probing;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::discovery::{SentinelStatus, Status};
use bed::Bed;

/// No response takes longer unless something hangs.
const DEADLINE: Duration = Duration::from_secs(60);

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
    for (method, path, allowed) in [
        ("POST", "/status", "allow: get, head"),
        ("PUT", "/drain", "allow: post"),
        ("GET", "/drain", "allow: post"),
        ("GET", "/loglevel?level=debug", "allow: post"),
    ] {
        let (status, head, _) = bed.send(method, path, "Content-Length: 0\r\n").await;
        assert_eq!(status, 405, "{method} {path}");
        assert!(head.contains(allowed), "{head}");
    }
    let (status, _, body) = bed.send("HEAD", "/livez", "").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(bed.done.lock().expect("no panic").is_empty());
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
