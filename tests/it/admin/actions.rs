//! Actions over the admin port: off unless allowed, and what they do.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::SOON;
use crate::bed::{Bed, wait_until};
use crate::proxy::Proxy;

/// `POST path` with further `headers`, each ending its line: the whole answer.
fn post(proxy: &Proxy, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(proxy.admin()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let host = proxy.admin();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn by_default_nothing_can_be_asked_of_the_process() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    for path in ["/drain", "/reload", "/loglevel?level=error"] {
        let answer = post(&proxy, path, "");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("--admin-actions"), "{answer}");
    }
    assert_eq!(
        proxy.events("admin_action"),
        Vec::<serde_json::Value>::new()
    );
    assert!(proxy.is_alive() && proxy.is_ready());
}

#[test]
fn allowed_actions_do_what_their_signals_do() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--admin-actions", "on")
        .flag("--log-level", "info")
        .start_ready();
    let foreign = post(&proxy, "/drain", "Origin: http://localhost:8000\r\n");
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
    assert!(proxy.is_ready());

    assert!(post(&proxy, "/reload", "").starts_with("HTTP/1.1 202 "));
    wait_until(SOON, "it was heard", || {
        !proxy.events("admin_action").is_empty()
    });

    let client_lines = |proxy: &Proxy| {
        proxy
            .log()
            .iter()
            .filter(|line| line.contains("\"DEBUG\""))
            .count()
    };
    assert_eq!(client_lines(&proxy), 0);
    assert!(post(&proxy, "/loglevel?level=debug", "").starts_with("HTTP/1.1 202 "));
    wait_until(SOON, "more is logged", || {
        // What is no HTTP is told on the admin port at this level.
        let mut stream = TcpStream::connect(proxy.admin()).unwrap();
        stream.write_all(b"nonsense\r\n\r\n").unwrap();
        client_lines(&proxy) > 0
    });

    assert!(post(&proxy, "/drain", "").starts_with("HTTP/1.1 202 "));
    assert_eq!(proxy.exit_code(SOON), Some(0));
    assert_eq!(proxy.events("stopping").len(), 1);
}
