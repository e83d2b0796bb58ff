//! Large replies: who gets one has a link of its own for it, loses none of it and no place in the
//! order, and costs others nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{SOON, alone, in_front_of};
use crate::bed::{Bed, Node, wait_until};
use crate::client::{Client, command};
use crate::fakes::FakeSentinel;
use crate::proxy::Proxy;

/// Longer than a client keeps a link of its own for what it was sent.
const LONG: Duration = Duration::from_secs(6);
/// So many bytes of replies pass before a way back stands still.
const FREE: usize = 200_000;

/// A way to a server on which replies come to a standstill.
#[derive(Clone, Default)]
struct Way {
    open: Arc<AtomicBool>,
    standing: Arc<AtomicUsize>,
    /// No more than so many connections stand still.
    most: usize,
}

impl Way {
    fn to(target: SocketAddr, most: usize) -> (Self, SocketAddr) {
        let way = Self {
            most,
            ..Self::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let entrance = way.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(target) else {
                    return;
                };
                let (mut asking, mut asked) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut asking, &mut asked));
                let way = entrance.clone();
                thread::spawn(move || way.back(server, client));
            }
        });
        (way, address)
    }

    fn back(self, mut server: TcpStream, mut client: TcpStream) {
        let mut scratch = vec![0; 64 * 1024];
        let mut passed = 0;
        while let Ok(n @ 1..) = server.read(&mut scratch) {
            if client.write_all(&scratch[..n]).is_err() {
                return;
            }
            passed += n;
            if passed < FREE || self.open.load(Ordering::Relaxed) {
                continue;
            }
            if self.standing.fetch_add(1, Ordering::Relaxed) < self.most {
                while !self.open.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            passed = 0;
        }
    }

    fn stands(&self) -> bool {
        self.standing.load(Ordering::Relaxed) > 0
    }
}

/// A server with a large value, and a proxy in front of the way to it.
fn behind(most: usize) -> (Bed, FakeSentinel, Proxy, Way, String) {
    let bed = Bed::builder().replicas(0).sentinels(0).start();
    let (way, address) = Way::to(bed.server(0).addr(), most);
    let (sentinel, proxy) = in_front_of(address);
    let value = "v".repeat(8_000_000);
    assert!(bed.server(0).command(&["SET", "large", &value]).is_ok());
    (bed, sentinel, proxy, way, value)
}

/// How often a server was given a command.
fn calls(server: &Node, name: &str) -> usize {
    let stats = server.command(&["INFO", "commandstats"]).text();
    let line = format!("cmdstat_{name}:calls=");
    let of = stats.lines().find_map(|it| it.strip_prefix(&line));
    of.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[test]
fn a_large_value_comes_although_the_shared_link_stands_still() {
    let (bed, _sentinel, proxy, way, value) = behind(1);
    let mut client = proxy.connect();
    client.send(&["GET", "large"]).unwrap();
    let reply = client.reply().unwrap();
    assert!(way.stands(), "the first link");
    assert!(reply.text() == value);
    assert_eq!(calls(bed.server(0), "get"), 2);
    way.open.store(true, Ordering::Relaxed);
    assert_eq!(client.call(&["ECHO", "after"]).text(), "after");
}

#[test]
fn a_large_value_that_takes_its_time_is_not_overtaken() {
    let (bed, _sentinel, proxy, way, value) = behind(usize::MAX);
    let mut client = proxy.connect();
    client.send(&["GET", "large"]).unwrap();
    wait_until(SOON, "the value is on its way", || way.stands());
    thread::sleep(LONG);
    client.send(&["ECHO", "second"]).unwrap();
    assert!(client.reply_within(Duration::from_millis(200)).is_err());
    way.open.store(true, Ordering::Relaxed);
    let first = client.reply().unwrap();
    assert!(first.text() == value, "{:.20}", first.text());
    assert_eq!(client.reply().unwrap().text(), "second");
    assert_eq!(calls(bed.server(0), "get"), 2);
}

#[test]
fn who_sends_no_more_still_gets_what_is_asked_for_apart() {
    let bed = Bed::lonely();
    let proxy = alone(&bed);
    let value = "v".repeat(3_000_000);
    assert!(proxy.connect().call(&["SET", "large", &value]).is_ok());
    for pause in [0, 1, 2, 3, 5, 8, 13] {
        let mut client = proxy.connect();
        client.send(&["GET", "large"]).unwrap();
        thread::sleep(Duration::from_millis(pause));
        client.shutdown_write();
        assert!(client.reply().unwrap().text() == value);
    }
}

/// Sends `pipeline`, and reads what is answered only once the server was given `name` again.
fn read_late(proxy: &Proxy, server: &Node, name: &str, pipeline: &[u8]) -> Client {
    let before = calls(server, name);
    let asked = pipeline.split(|byte| *byte == b'*').count() - 1;
    let mut client = proxy.connect();
    client.send_raw(pipeline).unwrap();
    wait_until(SOON, "it is asked for apart", || {
        calls(server, name) > before + asked
    });
    client
}

#[track_caller]
fn is_sent(client: &Client, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    let mut stream = client.sender();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.read_exact(&mut bytes).unwrap();
    assert!(bytes == expected);
}

#[test]
fn large_replies_reach_who_reads_them_late_and_are_not_kept() {
    let bed = Bed::lonely();
    let proxy = alone(&bed);
    let server = bed.server(0);
    let value = "v".repeat(900_000);
    assert!(server.command(&["SET", "large", &value]).is_ok());
    let mut words = vec!["MGET"];
    words.extend(["large"; 120]);
    let mut array = read_late(&proxy, server, "mget", &command(&words));
    let gets = command(&["GET", "large"]).repeat(60);
    let mut single = read_late(&proxy, server, "get", &gets);
    let mut other = proxy.connect();
    assert_eq!(other.call(&["ECHO", "mine"]).text(), "mine");
    let peak = proxy.peak_rss_kib();
    assert!(peak < 48 * 1024, "{peak} KiB");
    let reply = format!("${}\r\n{value}\r\n", value.len());
    is_sent(&array, b"*120\r\n");
    (0..120).for_each(|_| is_sent(&array, reply.as_bytes()));
    (0..60).for_each(|_| is_sent(&single, reply.as_bytes()));
    assert_eq!(array.call(&["ECHO", "after"]).text(), "after");
    assert_eq!(single.call(&["ECHO", "after"]).text(), "after");
}

#[test]
fn an_array_of_some_length_is_asked_for_once() {
    let bed = Bed::lonely();
    let proxy = alone(&bed);
    let item = "i".repeat(5000);
    let mut push = vec!["RPUSH", "list"];
    push.extend([item.as_str(); 10]);
    let mut client = proxy.connect();
    for _ in 0..15 {
        client.call(&push);
    }
    let pipeline = [
        command(&["ECHO", "before"]),
        command(&["LRANGE", "list", "0", "-1"]),
        command(&["ECHO", "after"]),
    ];
    client.send_raw(&pipeline.concat()).unwrap();
    assert_eq!(client.reply().unwrap().text(), "before");
    let items = client.reply().unwrap();
    assert!(items.items().len() == 150 && items.items().iter().all(|it| it.text() == item));
    assert_eq!(client.reply().unwrap().text(), "after");
    assert_eq!(calls(bed.server(0), "lrange"), 1);
}
