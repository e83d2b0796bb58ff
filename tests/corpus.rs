//! Replays the committed corpus of each fuzz target through the target's own check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

#[test]
fn what_was_found_once_holds() {
    for (name, check) in TARGETS {
        let mut inputs = files(&fuzz().join("corpus").join(name));
        inputs.retain(|path| is_committed(path));
        assert!(
            (INPUTS_MIN..=INPUTS_MAX).contains(&inputs.len()),
            "{name}: {} inputs",
            inputs.len()
        );
        let mut len = 0;
        for path in inputs {
            let input = fs::read(&path).expect("readable");
            len += input.len();
            if std::panic::catch_unwind(|| check(&input)).is_err() {
                panic!("{}: see above", path.display());
            }
        }
        assert!(len <= CORPUS_LEN_MAX, "{name}: {len} bytes");
    }
}
