//! Links cut at every byte and at random ones, by a forwarder between Steadfast and its server: such
//! a loss closes nobody and executes nothing twice.

use std::thread;
use std::time::{Duration, Instant};

use super::clients::{Crowd, KEY};
use super::{CLIENTS, seed};
use crate::bed::{Bed, wait_until};
use crate::client::{Client, command};
use crate::fakes::{Cut, Cutter, FakeSentinel};
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::soak::soak;
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

/// A server behind a forwarder, and a proxy that knows only the forwarder.
struct Route {
    proxy: Proxy,
    cutter: Cutter,
    _sentinel: FakeSentinel,
    bed: Bed,
}

impl Route {
    #[track_caller]
    fn lay() -> Self {
        let bed = Bed::builder().replicas(0).sentinels(0).start();
        let cutter = Cutter::start(bed.server(0).addr());
        let sentinel = FakeSentinel::start("mymaster", cutter.addr(), 1);
        let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster").start_ready();
        Self {
            proxy,
            cutter,
            _sentinel: sentinel,
            bed,
        }
    }

    /// One command whose link is cut.
    #[track_caller]
    fn cut(&self, client: &mut Client, args: &[&str], cut: Cut) -> Value {
        let before = self.cutter.cuts();
        self.cutter.arm(args[0], cut);
        let reply = client.try_call(args);
        let reply = reply.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        wait_until(SOON, "the link was cut", || self.cutter.cuts() > before);
        reply
    }
}

#[test]
fn a_write_cut_at_any_byte_is_executed_at_most_once() {
    let route = Route::lay();
    let mut client = route.proxy.connect();
    let length = command(&["INCR", KEY]).len();
    let requests = (0..=length).map(Cut::Request);
    let replies = (0..=3).map(Cut::Reply);
    let (mut said, mut unsure) = (0_i64, 0);
    for cut in requests.chain(replies) {
        match route.cut(&mut client, &["INCR", KEY], cut) {
            Value::Int(_) => said += 1,
            Value::Error(text) if text.starts_with("UNCERTAIN") => unsure += 1,
            other => panic!("{cut:?}: {other:?}"),
        }
        let counted = route.bed.server(0).command(&["GET", KEY]).text();
        let counted: i64 = counted.parse().unwrap_or(0);
        assert!(
            (said..=said + unsure).contains(&counted),
            "{cut:?}: counted {counted}, said {said}, unsure {unsure}"
        );
    }
    // The replies were lost, or a part of them, and what the server did with them.
    assert!(unsure >= 3, "only {unsure} were called uncertain");
}

#[test]
fn a_read_cut_at_any_byte_is_answered() {
    let route = Route::lay();
    let mut client = route.proxy.connect();
    route.bed.server(0).command(&["SET", "k", "value"]);
    let length = command(&["GET", "k"]).len();
    let replies = (0..b"$5\r\nvalue\r\n".len()).map(Cut::Reply);
    for cut in (0..=length).map(Cut::Request).chain(replies) {
        let reply = route.cut(&mut client, &["GET", "k"], cut);
        assert_eq!(reply.text(), "value", "{cut:?}");
    }
}

#[test]
fn an_exec_cut_at_any_byte_is_all_or_nothing_and_once() {
    let route = Route::lay();
    let mut client = route.proxy.connect();
    let length = command(&["EXEC"]).len();
    let replies = (0..8).map(Cut::Reply);
    for (round, cut) in (0..=length).map(Cut::Request).chain(replies).enumerate() {
        let key = format!("exec:{round}");
        assert!(client.call(&["MULTI"]).is_ok());
        assert_eq!(client.call(&["INCR", &key]).text(), "QUEUED");
        assert_eq!(client.call(&["INCR", &key]).text(), "QUEUED");
        let reply = route.cut(&mut client, &["EXEC"], cut);
        let counted = route.bed.server(0).command(&["GET", &key]).text();
        match reply {
            Value::Array(items) => {
                assert_eq!(items, [Value::Int(1), Value::Int(2)], "{cut:?}");
                assert_eq!(counted, "2", "{cut:?}");
            }
            Value::Error(text) if text.starts_with("UNCERTAIN") => {
                assert!(counted.is_empty() || counted == "2", "{cut:?}: {counted}");
            }
            other => panic!("{cut:?}: {other:?}"),
        }
    }
}

#[test]
fn links_cut_at_random_close_nobody() {
    let seed = seed();
    eprintln!("STEADFAST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let route = Route::lay();
    let crowd = Crowd::gather(route.proxy.addr(), CLIENTS);
    for round in 0..soak(500, 60) {
        let byte = rng.below(200);
        let cut = if rng.chance(50) {
            Cut::Request(byte)
        } else {
            Cut::Reply(byte)
        };
        route.cutter.arm("INCR", cut);
        wait_until(SOON, "the link was cut", || route.cutter.cuts() > round);
        thread::sleep(Duration::from_millis(u64::try_from(rng.below(20)).unwrap()));
    }
    crowd.wait_going(Instant::now());
    let tally = crowd.disperse();
    let counted = route.bed.server(0).command(&["GET", KEY]).text();
    let counted: u64 = counted.parse().unwrap();
    eprintln!("seed {seed}: counted {counted}, {}", tally.summary());
    assert_eq!(tally.wrong, [""; 0], "seed {seed}");
    assert_eq!(tally.closed, [""; 0], "seed {seed}");
    assert_eq!(tally.refused, 0, "seed {seed}");
    let said = tally.acks.len() as u64;
    let range = said..=said + tally.uncertain;
    assert!(
        range.contains(&counted),
        "seed {seed}: {counted} is not in {range:?}"
    );
}
