//! Differential transparency: the same bytes to two equal servers, one direct and one through
//! Steadfast, must bring back the same bytes, up to a short list of named masks (`mask`).
//!
//! Streams are generated from a seed. `STEADFAST_SEED=n` replays one, `STEADFAST_SOAK=1` runs
//! thousands. No failover happens here; that is the business of other modules.

mod duet;
mod ends;
mod fill;
mod frame;
mod large;
mod mask;
mod pair;
mod plan;
mod pools;
mod side;
mod solo;
mod stories;
mod words;

use std::ops::Range;

use crate::rng::Rng;
use pair::Pair;
use plan::{Plan, Step, Who};
use stories::STORIES;

/// Streams of each kind in an ordinary run, and in a long one.
const STREAMS: u64 = 150;
const STREAMS_SOAK: u64 = 4000;
/// How many differing streams are shown.
const SHOWN: usize = 5;

/// Which seeds to run.
fn seeds() -> Range<u64> {
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

/// Runs `check` of each case and fails with all that did not hold.
#[track_caller]
fn all_hold<T>(cases: &[T], mut check: impl FnMut(&T) -> Result<(), String>) {
    let failures: Vec<_> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Compares the streams that `generate` makes of the seeds.
#[track_caller]
fn compare_all(generate: fn(u64) -> Plan) {
    compare_some(seeds(), generate);
}

#[track_caller]
fn compare_some(seeds: Range<u64>, generate: fn(u64) -> Plan) {
    compare_between(&Pair::start(), seeds, generate);
}

#[track_caller]
fn compare_between(pair: &Pair, seeds: Range<u64>, generate: fn(u64) -> Plan) {
    let (mut streams, mut commands, mut differing) = (0, 0, Vec::new());
    for seed in seeds.clone() {
        let plan = generate(seed);
        if seeds.clone().count() == 1 {
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
    eprintln!("{streams} streams, {commands} commands");
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
    all_hold(STORIES, |(about, commands)| {
        let compared = pair.compare(&told(commands));
        compared.map_err(|text| format!("{about}: {text}"))
    });
}

#[test]
fn large_values_and_many_arguments_read_the_same() {
    let Range { start, end } = seeds();
    compare_some(start..end - (end - start) * 2 / 3, large::generate);
    let pair = Pair::start();
    all_hold(&[1, 16, 64], |mib| {
        pair.compare(&large::one_value(mib * 1024 * 1024))
    });
}

/// These bytes and what shows whether the connection lives on, in one go.
fn raw(text: &str) -> Plan {
    let mut plan = Plan::default();
    let mut rng = Rng::new(0);
    plan.write(
        Who::Subject,
        format!("{text}PING\r\nQUIT\r\n").into(),
        3,
        &mut rng,
    );
    plan.steps.push(Step::Closed);
    plan
}

#[test]
fn connections_end_alike() {
    let pair = Pair::start();
    all_hold(ends::SAME, |text| {
        let compared = pair.compare(&raw(text));
        compared.map_err(|difference| format!("{text:?}: {difference}"))
    });
}

#[test]
fn where_we_are_stricter_we_say_so() {
    let pair = Pair::start();
    all_hold(ends::STRICTER, |(text, answer, why)| {
        let proxied = pair.proxied(&raw(text));
        let got = String::from_utf8_lossy(&proxied.subject);
        let as_told = got == *answer && proxied.stuck.is_none();
        as_told
            .then_some(())
            .ok_or_else(|| format!("{why}: {text:?}: {proxied:?}"))
    });
    all_hold(ends::MUTED, |text| {
        let proxied = pair.proxied(&raw(text));
        let ended = proxied.stuck.is_none() && proxied.subject.is_empty();
        ended
            .then_some(())
            .ok_or_else(|| format!("{text:?}: {proxied:?}"))
    });
    all_hold(ends::BROKEN, |text| {
        let proxied = pair.proxied(&raw(text));
        let queued = String::from_utf8_lossy(&proxied.subject).contains("+QUEUED\r\n");
        let ended = proxied.stuck.is_none() && queued;
        ended
            .then_some(())
            .ok_or_else(|| format!("{text:?}: {proxied:?}"))
    });
    let (command, answers) = ends::REPLY_IN_MULTI;
    let proxied = pair.proxied(&raw(&format!("{command}\r\n")));
    let got = String::from_utf8_lossy(&proxied.subject);
    assert!(
        answers.iter().any(|answer| got.starts_with(answer)) && got.ends_with("+OK\r\n"),
        "{command:?}: {got:?}"
    );
    all_hold(ends::REFUSED, |(command, answer)| {
        let proxied = pair.proxied(&raw(&format!("{command}\r\n")));
        let got = String::from_utf8_lossy(&proxied.subject);
        let as_told = got.starts_with(answer) && got.ends_with("+OK\r\n");
        as_told
            .then_some(())
            .ok_or_else(|| format!("{command:?}: {got:?}"))
    });
}
