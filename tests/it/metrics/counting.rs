//! Goal: the counts are those of the clients. Method: clients that count what they send and are told,
//! through a planned failover and a crash; and scrapes all the while, in which no count may go down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;

use super::Scrape;

const CLIENTS: usize = 5;
/// Longer than a failover may take here, so that nothing is refused.
const HOLD: &str = "120s";
const SOON: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// What one client, or all of them, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Account {
    commands: usize,
    sent: usize,
    received: usize,
    wrong_type: usize,
    uncertain: usize,
    masterdown: usize,
    others: usize,
}

impl Account {
    fn ask(&mut self, client: &mut Client, args: &[&str]) {
        self.commands += 1;
        self.sent += command(args).len();
        let reply = client.call(args);
        self.received += client.raw().len();
        let word = reply.error().and_then(|error| error.split(' ').next());
        match word {
            None => {}
            Some("WRONGTYPE") => self.wrong_type += 1,
            Some("UNCERTAIN") => self.uncertain += 1,
            Some("MASTERDOWN") => self.masterdown += 1,
            Some(_) => self.others += 1,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            commands: self.commands + other.commands,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            wrong_type: self.wrong_type + other.wrong_type,
            uncertain: self.uncertain + other.uncertain,
            masterdown: self.masterdown + other.masterdown,
            others: self.others + other.others,
        }
    }
}

/// Clients that go on until they are stopped.
struct Crowd {
    stop: Arc<AtomicBool>,
    answers: Vec<Arc<AtomicUsize>>,
    threads: Vec<JoinHandle<Account>>,
}

impl Crowd {
    fn gather(proxy: &Proxy) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers: Vec<Arc<AtomicUsize>> = (0..CLIENTS).map(|_| Arc::default()).collect();
        let threads = answers.iter().enumerate().map(|(index, answered)| {
            let (mut client, stop, answered) = (proxy.connect(), stop.clone(), answered.clone());
            thread::spawn(move || converse(&mut client, index, &stop, &answered))
        });
        let threads = threads.collect();
        let crowd = Self {
            stop,
            answers,
            threads,
        };
        crowd.wait_going();
        crowd
    }

    /// Waits until each has got further.
    fn wait_going(&self) {
        let count = || self.answers.iter().map(|it| it.load(Ordering::SeqCst));
        let before: Vec<_> = count().collect();
        wait_until(SOON, "everybody goes on", || {
            // More than one round: what was in flight before may be what is answered first.
            count().zip(&before).all(|(now, before)| now > before + 8)
        });
    }

    fn stop(self) -> Account {
        self.stop.store(true, Ordering::SeqCst);
        let accounts = self
            .threads
            .into_iter()
            .map(|thread| thread.join().unwrap());
        accounts.fold(Account::default(), Account::plus)
    }
}

fn converse(
    client: &mut Client,
    index: usize,
    stop: &AtomicBool,
    answered: &AtomicUsize,
) -> Account {
    let mut account = Account::default();
    let (text, list) = (format!("text:{index}"), format!("list:{index}"));
    while !stop.load(Ordering::SeqCst) {
        for args in [
            &["SET", text.as_str(), "value"][..],
            &["GET", &text],
            &["RPUSH", &list, "element"],
            &["LPUSH", &text, "of the wrong type"],
        ] {
            account.ask(client, args);
            answered.fetch_add(1, Ordering::SeqCst);
            thread::sleep(PAUSE);
        }
    }
    account
}

/// Scrapes until it is stopped; what went down between two scrapes.
fn scrape_on(proxy: &Proxy, stop: &AtomicBool) -> (usize, Vec<String>) {
    let mut last = Scrape::of(proxy);
    let (mut scrapes, mut down) = (1, Vec::new());
    while !stop.load(Ordering::SeqCst) {
        let next = Scrape::of(proxy);
        down.extend(next.went_down_since(&last));
        last = next;
        scrapes += 1;
        thread::sleep(Duration::from_millis(50));
    }
    (scrapes, down)
}

/// Stops whoever scrapes at the end of a test, a failed one included.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn since_1970() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

#[track_caller]
fn compare(scrape: &Scrape, account: Account) {
    let count = |name: &str, labels: &[(&str, &str)]| scrape.count(name, labels);
    let tcp = [("listener", "tcp")];
    let told = Account {
        commands: count("steadfast_requests_total", &[]),
        sent: count("steadfast_client_received_bytes_total", &tcp),
        received: count("steadfast_client_sent_bytes_total", &tcp),
        wrong_type: count("steadfast_error_replies_total", &[("origin", "upstream")]),
        uncertain: count(
            "steadfast_failed_requests_total",
            &[("reason", "uncertain")],
        ),
        masterdown: count(
            "steadfast_failed_requests_total",
            &[("reason", "hold_timeout")],
        ),
        others: 0,
    };
    assert_eq!(told, account, "told, and counted by the clients");
    let own = count("steadfast_error_replies_total", &[("origin", "proxy")]);
    assert_eq!(own, account.uncertain + account.masterdown);
}

#[test]
fn through_a_planned_failover_and_a_crash_the_counts_are_those_of_the_clients() {
    let began = since_1970();
    let bed = Bed::builder().failover_timeout(2000).start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", HOLD)
        .start_ready();
    let stop = AtomicBool::new(false);
    let (account, scrapes, down) = thread::scope(|scope| {
        let ended = Ended(&stop);
        let watching = scope.spawn(|| scrape_on(&proxy, &stop));
        let crowd = Crowd::gather(&proxy);
        let new = bed.failover();
        proxy.wait_primary(FAILOVER_LIMIT, new.addr());
        crowd.wait_going();
        wait_until(FAILOVER_LIMIT, "the others follow", || {
            let roles = (0..3).map(|index| bed.server(index).role());
            bed.is_quiet() && roles.filter(|role| role == "slave").count() == 2
        });
        bed.wait_whole();
        new.kill();
        wait_until(FAILOVER_LIMIT, "another one is found", || {
            proxy.generation() == 3 && proxy.gate_is("open")
        });
        crowd.wait_going();
        let account = crowd.stop();
        drop(ended);
        let (scrapes, down) = watching.join().unwrap();
        (account, scrapes, down)
    });
    assert!(scrapes > 5, "{scrapes}");
    assert_eq!(down, [""; 0]);

    wait_until(SOON, "the clients' ends are noticed", || {
        let scrape = Scrape::of(&proxy);
        // What is counted by looking is of the last look.
        let left = ["steadfast_client_connections", "steadfast_held_requests"];
        left.iter().all(|name| scrape.value(name, &[]) == 0.0)
    });
    let scrape = Scrape::of(&proxy);
    compare(&scrape, account);
    failovers(&scrape, began);
    clients_and_holds(&scrape);
}

#[track_caller]
fn failovers(scrape: &Scrape, began: f64) {
    let value = |name: &str| scrape.value(name, &[]);
    let of_cause = |cause| scrape.value("steadfast_failovers_total", &[("cause", cause)]);
    assert_eq!((of_cause("planned"), of_cause("crash")), (1.0, 1.0));
    assert_eq!(value("steadfast_failover_duration_seconds_count"), 2.0);
    let longest = since_1970() - began;
    let took = value("steadfast_failover_duration_seconds_sum");
    assert!(took > 0.0 && took < longest, "{took} of {longest}");
    let last = value("steadfast_last_failover_timestamp_seconds");
    assert!(last > began && last <= since_1970(), "{last}");
    assert_eq!(value("steadfast_upstream_up"), 1.0);
    assert_eq!(value("steadfast_hold_active"), 0.0);
    assert_eq!(
        scrape.value("steadfast_state", &[("state", "serving")]),
        1.0
    );
    assert_eq!(value("steadfast_state"), 1.0, "one state at a time");
    let heard = [("event", "switch_master")];
    assert!(scrape.value("steadfast_sentinel_events_total", &heard) >= 1.0);
}

#[track_caller]
fn clients_and_holds(scrape: &Scrape) {
    let value = |name: &str| scrape.value(name, &[]);
    assert_eq!(value("steadfast_client_connections_total"), CLIENTS as f64);
    assert_eq!(value("steadfast_client_disconnects_total"), CLIENTS as f64);
    let left = [("listener", "tcp"), ("reason", "client")];
    let left = scrape.value("steadfast_client_disconnects_total", &left);
    assert_eq!(left, CLIENTS as f64);
    // Whoever writes without pause is held in each of the two.
    let held = value("steadfast_held_connections_total");
    assert!(held >= 2.0 * CLIENTS as f64, "{held}");
    assert_eq!(value("steadfast_hold_duration_seconds_count"), held);
    let resumed = [("outcome", "resumed")];
    assert_eq!(
        scrape.value("steadfast_hold_duration_seconds_count", &resumed),
        held
    );
    assert!(value("steadfast_hold_duration_seconds_sum") > 0.0);
    assert_eq!(value("steadfast_held_connections"), 0.0);
    assert_eq!(value("steadfast_held_bytes"), 0.0);
    let timed = value("steadfast_request_duration_seconds_count");
    assert!(timed > 0.0);
    // What was lost with its link has no reply.
    assert!(value("steadfast_upstream_request_duration_seconds_count") <= timed);
    assert!(value("steadfast_proxy_overhead_seconds_count") > 0.0);
    let sampled = value("steadfast_requests_sampled_total");
    assert!(sampled > 0.0 && sampled < value("steadfast_requests_total"));
}
