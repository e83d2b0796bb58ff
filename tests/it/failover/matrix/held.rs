//! What happens while nobody is primary, to sessions that were there before: local answers, waits
//! that end by themselves, commands that must not be held, clients that leave, and the end of the
//! hold.

use std::time::{Duration, Instant};

use super::stage::{BRIEF, SOON, is, nothing, ok, refused};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, Start, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;
use crate::value::Value;

/// A local answer comes within this.
const AT_ONCE: Duration = Duration::from_millis(1000);
/// Never to be carried out on another node than the one it was meant for.
const DANGEROUS: [&[&str]; 4] = [
    &["SHUTDOWN", "NOSAVE"],
    &["DEBUG", "SLEEP", "0"],
    &["REPLICAOF", "NO", "ONE"],
    &["FAILOVER"],
];

/// A bed whose primary has just been killed, with time to look around before the failover.
struct Outage {
    proxy: Proxy,
    bed: Bed,
}

impl Outage {
    #[track_caller]
    fn set() -> Self {
        let bed = Bed::builder().down_after(5000).start();
        let proxy = Proxy::for_bed(&bed)
            .flag("--hold-timeout", "40s")
            .start_ready();
        Self { proxy, bed }
    }

    /// A session that has been served.
    #[track_caller]
    fn session(&self) -> Client {
        let mut client = self.proxy.connect();
        is(&client.call(&["ECHO", "here"]), "here");
        client
    }

    #[track_caller]
    fn begin(&self) {
        self.bed.primary().kill();
        wait_until(SOON, "the loss is noticed", || !self.proxy.gate_is("open"));
    }

    /// Waits for the failover; panics when it came before the looks at the outage were over.
    #[track_caller]
    fn end(&self) -> &Node {
        assert!(!self.proxy.gate_is("open"), "the outage was too short");
        let new = self.bed.wait_promoted(self.bed.server(0).port());
        self.proxy.wait_primary(FAILOVER_LIMIT, new.addr());
        new
    }
}

#[test]
fn ping_is_answered_here_unless_something_is_outstanding() {
    let outage = Outage::set();
    let (mut idle, mut busy) = (outage.session(), outage.session());
    let mut listener = outage.session();
    assert_eq!(listener.call(&["SUBSCRIBE", "held"]).at(0), "subscribe");
    outage.begin();
    let asked = Start::now();
    is(&idle.call(&["PING"]), "PONG");
    is(&idle.call(&["PING", "word"]), "word");
    assert_eq!(listener.call(&["PING"]).at(0), "pong");
    let waited = asked.elapsed();
    asked.took(waited, AT_ONCE);
    busy.send_raw(&[command(&["INCR", "busy"]), command(&["PING"])].concat())
        .unwrap();
    nothing(&mut busy);
    outage.end();
    is(&busy.reply().unwrap(), "1");
    is(&busy.reply().unwrap(), "PONG");
}

#[test]
fn what_would_harm_another_node_is_refused_and_never_delivered() {
    let outage = Outage::set();
    let mut sessions: Vec<_> = DANGEROUS.iter().map(|_| outage.session()).collect();
    outage.begin();
    let asked = Start::now();
    for (client, words) in sessions.iter_mut().zip(DANGEROUS) {
        refused(&client.call(words), "MASTERDOWN steadfast");
    }
    let waited = asked.elapsed();
    asked.took(waited, AT_ONCE);
    let new = outage.end();
    for client in &mut sessions {
        is(&client.call(&["ECHO", "still here"]), "still here");
    }
    let stats = new.command(&["INFO", "commandstats"]).text();
    for words in DANGEROUS {
        let name = format!("cmdstat_{}:", words[0].to_lowercase());
        assert!(!stats.contains(&name), "{name} was delivered");
    }
    assert_eq!(new.role(), "master");
}

#[test]
fn what_is_held_is_executed_once_and_only_for_those_who_stay() {
    let outage = Outage::set();
    let mut leavers: Vec<_> = (0..20).map(|_| outage.session()).collect();
    let (mut stayer, mut mover) = (outage.session(), outage.session());
    outage.begin();
    for client in &mut leavers {
        client.send(&["INCR", "left"]).unwrap();
    }
    stayer.send(&["INCR", "stayed"]).unwrap();
    let transaction: [&[&str]; 3] = [&["MULTI"], &["INCR", "moved"], &["EXEC"]];
    let transaction: Vec<_> = transaction.into_iter().flat_map(command).collect();
    mover.send_raw(&transaction).unwrap();
    nothing(&mut stayer);
    drop(leavers);
    let new = outage.end();
    is(&stayer.reply().unwrap(), "1");
    ok(&mover.reply().unwrap());
    is(&mover.reply().unwrap(), "QUEUED");
    assert_eq!(mover.reply().unwrap(), Value::Array(vec![Value::Int(1)]));
    is(&stayer.call(&["GET", "left"]), "");
    is(&new.command(&["GET", "left"]), "");
}

#[test]
fn a_wait_that_ends_during_the_outage_ends_in_time() {
    let outage = Outage::set();
    let (mut before, mut during) = (outage.session(), outage.session());
    let blocked = || outage.bed.server(0).info("blocked_clients") == "1";
    let asked = Start::now();
    before.send(&["BLPOP", "held", "3"]).unwrap();
    wait_until(SOON, "it waits", blocked);
    outage.begin();
    let began = Instant::now();
    during.send(&["BLPOP", "held", "1"]).unwrap();
    assert_eq!(during.reply_within(SOON).unwrap(), Value::Null);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    assert_eq!(before.reply_within(SOON).unwrap(), Value::Null);
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_secs(3), "{waited:?}");
    asked.took(waited, Duration::from_secs(3) + AT_ONCE);
    outage.end();
    is(&before.call(&["ECHO", "next"]), "next");
    is(&during.call(&["ECHO", "next"]), "next");
}

#[test]
fn the_end_of_the_hold_is_said_and_survived() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "1s")
        .start_ready();
    let server = bed.primary();
    let mut clients: Vec<_> = (0..4).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        is(&client.call(&["ECHO", "here"]), "here");
    }
    let [plain, mover, popper, listener] = &mut clients[..] else {
        unreachable!("there are four")
    };
    ok(&mover.call(&["MULTI"]));
    is(&mover.call(&["INCR", "moved"]), "QUEUED");
    popper.send(&["BLPOP", "queue", "0"]).unwrap();
    assert_eq!(listener.call(&["SUBSCRIBE", "held"]).at(0), "subscribe");
    wait_until(SOON, "it waits", || server.info("blocked_clients") == "1");
    server.kill();
    wait_until(SOON, "the loss is noticed", || !proxy.gate_is("open"));
    let said = plain.call(&["INCR", "plain"]);
    refused(&said, "MASTERDOWN steadfast");
    assert!(said.text().ends_with("was NOT executed"), "{said:?}");
    refused(&mover.call(&["EXEC"]), "EXECABORT");
    assert!(
        listener.closed_within(SOON).is_some(),
        "it hears nothing and does not know it"
    );
    assert!(
        popper.reply_within(BRIEF).is_err(),
        "it wanted to wait for ever"
    );
    server.restart();
    wait_until(SOON, "it is back", || proxy.gate_is("open"));
    is(&plain.call(&["INCR", "plain"]), "1");
    is(&mover.call(&["GET", "moved"]), "");
    wait_until(SOON, "it waits again", || {
        server.info("blocked_clients") == "1"
    });
    server.command(&["RPUSH", "queue", "job"]);
    assert_eq!(popper.reply_within(SOON).unwrap().at(1), "job");
}
