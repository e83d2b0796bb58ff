//! Goal: one process serves several primaries, and what happens to one endpoint is not felt at another.
//! Method: two sets of servers, each with its own Sentinels, behind one process; one is failed over,
//! loses its Sentinels and then its servers, while a writer at the other keeps an account.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value as Json;

use crate::bed::{Bed, FAILOVER_LIMIT, Start, wait_until};
use crate::client::Client;
use crate::metrics::Scrape;
use crate::proxy::{Proxy, run_to_end};
use crate::writer::{Writer, executed_twice};

const SOON: Duration = Duration::from_secs(60);
/// What `check` says of endpoints with one primary.
const SAME: &str = "lead to the same primary";
/// Far below any hold, and far above what a write takes here.
const NO_PAUSE: Duration = Duration::from_secs(1);
/// Less than any outage of the other endpoint.
const A_MOMENT: Duration = Duration::from_millis(250);

/// A file with an endpoint for each of these, called as it says; all listen on ports of their own.
fn settings(endpoints: &[(&str, &Bed)]) -> String {
    let mut text = String::new();
    for (name, bed) in endpoints {
        let sentinels = bed.sentinels().iter().map(|it| it.addr().to_string());
        let sentinels: Vec<_> = sentinels.collect();
        let _ = write!(
            text,
            "[[endpoint]]\nname = '{name}'\nprimary_name = '{}'\nsentinel = '{}'\nlisten = '127.0.0.1:0'\n",
            bed.name(),
            sentinels.join(",")
        );
    }
    let (_, first) = endpoints[0];
    let path = first.dir().join("steadfast.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What `/status` says of the endpoint called so; `null` when it cannot be had.
fn told(proxy: &Proxy, name: &str) -> Json {
    let status = proxy.status();
    let mut all = status["endpoints"].as_array().into_iter().flatten();
    all.find(|it| it["name"] == name)
        .cloned()
        .unwrap_or_default()
}

fn is_open(proxy: &Proxy, name: &str) -> bool {
    told(proxy, name)["gate"] == "open"
}

fn primary(proxy: &Proxy, name: &str) -> Option<SocketAddr> {
    told(proxy, name)["primary"]["address"]
        .as_str()?
        .parse()
        .ok()
}

/// A process with these endpoints, all of which have their primary, and where each listens.
#[track_caller]
fn serving(endpoints: &[(&str, &Bed)]) -> (Proxy, Vec<SocketAddr>) {
    let (_, first) = endpoints[0];
    let proxy = Proxy::for_bed(first)
        .flag("--config", settings(endpoints))
        .start();
    wait_until(SOON, "all endpoints have a primary", || {
        endpoints.iter().all(|(name, _)| is_open(&proxy, name))
    });
    let listeners = proxy.listeners("clients");
    assert_eq!(listeners.len(), endpoints.len());
    (proxy, listeners)
}

#[test]
fn one_endpoint_loses_everything_and_the_other_notices_nothing() {
    let [bad, good] = Bed::pair(
        Bed::builder().replicas(1).name("bad"),
        Bed::builder().replicas(1).name("good"),
    );
    let (proxy, listeners) = serving(&[("bad", &bad), ("good", &good)]);
    let started = Start::now();
    let steady = Writer::start(listeners[1], "steady");
    let moved = Writer::start(listeners[0], "moved");

    let old = bad.primary().addr();
    bad.failover();
    wait_until(FAILOVER_LIMIT, "its clients are moved", || {
        is_open(&proxy, "bad") && primary(&proxy, "bad").is_some_and(|now| now != old)
    });
    moved.wait_acks(20);
    steady.wait_acks(20);

    bad.sentinels().iter().for_each(|sentinel| sentinel.kill());
    wait_until(SOON, "it is without Sentinels", || {
        told(&proxy, "bad")["discovery"]["degraded"] == true
    });
    moved.wait_acks(20);
    steady.wait_acks(20);

    (0..2).for_each(|index| bad.server(index).kill());
    wait_until(SOON, "it holds", || {
        let now = told(&proxy, "bad");
        now["gate"] == "shut" && now["totals"]["held"] == 1
    });
    steady.wait_acks(100);
    assert!(proxy.is_ready(), "one that serves is enough");

    let account = steady.stop();
    assert!(account.errors.is_empty(), "{:?}", account.errors);
    assert!(account.closes.is_empty(), "{:?}", account.closes);
    started.took(account.longest_gap(), NO_PAUSE);
    assert_eq!(executed_twice(good.primary()), [""; 0]);
    let now = told(&proxy, "good");
    assert_eq!(
        (&now["generation"], &now["gate"]),
        (&1.into(), &"open".into())
    );
    let scrape = Scrape::of(&proxy);
    let good = [("endpoint_name", "good")];
    for never in [
        "steadfast_failed_requests_total",
        "steadfast_replayed_requests_total",
        "steadfast_failovers_total",
    ] {
        assert_eq!(scrape.count(never, &good), 0, "{never}");
    }
    // A thread that was kept from running holds until it has looked again who the primary is.
    let held = scrape.value("steadfast_hold_duration_seconds_sum", &good);
    started.took(Duration::from_secs_f64(held), A_MOMENT);
    assert_eq!(now["totals"]["held"], 0);
    let bad = [("endpoint_name", "bad")];
    assert_eq!(scrape.count("steadfast_failovers_total", &bad), 1);
}

#[test]
fn each_endpoint_is_counted_and_shown_by_itself() {
    let [one, other] = Bed::pair(
        Bed::builder().replicas(0).sentinels(1).down_after(60_000),
        Bed::builder().replicas(0).sentinels(1).down_after(60_000),
    );
    let (proxy, listeners) = serving(&[("one", &one), ("other", &other)]);
    for (listener, times) in listeners.iter().zip([3, 5]) {
        let mut client = Client::connect(*listener);
        (0..times).for_each(|_| drop(client.call(&["INCR", "n"])));
    }
    let stored = |bed: &Bed| bed.primary().command(&["GET", "n"]).text().to_owned();
    assert_eq!((stored(&one), stored(&other)), ("3".into(), "5".into()));
    let scrape = Scrape::of(&proxy);
    for (name, times) in [("one", 3), ("other", 5)] {
        let labels = [("endpoint_name", name)];
        assert_eq!(scrape.count("steadfast_requests_total", &labels), times);
        assert_eq!(scrape.count("steadfast_upstream_up", &labels), 1);
        assert_eq!(told(&proxy, name)["totals"]["commands"], times);
    }
    assert_eq!(scrape.samples_of("steadfast_held_bytes").count(), 1);

    let admin = proxy.admin().to_string();
    let output = run_to_end(&["status", "--admin-listen", &admin]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in ["endpoint   one\n", "endpoint   other\n"] {
        assert!(shown.contains(name), "{shown}");
    }
}

#[test]
fn check_tells_of_two_endpoints_with_one_primary() {
    let [one, other] = Bed::pair(
        Bed::builder().replicas(0).sentinels(1),
        Bed::builder().replicas(0).sentinels(1),
    );
    let check = |endpoints: &[(&str, &Bed)]| {
        let output = run_to_end(&["check", "--config", &settings(endpoints)]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = check(&[("a", &one), ("b", &other)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains(SAME), "{said}");
    let (code, said) = check(&[("a", &one), ("b", &other), ("c", &one)]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("the endpoints a and c lead to the same primary"),
        "{said}"
    );

    other.primary().kill();
    let (code, said) = check(&[("a", &one), ("b", &other)]);
    assert_eq!(
        code,
        Some(1),
        "one that cannot be served is a failure: {said}"
    );
}
