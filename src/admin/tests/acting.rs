//! Who may ask what of the process.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::bed::Bed;
use crate::config::ReadyPolicy;

#[tokio::test]
async fn actions_are_carried_out() {
    let bed = Bed::new(Duration::ZERO).await;
    for path in ["/reload", "/loglevel?level=debug", "/drain"] {
        let (status, _, said) = bed.send("POST", path, "").await;
        assert_eq!(status, 202, "{path}: {said}");
    }
    let (status, _, said) = bed.send("POST", "/loglevel?level=loud", "").await;
    assert_eq!(
        (status, said.contains("info or debug")),
        (400, true),
        "{said}"
    );
    let done = bed.done.lock().expect("no panic").clone();
    assert_eq!(done, ["reload", "Debug", "drain"]);
}

#[tokio::test]
async fn actions_are_refused_where_they_are_not_allowed_and_to_other_sites() {
    let policy = ReadyPolicy::PrimaryOnce;
    let off = Bed::at("127.0.0.1:0", Duration::ZERO, policy, false).await;
    let open = Bed::at("0.0.0.0:0", Duration::ZERO, policy, true).await;
    let on = Bed::at("127.0.0.1:0", Duration::ZERO, policy, true).await;
    let foreign = "Origin: http://evil.example\r\n";
    for (bed, headers, because) in [
        (&off, "", "--admin-actions"),
        (&open, "", "loopback"),
        (&on, foreign, "another site"),
        (&on, "Origin: null\r\n", "another site"),
        (&on, "Sec-Fetch-Site: cross-site\r\n", "another site"),
    ] {
        for path in ["/drain", "/reload", "/loglevel?level=debug"] {
            let (status, _, said) = bed.send("POST", path, headers).await;
            assert_eq!(status, 403, "{path} with {headers}");
            assert!(said.contains(because), "{path} with {headers}: {said}");
        }
        assert!(bed.done.lock().expect("no panic").is_empty());
        assert_eq!(bed.send("GET", "/livez", headers).await.0, 200);
    }
}

#[tokio::test]
async fn on_loopback_names_that_may_be_anybodys_are_refused() {
    let policy = ReadyPolicy::PrimaryOnce;
    let near = Bed::at("127.0.0.1:0", Duration::ZERO, policy, true).await;
    let open = Bed::at("0.0.0.0:0", Duration::ZERO, policy, true).await;
    let rebound = b"GET /status HTTP/1.1\r\nHost: evil.example:9379\r\n\r\n";
    let refused = near.raw(rebound).await;
    assert!(refused.starts_with("HTTP/1.1 421 "), "{refused}");
    // Beyond loopback names are usual (a Service's, for one), and nothing can be done there.
    let answer = open.raw(rebound).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn at_a_unix_socket_actions_are_taken_where_they_are_on() {
    let dir = tempfile::tempdir().expect("a directory");
    for (acts, expected) in [(true, "202"), (false, "403")] {
        let path = dir.path().join(expected);
        let bed = Bed::at_file(&path, acts);
        // Whoever connects by a file may call it what he likes.
        for (method, target, code) in [("POST", "/reload", expected), ("GET", "/livez", "200")] {
            let mut stream = UnixStream::connect(&path).await.expect("it listens");
            let request = format!("{method} {target} HTTP/1.1\r\nHost: steadfast\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sending");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
        }
        assert_eq!(bed.done.lock().expect("no panic").len(), usize::from(acts));
    }
}
