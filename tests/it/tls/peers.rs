//! Peers that are not what they should be: each costs one line in the log and nobody else anything.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::leg;
use crate::bed::{Bed, eventually, holds_for};
use crate::client::Client;
use crate::pki::{LOCAL, Pair, Pki, Secured};
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(3);
/// Longer than a handshake may take.
const STALLED: Duration = Duration::from_secs(8);

/// The text of the only complaint about clients with this `event`.
#[track_caller]
fn complaint(proxy: &Proxy, event: &str) -> String {
    eventually(SOON, "the log says why", || {
        let found = proxy.events(event);
        let text = found.first()?["error"].as_str()?;
        Some(text.to_owned())
    })
}

/// What comes until the other side closes.
#[track_caller]
fn heard(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut heard = Vec::new();
    // A reset is a close as well; a time-out is none.
    if let Err(error) = stream.read_to_end(&mut heard) {
        assert_ne!(
            error.kind(),
            std::io::ErrorKind::WouldBlock,
            "it is left open"
        );
    }
    heard
}

fn mutual(bed: &Bed, by: &Secured) -> Proxy {
    leg(Proxy::for_bed(bed), "listen", by)
        .flag("--listen-tls", "127.0.0.1:0")
        .start_ready()
}

#[test]
fn tls_on_the_plain_port_is_told_and_closed() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let proxy = mutual(&bed, &by);
    let began = Instant::now();
    assert!(Client::try_connect_as(proxy.addr(), Some(&by.trust)).is_err());
    assert!(began.elapsed() < SOON);
    let text = complaint(&proxy, "tls_on_plain_port");
    assert!(text.contains("--listen-tls"), "{text}");
}

#[test]
fn plain_text_on_the_port_for_tls_is_told_and_closed() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let proxy = mutual(&bed, &by);
    let mut stream = TcpStream::connect(proxy.listeners("clients_tls")[0]).unwrap();
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let reply = heard(&mut stream);
    assert!(
        reply.starts_with(b"-ERR steadfast: this port speaks TLS"),
        "{reply:?}"
    );
    let text = complaint(&proxy, "tls_failed");
    assert!(
        text.contains("plain text") && text.contains("rediss://"),
        "{text}"
    );
}

/// What the log says of a client that shows `pair`.
#[track_caller]
fn refused(bed: &Bed, by: &Secured, pair: Option<&Pair>) -> String {
    let proxy = mutual(bed, by);
    let trust = by.pki.trust(pair);
    let address = proxy.listeners("clients_tls")[0];
    let served = Client::try_connect_as(address, Some(&trust))
        .and_then(|mut client| client.try_call(&["PING"]));
    assert!(served.is_err());
    complaint(&proxy, "tls_failed")
}

#[test]
fn clients_without_the_right_certificate_are_told_apart() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let text = refused(&bed, &by, None);
    assert!(text.contains("shows no certificate"), "{text}");
    let text = refused(&bed, &by, Some(&by.pki.issue_expired(&["app"])));
    assert!(
        text.contains("expired") && text.contains("days ago"),
        "{text}"
    );
    let text = refused(&bed, &by, Some(&Pki::new().issue(&["app"])));
    assert!(text.contains("CA that is not known"), "{text}");
}

#[test]
fn a_client_that_refuses_our_certificate_is_repeated() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let proxy = mutual(&bed, &by);
    let stranger = Pki::new().trust(None);
    let address = proxy.listeners("clients_tls")[0];
    assert!(Client::try_connect_as(address, Some(&stranger)).is_err());
    let text = complaint(&proxy, "tls_failed");
    assert!(
        text.contains("does not know the CA of our certificate"),
        "{text}"
    );
}

#[test]
fn stalled_handshakes_cost_nobody_else_anything() {
    const STALLED_CLIENTS: usize = 200;
    let (bed, by) = (Bed::lonely(), Secured::new());
    let pair = by.pki.issue(&LOCAL);
    let proxy = Proxy::for_bed(&bed)
        .flag("--listen-tls-cert-file", &pair.cert)
        .flag("--listen-tls-key-file", &pair.key)
        .flag("--listen-tls", "127.0.0.1:0")
        .flag("--workers", "1")
        .start_ready();
    let address = proxy.listeners("clients_tls")[0];
    let mut old = Client::try_connect_as(address, Some(&by.trust)).unwrap();
    let mut stalled: Vec<_> = (0..STALLED_CLIENTS)
        .map(|number| {
            let mut stream = TcpStream::connect(address).unwrap();
            // Nothing, or the beginning of a hello.
            if number % 2 == 0 {
                stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
            }
            stream
        })
        .collect();
    let mut longest = Duration::ZERO;
    holds_for(Duration::from_secs(1), "others are served", || {
        let began = Instant::now();
        let mut new = Client::try_connect_as(address, Some(&by.trust)).unwrap();
        let served = new.call(&["INCR", "n"]).error().is_none()
            && old.call(&["INCR", "n"]).error().is_none();
        longest = longest.max(began.elapsed());
        served
    });
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    let began = Instant::now();
    for stream in &mut stalled {
        stream.set_read_timeout(Some(STALLED)).unwrap();
        let end = stream.read(&mut [0; 64]);
        assert!(
            end.is_ok() || end.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
        );
    }
    assert!(began.elapsed() < STALLED);
    let text = complaint(&proxy, "tls_failed");
    assert!(text.contains("in time"), "{text}");
    assert!(old.call(&["INCR", "n"]).error().is_none());
}

#[test]
fn a_hello_without_end_is_not_kept() {
    /// A record of 16 KiB, the first of which says that 64 KiB of hello are to come.
    fn record(content: &[u8]) -> Vec<u8> {
        let mut record = vec![0x16, 3, 1, 0x40, 0];
        record.extend_from_slice(content);
        record.resize(5 + 16 * 1024, 0);
        record
    }
    let (bed, by) = (Bed::lonely(), Secured::new());
    let proxy = mutual(&bed, &by);
    let mut stream = TcpStream::connect(proxy.listeners("clients_tls")[0]).unwrap();
    stream.write_all(&record(&[1, 0, 0xff, 0xf0])).unwrap();
    for _ in 0..3 {
        // It may be closed by now.
        let _ = stream.write_all(&record(&[]));
    }
    heard(&mut stream);
    let text = complaint(&proxy, "tls_failed");
    assert!(text.contains("longer than 32 KiB"), "{text}");
}

#[test]
fn noise_after_the_handshake_ends_its_own_connection() {
    let (bed, by) = (Bed::lonely(), Secured::new());
    let proxy = mutual(&bed, &by);
    let address = proxy.listeners("clients_tls")[0];
    let mut honest = Client::try_connect_as(address, Some(&by.trust)).unwrap();
    for first in 0..=u8::MAX {
        let client = Client::try_connect_as(address, Some(&by.trust)).unwrap();
        let mut socket = client.socket();
        socket.write_all(&[first, 3, 3, 0, 32]).unwrap();
        // A refusal may come before the rest is sent.
        let _ = socket.write_all(&[first; 32]);
        let _ = socket.shutdown(Shutdown::Write);
        heard(&mut socket.try_clone().unwrap());
        assert!(honest.call(&["INCR", "n"]).error().is_none());
    }
}
