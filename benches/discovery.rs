//! How fast the pure half of discovery is: reading an event and deciding who is the primary.
//!
//! Neither is on the data path; the figures show that a storm of events or a hundred polls cost
//! nothing that a client could notice.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "the harness makes an undocumented function, and bad input must end a measurement"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use steadfast::config::AddressMap;
use steadfast::discovery::connection::Reply;
use steadfast::discovery::election::{Claim, Decision, Election, Millis, Says};
use steadfast::discovery::event;
use steadfast::net::HostPort;

const SENTINELS: [usize; 3] = [1, 3, 7];

fn claim(epoch: u64) -> Claim {
    let address = HostPort::new(format!("10.0.0.{epoch}"), 6379);
    Claim { address, epoch }
}

/// What `sentinels` of them say at `at`.
fn hear(election: &mut Election, sentinels: usize, epoch: u64, at: Millis) {
    for number in 0..sentinels {
        election.observe(&format!("{number:040}"), claim(epoch), 2, at);
    }
}

fn elections(c: &mut Criterion) {
    let mut group = c.benchmark_group("election");
    for sentinels in SENTINELS {
        let mut settled = Election::default();
        hear(&mut settled, sentinels, 1, 1_000);
        settled.verdict(&claim(1).address, Says::Master, 1_000);
        settled.switched(claim(1));
        let id = BenchmarkId::new("nothing_new", sentinels);
        group.bench_with_input(id, &sentinels, |b, sentinels| {
            b.iter(|| {
                hear(&mut settled, *sentinels, 1, black_box(1_100));
                settled.decide(1_100, *sentinels)
            });
        });
        let mut moved = Election::default();
        hear(&mut moved, sentinels, 2, 1_000);
        moved.verdict(&claim(2).address, Says::Master, 1_000);
        assert!(!matches!(
            moved.decide(1_000, sentinels),
            Decision::Wait | Decision::Degraded
        ));
        let id = BenchmarkId::new("new_primary", sentinels);
        group.bench_with_input(id, &sentinels, |b, sentinels| {
            b.iter(|| moved.decide(black_box(1_000), *sentinels));
        });
    }
    group.finish();
}

fn bulk(text: &str) -> Reply {
    Reply::BulkString(text.as_bytes().to_vec())
}

fn events(c: &mut Criterion) {
    let message =
        |channel, payload| Reply::Array(vec![bulk("message"), bulk(channel), bulk(payload)]);
    let ours = message("+switch-master", "mymaster 10.0.0.1 6379 10.0.0.2 6379");
    let other = message(
        "+sdown",
        "slave 10.0.0.3:6379 10.0.0.3 6379 @ other 10.0.0.4 6379",
    );
    assert!(event::read(&ours, "mymaster", &AddressMap::EMPTY).is_some());
    assert!(event::read(&other, "mymaster", &AddressMap::EMPTY).is_none());
    let mut group = c.benchmark_group("event");
    for (name, reply) in [("switch", &ours), ("of_another_set", &other)] {
        group.bench_with_input(BenchmarkId::from_parameter(name), reply, |b, reply| {
            b.iter(|| event::read(black_box(reply), "mymaster", &AddressMap::EMPTY));
        });
    }
    group.finish();
}

criterion_group!(benches, elections, events);
criterion_main!(benches);
