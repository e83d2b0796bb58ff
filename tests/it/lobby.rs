//! Goal: before a login, where one is required, a client may do no more than a server lets it, and not
//! for ever. Method: the same bytes to a server with a password, directly and through the proxy; and
//! strangers that never come to the point, beside clients that are none.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::client::{Client, command};
use crate::fakes::{FakeServer, Reaction};
use crate::proxy::{Proxy, in_front_of};
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);
/// How long a command may take to become complete before the login, and how long a client may take to
/// send one.
const UNFINISHED_MAX: Duration = Duration::from_secs(10);
const SILENT_MAX: Duration = Duration::from_secs(60);

/// What comes back for `bytes` until the other side closes; it has to.
#[track_caller]
fn until_close(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // It may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let closed = end
        .as_ref()
        .map_or_else(|e| e.kind() == ErrorKind::ConnectionReset, |_| true);
    assert!(closed, "still open: {end:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Commands that are too much before a login, whole and begun.
fn too_much() -> Vec<Vec<u8>> {
    let long = "v".repeat(16 * 1024 + 1);
    let many: Vec<_> = ["MGET"].into_iter().chain(["k"; 10]).collect();
    vec![
        command(&many),
        command(&["SET", "k", &long]),
        b"*11\r\n$4\r\nMGET\r\n$1\r\nk\r\n".to_vec(),
        b"*2\r\n$3\r\nGET\r\n$16385\r\n".to_vec(),
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nvvvv".to_vec(),
    ]
}

/// The most that is not.
fn enough() -> [Vec<u8>; 2] {
    let long = "v".repeat(16 * 1024);
    let many: Vec<_> = ["MGET"].into_iter().chain(["k"; 9]).collect();
    [command(&many), command(&["SET", "k", &long])]
}

/// Checks that strangers are bounded at `proxy` as at the server itself.
#[track_caller]
fn bounds_are_the_servers(bed: &Bed, proxy: &Proxy) {
    for bytes in too_much() {
        let direct = until_close(bed.primary().addr(), &bytes);
        assert!(
            direct.starts_with("-ERR Protocol error: unauth"),
            "{direct:?}"
        );
        assert_eq!(until_close(proxy.addr(), &bytes), direct);
    }
    for bytes in enough() {
        let mut client = proxy.connect();
        client.send_raw(&bytes).unwrap();
        assert!(client.reply().unwrap().is_error("NOAUTH"));
        assert!(
            client.call(&["GET", "k"]).is_error("NOAUTH"),
            "it is still there"
        );
    }
}

/// Checks that these bounds end with the login.
fn no_bounds_after(mut client: Client) {
    for bytes in too_much().into_iter().take(2) {
        let (begin, rest) = bytes.split_at(bytes.len() / 2);
        client.send_raw(begin).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        client.send_raw(rest).unwrap();
        assert_eq!(client.reply().unwrap().error(), None);
    }
}

#[test]
fn strangers_are_bounded_as_the_server_bounds_them() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .requirepass("secret")
        .start();
    let proxy = Proxy::ready(&bed);
    // The server is known to ask for a password.
    assert!(proxy.connect().call(&["GET", "k"]).is_error("NOAUTH"));
    bounds_are_the_servers(&bed, &proxy);
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "secret"]).is_ok());
    no_bounds_after(client);
    // In one go with the login as well.
    let mut client = proxy.connect();
    let login = [command(&["AUTH", "secret"]), too_much().swap_remove(0)];
    client.send_raw(&login.concat()).unwrap();
    assert!(client.reply().unwrap().is_ok());
    assert_eq!(client.reply().unwrap().error(), None);
}

#[test]
fn so_they_are_where_steadfast_asks_for_the_password() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .requirepass("secret")
        .start();
    let file = |name: &str, text: &str| {
        let path = bed.dir().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let proxy = Proxy::for_bed(&bed)
        .flag("--password-file", file("password", "secret"))
        .flag("--client-password-file", file("client", "door"))
        .start_ready();
    bounds_are_the_servers(&bed, &proxy);
    // Nobody else is asked, so a number is enough.
    let direct = until_close(bed.primary().addr(), b"*11\r\n");
    assert_eq!(until_close(proxy.addr(), b"*11\r\n"), direct);
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "door"]).is_ok());
    no_bounds_after(client);
}

#[test]
fn who_needs_no_login_has_no_such_bounds() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    no_bounds_after(proxy.connect());
}

/// A server that lets nobody do anything before a login.
fn locked() -> FakeServer {
    FakeServer::start(|words| match words[0].as_str() {
        "AUTH" => Reaction::AsUsual,
        _ => Reaction::Reply(b"-NOAUTH Authentication required.\r\n".to_vec()),
    })
}

/// Half a command, within all bounds.
const HALF: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\nthe rest";

#[test]
fn strangers_that_do_not_come_to_the_point_are_closed() {
    let (server, open_server) = (locked(), FakeServer::start(|_| Reaction::AsUsual));
    let (_sentinel, proxy) = in_front_of(server.addr());
    let (_other_sentinel, open_proxy) = in_front_of(open_server.addr());
    assert!(proxy.connect().call(&["GET", "k"]).is_error("NOAUTH"));
    let since = Instant::now();
    let (mut silent, mut slow) = (proxy.connect(), proxy.connect());
    let (mut known, mut at_home) = (proxy.connect(), open_proxy.connect());
    let mut asking = proxy.connect();
    assert!(known.call(&["AUTH", "secret"]).is_ok());
    for client in [&mut slow, &mut known, &mut at_home] {
        client.send_raw(HALF).unwrap();
    }
    // Byte by byte is not fast enough.
    let closed = loop {
        let sent = slow.send_raw(b".");
        if let Some(at) = slow.closed_within(Duration::from_secs(1)) {
            break at;
        }
        assert!(
            sent.is_ok() && since.elapsed() < SOON,
            "a slow one is closed"
        );
        assert!(asking.call(&["GET", "k"]).is_error("NOAUTH"));
    };
    assert!(closed - since >= UNFINISHED_MAX, "{:?}", closed - since);
    let closed = silent.closed_within(2 * SOON).expect("it is closed");
    assert!(closed - since >= SILENT_MAX, "{:?}", closed - since);
    assert!(!proxy.events("clients_overdue").is_empty());
    for client in [&mut known, &mut at_home] {
        let heard = client.reply_within(Duration::from_millis(1));
        assert_eq!(
            heard.unwrap_err().kind(),
            ErrorKind::TimedOut,
            "it is still there"
        );
    }
    at_home.send_raw(&[b'.'; 992]).unwrap();
    at_home.send_raw(b"\r\n").unwrap();
    assert_eq!(at_home.reply().unwrap(), Value::Simple("OK".into()));
}
