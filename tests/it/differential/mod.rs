//! Differential transparency: the same bytes to two equal servers, one direct and one through
//! Steadfast, must bring back the same bytes, up to a short list of named masks (`mask`).
//!
//! Streams are generated from a seed. `STEADFAST_SEED=n` replays one, `STEADFAST_SOAK=1` runs
//! thousands. No failover happens here; that is the business of other modules.

mod duet;
mod frame;
mod mask;
mod pair;
mod plan;
mod rng;
mod side;
mod solo;
mod stories;
mod words;

use pair::Pair;
use plan::{Plan, Who};
use rng::Rng;
use stories::STORIES;

/// Streams of each kind in an ordinary run, and in a long one.
const STREAMS: u64 = 150;
const STREAMS_SOAK: u64 = 4000;
/// How many differing streams are shown.
const SHOWN: usize = 5;

/// Which seeds to run.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    match (number("STEADFAST_SEED"), number("STEADFAST_SOAK")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(1)) => 0..STREAMS_SOAK,
        _ => 0..STREAMS,
    }
}

/// Compares the streams that `generate` makes of the seeds.
#[track_caller]
fn compare_all(generate: fn(u64) -> Plan) {
    let pair = Pair::start();
    let (mut streams, mut commands, mut differing) = (0, 0, Vec::new());
    for seed in seeds() {
        let plan = generate(seed);
        if seeds().count() == 1 {
            plan.print();
        }
        (streams, commands) = (streams + 1, commands + plan.commands);
        if let Err(text) = pair.compare(&plan) {
            differing.push(format!("STEADFAST_SEED={seed}: {text}"));
            if differing.len() >= SHOWN {
                break;
            }
        }
    }
    println!("{streams} streams, {commands} commands");
    assert!(
        differing.is_empty(),
        "after {streams} streams:\n{}",
        differing.join("\n")
    );
}

#[test]
fn one_client_reads_what_it_would_read_without_us() {
    compare_all(solo::generate);
}

#[test]
fn a_client_among_others_reads_what_it_would_read_without_us() {
    compare_all(duet::generate);
}

/// The commands of a story, in one go.
fn told(commands: &[&str]) -> Plan {
    let mut plan = Plan::default();
    let mut rng = Rng::new(0);
    for command in commands {
        if let Some(text) = command.strip_prefix('=') {
            plan.seen(Who::Subject, text, 1);
            continue;
        }
        let args: Vec<_> = command.split(' ').collect();
        plan.call(Who::Subject, &args, &mut rng);
    }
    plan.quit(&mut rng);
    plan
}

#[test]
fn known_stories_read_the_same() {
    let pair = Pair::start();
    let differing: Vec<_> = STORIES
        .iter()
        .filter_map(|(about, commands)| {
            Some(format!("{about}: {}", pair.compare(&told(commands)).err()?))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
