//! What a service manager is told, and the sockets it hands over. The manager is the test: a datagram
//! socket that listens, and a shell that leaves its sockets open to the process it becomes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::bed::{Bed, wait_until};
use crate::client::Client;
use crate::proxy::{Builder, Proxy};
use crate::value::Value;

use super::crowd::{Crowd, check};
use super::{SOON, told};

/// Keeps every message it gets, until its socket is gone.
fn listen(path: &Path) -> Arc<Mutex<Vec<String>>> {
    let socket = UnixDatagram::bind(path).unwrap();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = heard.clone();
    // Ends with the test's process.
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len) = socket.recv(&mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..len]).into_owned();
            keep.lock().unwrap().push(message);
        }
    });
    heard
}

#[test]
fn the_manager_is_told_how_it_goes() {
    let bed = Bed::lonely();
    let path = bed.dir().join("notify");
    let heard = listen(&path);
    let count = |line: &str| {
        let heard = heard.lock().unwrap();
        let lines = heard.iter().flat_map(|message| message.lines());
        lines.filter(|it| it.starts_with(line)).count()
    };
    let proxy = Proxy::for_bed(&bed)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .start_ready();
    wait_until(SOON, "ready", || count("READY=1") == 1);
    let serving = format!("STATUS=serving mymaster from {}", bed.primary().addr());
    wait_until(SOON, "the primary is told", || count(&serving) == 1);
    wait_until(SOON, "the watchdog is answered", || count("WATCHDOG=1") > 5);
    proxy.hang_up();
    wait_until(SOON, "the end of a reload", || count("READY=1") == 2);
    assert_eq!((count("RELOADING=1"), count("MONOTONIC_USEC=")), (1, 1));
    let _open = proxy.connect();
    wait_until(SOON, "it is a client", || {
        proxy.status()["totals"]["clients"] == 1
    });
    proxy.terminate();
    wait_until(SOON, "stopping", || count("STOPPING=1") == 1);
    assert_eq!(count("STATUS=draining 1 clients"), 1);
    assert_eq!(told(&proxy), (1, 0));
}

/// A proxy that gets these sockets instead of opening its own.
fn handed(bed: &Bed, clients: &TcpListener, admin: &TcpListener) -> Builder {
    Proxy::for_bed(bed).sockets("listen:admin", clients, admin)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_restart_on_sockets_of_the_manager_refuses_nobody() {
    let bed = Bed::lonely();
    let ((clients, at), (admin, admin_at)) = (listener(), listener());
    let first = handed(&bed, &clients, &admin).start_ready();
    assert_eq!((first.addr(), first.admin()), (at, admin_at));
    assert_eq!(first.connect().call(&["INCR", "n"]), Value::Int(1));
    first.terminate();
    assert_eq!(told(&first).1, 0);
    // Nobody is there to accept, and still it gets in.
    let mut between = Client::try_connect(at).unwrap();
    between.send(&["INCR", "n"]).unwrap();
    let second = handed(&bed, &clients, &admin).start_ready();
    assert_eq!(between.reply_within(SOON).unwrap(), Value::Int(2));
    assert_eq!(second.connect().call(&["INCR", "n"]), Value::Int(3));
}

#[test]
fn a_restart_on_sockets_of_the_manager_costs_no_request() {
    let bed = Bed::lonely();
    let ((clients, at), (admin, _)) = (listener(), listener());
    let first = handed(&bed, &clients, &admin).start_ready();
    let crowd = Crowd::start(Arc::new(move || Some(at)));
    crowd.wait_served();
    first.terminate();
    assert_eq!(told(&first).1, 0);
    let second = handed(&bed, &clients, &admin).start_ready();
    crowd.wait_served();
    let all = crowd.stop();
    check(&all, &bed);
    // Who came back while the first one ended was left to the second.
    assert!(all.iter().all(|seen| seen.closed == 1), "{all:?}");
    drop(second);
}

#[test]
fn a_socket_with_a_strange_name_is_refused() {
    let bed = Bed::lonely();
    let ((clients, _), (other, _)) = (listener(), listener());
    let output = Proxy::for_bed(&bed)
        .sockets("listen:metrics", &clients, &other)
        .run_to_end();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains("'metrics'"), "{text}");
}

#[test]
fn what_does_not_listen_is_refused() {
    let bed = Bed::lonely();
    let ((_clients, at), (admin, _)) = (listener(), listener());
    let connection = TcpStream::connect(at).unwrap();
    let output = Proxy::for_bed(&bed)
        .sockets("listen:admin", &connection, &admin)
        .run_to_end();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.contains("'listen'"), "{text}");
}
