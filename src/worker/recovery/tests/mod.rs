//! Recovery against a model of the server and of the session around it: every story proptest can
//! find of commands, bytes, losses, switches, refusals and departures. Planted bugs show that the
//! oracle can tell.

mod cluster;
mod oracle;
mod proxy;
mod server;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::{Before, Entry, Fate, Plan, Progress, plan};
use crate::resp::Class;
use proxy::Planner;
use server::{Command, Op, Role};
use world::{Gate, Setting, Step, World};

/// Stories told in every run, and in a long one.
const STORIES: u32 = 40_000;
const STORIES_IN_SOAK: u32 = 1_000_000;
/// Stories in which a planted bug must show.
const STORIES_PLANTED: u32 = 50_000;

/// What the client may send, as whole conversations; the first is the simplest.
const TALKS: &[&[Op]] = {
    use Op::{Discard, Exec, Multi, Node, Pop, Read, Setting, Unwatch, Wait, Watch, Write};
    &[
        &[Write],
        &[Read],
        &[Multi, Write, Exec],
        &[Multi, Write, Write, Exec],
        &[Watch, Read, Multi, Write, Exec],
        &[Watch, Read, Multi, Write, Write, Exec],
        &[Write, Read, Write],
        &[Pop],
        &[Pop, Write],
        &[Setting],
        &[Wait],
        &[Node],
        &[Multi, Write, Discard],
        &[Multi, Read, Pop, Exec],
        &[Multi, Exec],
        &[Watch, Multi, Write],
        &[Watch, Unwatch],
        &[Multi],
        &[Exec],
        &[Discard],
        &[Watch],
        &[Unwatch],
        &[Multi, Write, Watch, Exec],
    ]
};

fn program(numbers: &[u16]) -> Vec<Command> {
    let talks = numbers.iter().map(|number| usize::from(*number));
    let ops = talks.flat_map(|number| {
        let talk = TALKS[number % TALKS.len()];
        // One in sixteen conversations has a command too large to be kept.
        let large = (number / 256 % 16 == 15).then_some(number / 32 % talk.len());
        talk.iter()
            .enumerate()
            .map(move |(at, op)| (*op, large != Some(at)))
    });
    (1..)
        .zip(ops)
        .map(|(id, (op, kept))| Command { id, op, kept })
        .collect()
}

/// What may happen, as often as it is listed; how much of it is in the number as well.
fn step(number: u16) -> Step {
    let most = usize::from(number >> 8) % 6;
    match number % 96 {
        0..=17 => Step::Send,
        18..=26 => Step::Attach,
        27..=38 => Step::Write(most),
        39..=50 => Step::Arrive(most),
        51..=62 => Step::Read,
        63..=66 => Step::Lose(most),
        67..=68 => Step::Late(most),
        69..=71 => Step::Glimpse(most),
        72..=75 => Step::Gate(Gate::Open),
        76..=78 => Step::Gate(Gate::Shut),
        79 => Step::Gate(Gate::Outlast),
        80..=82 => Step::Switch {
            knows: most % 2 == 1,
        },
        83..=84 => Step::Role(Role::Replica),
        85 => Step::Role(Role::Loading),
        86..=88 => Step::Role(Role::Primary),
        89..=91 => Step::Job,
        92..=93 => Step::Touch,
        94 => Step::Leave,
        _ => Step::Write(usize::MAX),
    }
}

/// A program, what happens, whether blocking calls are resumed, and whether MULTI is forbidden.
type Story = (Vec<Command>, Vec<Step>, bool, bool);

fn story() -> impl Strategy<Value = Story> {
    let numbers = |most| vec(any::<u16>(), 1..most);
    (numbers(6), numbers(90), any::<u8>()).prop_map(|(talks, steps, setting)| {
        let steps = steps.into_iter().map(step).collect();
        (program(&talks), steps, setting % 2 == 1, setting % 10 == 9)
    })
}

/// Tells so many stories; the first that does not hold, as small as it gets with so much effort.
fn tell(planner: Planner, reorders: bool, stories: u32, effort: u32) -> Result<(), String> {
    let config = Config {
        cases: stories,
        failure_persistence: None,
        max_shrink_iters: effort,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(seed()));
    let result = runner.run(
        &story(),
        |(program, steps, resume_blocking, forbids_multi)| {
            let world = World::new(Setting {
                planner,
                reorders,
                resume_blocking,
                forbids_multi,
            });
            world.tell(&program, &steps).map_err(TestCaseError::fail)
        },
    );
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, (program, steps, resumes, forbids))) => {
            let ops: Vec<_> = program.iter().map(|it| (it.id, it.op, it.kept)).collect();
            Err(format!(
                "{reason}\nprogram: {ops:?}\nsteps: {steps:?}\nresume_blocking: {resumes}, forbids_multi: {forbids}"
            ))
        }
        Err(TestError::Abort(reason)) => Err(format!("{reason}")),
    }
}

fn seed() -> u64 {
    let given = std::env::var("STEADFAST_SEED").ok();
    given.and_then(|it| it.parse().ok()).unwrap_or(1)
}

fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

#[test]
fn every_story_ends_well() {
    let stories = match std::env::var_os("STEADFAST_SOAK") {
        Some(_) => STORIES_IN_SOAK,
        None => STORIES,
    };
    if let Err(fault) = tell(plan, false, stories, 20_000) {
        panic!("{fault}\nSTEADFAST_SEED={}", seed());
    }
}

/// The real plan, with one fate for another.
fn with(before: &Before, entries: &[Entry], wrong: impl Fn(Fate) -> Fate) -> Plan {
    let mut plan = plan(before, entries);
    plan.fates.iter_mut().for_each(|fate| *fate = wrong(*fate));
    plan
}

fn instead_of(right: Fate, wrong: Fate) -> impl Fn(Fate) -> Fate {
    move |fate| if fate == right { wrong } else { fate }
}

fn resends_a_write(before: &Before, entries: &[Entry]) -> Plan {
    with(before, entries, instead_of(Fate::Uncertain, Fate::Resend))
}

fn loses_a_reply(before: &Before, entries: &[Entry]) -> Plan {
    with(before, entries, instead_of(Fate::Uncertain, Fate::Drop))
}

fn denies_an_execution(before: &Before, entries: &[Entry]) -> Plan {
    with(
        before,
        entries,
        instead_of(Fate::Uncertain, Fate::NotExecuted),
    )
}

fn forgets_a_watch(before: &Before, entries: &[Entry]) -> Plan {
    let plan = with(before, entries, instead_of(Fate::Nil, Fate::Resend));
    Plan {
        watch_lost: false,
        ..plan
    }
}

fn replays_after_exec(before: &Before, entries: &[Entry]) -> Plan {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        if let Entry::Command {
            class: Class::Exec,
            progress: progress @ Progress::Whole,
            ..
        } = entry
        {
            *progress = Progress::Partly;
        }
    }
    plan(before, &entries)
}

fn forgets_a_transaction(before: &Before, entries: &[Entry]) -> Plan {
    Plan {
        replay: false,
        ..plan(before, entries)
    }
}

fn goes_on_with_half_a_transaction(before: &Before, entries: &[Entry]) -> Plan {
    Plan {
        aborted: false,
        ..plan(before, entries)
    }
}

#[test]
fn planted_bugs_are_caught() {
    let planted: [(&str, Planner, bool); 8] = [
        ("resends a write", resends_a_write, false),
        ("loses a reply", loses_a_reply, false),
        ("denies an execution", denies_an_execution, false),
        ("forgets a watch", forgets_a_watch, false),
        ("replays after EXEC was written", replays_after_exec, false),
        ("forgets a transaction", forgets_a_transaction, false),
        (
            "goes on with half of one",
            goes_on_with_half_a_transaction,
            false,
        ),
        ("reorders", plan, true),
    ];
    for (bug, planner, reorders) in planted {
        let verdict = tell(planner, reorders, STORIES_PLANTED, 0);
        assert!(verdict.is_err(), "not caught: {bug}");
    }
}
