//! Replays the committed corpus of each fuzz target through the target's own check, and tries what is
//! made of it by joining and changing inputs: `PROPTEST_CASES` says how many of those.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use steadfast::{config, discovery, resp};

/// What a target runs.
type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 9] = [
    ("request", resp::check::request),
    ("reply", resp::check::reply),
    ("inline", resp::check::inline),
    ("command", resp::check::command),
    ("answer", resp::check::answer),
    ("sentinel", discovery::check::sentinel),
    ("event", discovery::check::event),
    ("value", config::check::value),
    ("settings", config::check::settings),
];

/// Fewest inputs of a corpus, the most, and the most bytes of one: it is read in every run.
const INPUTS_MIN: usize = 12;
const INPUTS_MAX: usize = 200;
const CORPUS_LEN_MAX: usize = 200 * 1024;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

#[track_caller]
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    entries
        .map(|entry| entry.expect("readable").path())
        .collect()
}

/// What a run of the fuzzer adds is named by its digest, and is not committed so.
fn is_committed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.len() != 40)
}

#[test]
fn every_target_is_replayed() {
    let sources = files(&fuzz());
    let sources = sources
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let names = sources.filter_map(|path| path.file_stem()?.to_str());
    let replayed: BTreeSet<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), replayed);
}

/// The committed inputs of a target.
fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = files(&fuzz().join("corpus").join(name));
    paths.retain(|path| is_committed(path));
    paths.sort();
    let read = |path: PathBuf| {
        let input = fs::read(&path).expect("readable");
        (path, input)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn what_was_found_once_holds() {
    for (name, check) in TARGETS {
        let inputs = inputs(name);
        let count = inputs.len();
        assert!(
            (INPUTS_MIN..=INPUTS_MAX).contains(&count),
            "{name}: {count}"
        );
        let len: usize = inputs.iter().map(|(_, input)| input.len()).sum();
        assert!(len <= CORPUS_LEN_MAX, "{name}: {len} bytes");
        for (path, input) in inputs {
            if std::panic::catch_unwind(|| check(&input)).is_err() {
                panic!("{}: see above", path.display());
            }
        }
    }
}

/// A place, what to do there (take the byte out, put one in, or another for it), and with what.
type Change = (Index, u8, u8);

/// The beginning of one input and the end of another, changed in a few places.
fn likeness(inputs: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let bytes: Vec<u8> = inputs.concat();
    // What matters to a parser is mostly in the corpus.
    let byte = prop_oneof![4 => select(bytes), 1 => any::<u8>()];
    let changes = prop::collection::vec((any::<Index>(), 0..3_u8, byte), 0..6);
    let ends = (select(inputs.clone()), select(inputs), any::<[Index; 2]>());
    (ends, changes).prop_map(|((front, back, cuts), changes)| {
        let front = &front[..cuts[0].index(front.len() + 1)];
        let mut input = [front, &back[cuts[1].index(back.len() + 1)..]].concat();
        changes.iter().for_each(|change| apply(change, &mut input));
        input
    })
}

fn apply((place, what, byte): &Change, input: &mut Vec<u8>) {
    let at = place.index(input.len() + 1);
    match what {
        0 if at < input.len() => drop(input.remove(at)),
        1 if at < input.len() => input[at] = *byte,
        _ => input.insert(at, *byte),
    }
}

#[test]
fn what_is_like_it_holds() {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    for (name, check) in TARGETS {
        let inputs = inputs(name).into_iter().map(|(_, input)| input).collect();
        let tried = TestRunner::new(config.clone()).run(&likeness(inputs), |input| {
            check(&input);
            Ok(())
        });
        tried.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
