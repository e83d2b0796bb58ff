//! Goal: what a client does wrong hurts that client alone. Method: hostile bytes, clients that do
//! not read, more clients than descriptors; and a neighbour that must not notice.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::bed::{Bed, Start, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

fn small() -> (Bed, Proxy) {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    (bed, proxy)
}

/// Sends `bytes` and returns what comes back until the proxy closes.
#[track_caller]
fn until_close(proxy: &Proxy, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(proxy.addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // It may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let closed = match &end {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    assert!(
        closed,
        "still open after {:?}: {end:?}",
        String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes))
    );
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn broken_framing_gets_an_error_and_closes_only_its_own_client() {
    let (_bed, proxy) = small();
    let mut neighbour = proxy.connect();
    let long_line = vec![b'x'; 1 << 20];
    let inputs: [&[u8]; 12] = [
        b"*1\r\n$-5\r\nPING\r\n",
        b"*99999999999\r\n$4\r\nPING\r\n",
        b"*1\r\n$99999999999\r\n",
        b"*1\r\n$18446744073709551617\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"*1\r\n$4\r\nPINGxx",
        b"*1\rX$4\rXPING\r\n",
        b"*1\r\n:4\r\nPING\r\n",
        b"*2\r\n$3\r\nGET\r\n*1\r\n$1\r\nk\r\n",
        b"*1x\r\n$4\r\nPING\r\n",
        &long_line,
    ];
    for input in inputs {
        let answer = until_close(&proxy, input);
        let shown = String::from_utf8_lossy(input.get(..40).unwrap_or(input)).into_owned();
        assert!(
            answer.starts_with("-ERR Protocol error"),
            "{shown:?} got {answer:?}"
        );
        assert_eq!(neighbour.call(&["PING"]), Value::Simple("PONG".into()));
    }
}

#[test]
fn what_came_before_the_broken_frame_is_answered() {
    let (_bed, proxy) = small();
    let mut bytes = command(&["SET", "k", "v"]);
    bytes.extend_from_slice(b"*1\r\n$4\r\nPINGxx");
    let answer = until_close(&proxy, &bytes);
    assert!(
        answer.starts_with("+OK\r\n-ERR Protocol error"),
        "{answer:?}"
    );
    assert_eq!(proxy.connect().call(&["GET", "k"]).text(), "v");
}

#[test]
fn a_tls_hello_and_a_web_browser_are_turned_away() {
    let (_bed, proxy) = small();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    until_close(&proxy, hello);
    let answer = until_close(
        &proxy,
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k stolen\r\n",
    );
    assert!(!answer.contains("+OK"), "{answer:?}");
    assert_eq!(proxy.connect().call(&["EXISTS", "k"]), Value::Int(0));
}

#[test]
fn http_ends_a_connection_in_silence_wherever_it_begins_and_one_line_says_so() {
    let (_bed, proxy) = small();
    let browser = "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k stolen\r\n";
    let header = "host: x\r\nSET k stolen\r\n";
    let framed = "*2\r\n$4\r\nPoSt\r\n$1\r\n/\r\nSET k stolen\r\n";
    for http in [browser, header, framed] {
        assert_eq!(until_close(&proxy, http.as_bytes()), "");
        let later = format!("SET a 1\r\nGET a\r\n{http}");
        assert_eq!(until_close(&proxy, later.as_bytes()), "+OK\r\n$1\r\n1\r\n");
        let queued = format!("MULTI\r\nSET k stolen\r\n{http}EXEC\r\n");
        assert_eq!(until_close(&proxy, queued.as_bytes()), "+OK\r\n+QUEUED\r\n");
    }
    // Its first word, and no other.
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "a", "POST"]).is_ok());
    assert_eq!(client.call(&["EXISTS", "k"]), Value::Int(0));
    let told = proxy.events("http_on_resp_port");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0]["peer"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("127.0.0.1:"))
    );
}

#[test]
fn empty_commands_have_no_reply_and_inline_ones_have() {
    let (_bed, proxy) = small();
    let mut client = proxy.connect();
    client
        .send_raw(b"*0\r\n\r\nPING\r\nSET k v\r\n*0\r\nGET k\r\n")
        .unwrap();
    assert_eq!(client.reply().unwrap(), Value::Simple("PONG".into()));
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap(), Value::Bulk(b"v".into()));
    assert!(client.reply_within(Duration::from_millis(100)).is_err());
}

#[test]
fn a_client_that_does_not_read_stalls_nobody_and_costs_little() {
    let (_bed, proxy) = small();
    let value = "v".repeat(1 << 20);
    assert!(proxy.connect().call(&["SET", "big", &value]).is_ok());
    let base = proxy.rss_kib();
    let mut lazy = proxy.connect();
    let pipeline: Vec<u8> = (0..200).flat_map(|_| command(&["GET", "big"])).collect();
    lazy.send_raw(&pipeline).unwrap();
    let mut neighbour = proxy.connect();
    for _ in 0..200 {
        let asked = Start::now();
        assert_eq!(neighbour.call(&["PING"]), Value::Simple("PONG".into()));
        // Who waits for the one that does not read waits for ever.
        asked.within(Duration::from_secs(5));
    }
    let above = proxy.rss_kib().saturating_sub(base);
    assert!(
        above < 80 * 1024,
        "{above} KiB for one client that does not read"
    );
    // It has not lost its place either.
    assert_eq!(lazy.reply().unwrap().text().len(), 1 << 20);
}

#[test]
fn more_clients_than_descriptors_end_nothing() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let proxy = Proxy::for_bed(&bed).descriptors(128).start_ready();
    let mut first = proxy.connect();
    assert_eq!(first.call(&["PING"]), Value::Simple("PONG".into()));
    let crowd: Vec<_> = (0..300)
        .filter_map(|_| {
            let mut client = Client::try_connect(proxy.addr()).ok()?;
            client.send(&["PING"]).ok()?;
            Some(client)
        })
        .collect();
    assert!(proxy.is_alive());
    assert_eq!(first.call(&["PING"]), Value::Simple("PONG".into()));
    let before = proxy.cpu_ticks();
    std::thread::sleep(Duration::from_secs(1));
    let used = proxy.cpu_ticks() - before;
    assert!(used < 50, "{used} ticks in a second: the acceptor spins");
    drop(crowd);
    wait_until(SOON, "new clients are served", || {
        let client = Client::try_connect(proxy.addr());
        client.is_ok_and(|mut client| {
            client
                .try_call(&["PING"])
                .is_ok_and(|r| r.error().is_none())
        })
    });
}

#[test]
fn accepting_pauses_while_there_are_no_descriptors_and_goes_on() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .descriptors(64)
        .flag("--max-clients", "1000")
        .start_ready();
    let mut first = proxy.connect();
    assert_eq!(first.call(&["PING"]), Value::Simple("PONG".into()));
    // The kernel takes them, whoever accepts them.
    let crowd: Vec<_> = (0..200).map(|_| proxy.connect()).collect();
    wait_until(SOON, "an accept fails", || {
        !proxy.events("accept_failed").is_empty()
    });
    let (told, ticks) = (proxy.events("accept_failed").len(), proxy.cpu_ticks());
    std::thread::sleep(Duration::from_secs(2));
    let told = proxy.events("accept_failed").len() - told;
    let ticks = proxy.cpu_ticks() - ticks;
    assert!(told < 20, "{told} lines in two seconds");
    assert!(
        ticks < 100,
        "{ticks} ticks in two seconds: the acceptor spins"
    );
    assert_eq!(first.call(&["PING"]), Value::Simple("PONG".into()));
    drop(crowd);
    wait_until(SOON, "new clients are served", || {
        let client = Client::try_connect(proxy.addr());
        client.is_ok_and(|mut client| client.try_call(&["PING"]).is_ok())
    });
    assert!(proxy.is_alive());
}

#[test]
fn clients_beyond_the_limit_are_told() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--max-clients", "5")
        .start_ready();
    let mut inside: Vec<_> = (0..5).map(|_| proxy.connect()).collect();
    for client in &mut inside {
        assert_eq!(client.call(&["PING"]), Value::Simple("PONG".into()));
    }
    let answer = proxy.connect().reply_within(SOON);
    if let Ok(answer) = answer {
        assert_eq!(answer.error(), Some("ERR max number of clients reached"));
    }
    drop(inside.pop());
    wait_until(SOON, "there is room again", || {
        let answer = proxy.connect().try_call(&["PING"]);
        answer.is_ok_and(|reply| reply.error().is_none())
    });
}
