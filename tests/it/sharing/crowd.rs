//! Many clients on few links, among others that die at the worst moment.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{SOON, connections, sharing};
use crate::bed::{Bed, Node, wait_until};
use crate::client::{Client, command};
use crate::rng::Rng;

/// Of each worker a shared link for each key and some more for when one is slow; connections of
/// Steadfast's own, of Sentinels and of the test.
const CONNECTIONS_MAX: usize = 24;
const THREADS: usize = 8;
const CLIENTS_PER_THREAD: usize = 25;

/// One client that is alone with its keys, and what it knows of them.
struct Member {
    client: Client,
    name: String,
    value: String,
    /// A SET whose fate is not known.
    doubtful: Option<String>,
    acknowledged: i64,
    uncertain: i64,
    round: usize,
}

impl Member {
    fn new(address: SocketAddr, name: String) -> Self {
        let mut client = Client::connect(address);
        client.call(&["SET", &format!("{name}:v"), ""]);
        Self {
            client,
            name,
            value: String::new(),
            doubtful: None,
            acknowledged: 0,
            uncertain: 0,
            round: 0,
        }
    }

    /// Sends a pipeline, some of it in pieces.
    fn send(&mut self, rng: &mut Rng) {
        self.round += 1;
        let token = self.token();
        let value = format!("{token}{}", "x".repeat(rng.below(3000)));
        let pipeline = [
            command(&["ECHO", &token]),
            command(&["SET", &format!("{}:v", self.name), &value]),
            command(&["GET", &format!("{}:v", self.name)]),
            command(&["INCR", &format!("{}:n", self.name)]),
            command(&["ECHO", &token]),
        ]
        .concat();
        self.doubtful = Some(value);
        let cut = rng.below(pipeline.len());
        self.client.send_raw(&pipeline[..cut]).unwrap();
        self.client.send_raw(&pipeline[cut..]).unwrap();
    }

    fn token(&self) -> String {
        format!("{}/{}", self.name, self.round)
    }

    /// Reads what came of it; with links that are cut, what is no read may be uncertain.
    fn check(&mut self, cuts: bool) {
        let token = self.token();
        let is_uncertain =
            |error: Option<&str>| error.is_some_and(|text| cuts && text.starts_with("UNCERTAIN"));
        assert_eq!(self.client.reply().unwrap().text(), token);
        let set = self.client.reply().unwrap();
        let sent = self.doubtful.take().unwrap();
        let old = std::mem::take(&mut self.value);
        let got = self.client.reply().unwrap();
        match is_uncertain(set.error()) {
            true => assert!(got.text() == sent || got.text() == old, "{}", got.text()),
            false => {
                assert!(set.is_ok(), "{set:?}");
                assert_eq!(got.text(), sent);
            }
        }
        self.value = got.text();
        let counted = self.client.reply().unwrap();
        match is_uncertain(counted.error()) {
            true => self.uncertain += 1,
            false => {
                self.acknowledged += 1;
                let told: i64 = counted.text().parse().unwrap();
                let most = self.acknowledged + self.uncertain;
                assert!(
                    (self.acknowledged..=most).contains(&told),
                    "{told} of {most}"
                );
            }
        }
        assert_eq!(self.client.reply().unwrap().text(), token);
    }

    fn check_count(&self, server: &Node) {
        let count: i64 = server
            .command(&["GET", &format!("{}:n", self.name)])
            .text()
            .parse()
            .unwrap();
        let most = self.acknowledged + self.uncertain;
        assert!(
            (self.acknowledged..=most).contains(&count),
            "{count} of {most}"
        );
    }
}

/// Clients that work for as long as `goes_on` says, and what each of them has at the end.
fn crowd(address: SocketAddr, cuts: bool, goes_on: impl Fn(usize) -> bool + Sync) -> Vec<Member> {
    let part = |thread: usize| {
        let mut rng = Rng::new(thread as u64 + 1);
        let name = |nth: usize| format!("c{thread}-{nth}");
        let mut members: Vec<_> = (0..CLIENTS_PER_THREAD)
            .map(|nth| Member::new(address, name(nth)))
            .collect();
        let mut round = 0;
        while goes_on(round) {
            members.iter_mut().for_each(|member| member.send(&mut rng));
            members.iter_mut().for_each(|member| member.check(cuts));
            round += 1;
        }
        members
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || part(thread)))
            .collect();
        let joined = parts.into_iter().map(|part| part.join().unwrap());
        joined.flatten().collect()
    })
}

/// Comes, asks for something, and goes without reading all of it, or in the middle of a command.
fn come_and_die(address: SocketAddr, rng: &mut Rng) {
    let request = match rng.below(3) {
        0 => command(&["GET", "large"]).repeat(50),
        1 => command(&["SET", "stranger", &"y".repeat(5000)]),
        _ => command(&["ECHO", "stranger"]).repeat(20),
    };
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let sent = stream.write_all(&request[..rng.below(request.len()) + 1]);
    if sent.is_ok() && rng.below(2) == 0 {
        // A part of the replies is on its way.
        thread::sleep(Duration::from_millis(rng.below(5) as u64));
    }
    let socket = socket2::SockRef::from(&stream);
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// Ends those who disturb, also where what they disturb fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn die_until(stop: &AtomicBool, address: SocketAddr) {
    let mut rng = Rng::new(99);
    while !stop.load(Ordering::Relaxed) {
        come_and_die(address, &mut rng);
    }
}

#[test]
fn two_hundred_clients_need_a_handful_of_connections() {
    let bed = Bed::lonely();
    let proxy = sharing(&bed).start_ready();
    let most = AtomicUsize::new(0);
    let members = crowd(proxy.addr(), false, |round| {
        most.fetch_max(connections(bed.server(0)), Ordering::Relaxed);
        round < 10
    });
    assert_eq!(members.len(), THREADS * CLIENTS_PER_THREAD);
    members
        .iter()
        .for_each(|member| member.check_count(bed.server(0)));
    let most = most.into_inner();
    // Each thread of the test has one of its own while it counts.
    assert!(most <= CONNECTIONS_MAX, "{most} connections");
}

#[test]
fn clients_that_die_take_nobody_with_them_and_leave_no_reply_to_others() {
    let bed = Bed::lonely();
    let proxy = sharing(&bed).start_ready();
    let large = "z".repeat(30_000);
    proxy.connect().call(&["SET", "large", &large]);
    let stop = AtomicBool::new(false);
    let mut slow = proxy.connect();
    slow.send_raw(&command(&["GET", "large"]).repeat(200))
        .unwrap();
    let members = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| die_until(&stop, proxy.addr()));
        }
        let _stop = Stop(&stop);
        crowd(proxy.addr(), false, |round| round < 12)
    });
    members
        .iter()
        .for_each(|member| member.check_count(bed.server(0)));
    for _ in 0..200 {
        assert_eq!(slow.reply().unwrap().text(), large);
    }
}

#[test]
fn a_link_that_is_killed_costs_each_client_only_what_was_its_own() {
    let bed = Bed::lonely();
    let proxy = sharing(&bed).start_ready();
    let kills = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let members = thread::scope(|scope| {
        scope.spawn(|| {
            let mut admin = bed.server(0).connect();
            while !stop.load(Ordering::Relaxed) {
                let killed = admin.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
                kills.fetch_add(usize::from(killed.text() != "0"), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(150));
            }
        });
        let _stop = Stop(&stop);
        crowd(proxy.addr(), true, |_| kills.load(Ordering::Relaxed) < 12)
    });
    members
        .iter()
        .for_each(|member| member.check_count(bed.server(0)));
    wait_until(SOON, "all is calm again", || {
        connections(bed.server(0)) <= CONNECTIONS_MAX
    });
}

#[test]
fn transactions_of_many_clients_are_not_mixed() {
    let bed = Bed::lonely();
    let proxy = sharing(&bed).flag("--workers", "1").start_ready();
    let mut clients: Vec<_> = (0..50).map(|_| proxy.connect()).collect();
    let one = [&["MULTI"][..], &["INCR", "n"], &["INCR", "n"], &["EXEC"]];
    let whole: Vec<_> = one.iter().flat_map(|args| command(args)).collect();
    for _ in 0..20 {
        for client in &mut clients {
            client.send_raw(&whole).unwrap();
        }
        for client in &mut clients {
            let answers: Vec<_> = (0..4).map(|_| client.reply().unwrap()).collect();
            assert!(answers[0].is_ok(), "{answers:?}");
            let first: i64 = answers[3].at(0).parse().unwrap();
            assert_eq!(answers[3].at(1), (first + 1).to_string());
        }
    }
    assert!(
        connections(bed.server(0)) <= 8,
        "as one run they need no link of their own"
    );
    // In pieces each needs one, and gives it back.
    for client in &mut clients {
        for args in &one[..3] {
            assert!(client.call(args).error().is_none());
        }
    }
    for client in &mut clients {
        let result = client.call(one[3]);
        let first: i64 = result.at(0).parse().unwrap();
        assert_eq!(result.at(1), (first + 1).to_string());
    }
}
