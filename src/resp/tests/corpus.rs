//! Replays the seed corpora of the fuzz targets through the targets' own checks.

use std::fs;
use std::path::Path;

use crate::resp::check;

#[track_caller]
fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut replayed = 0;
    for entry in fs::read_dir(corpus.join(target)).expect("the corpus is committed") {
        let path = entry.expect("readable").path();
        check(&fs::read(&path).expect("readable"));
        replayed += 1;
    }
    assert!(replayed >= 12, "only {replayed} seeds");
}

#[test]
fn request_seeds_hold() {
    replay("request", check::request);
}

#[test]
fn reply_seeds_hold() {
    replay("reply", check::reply);
}

#[test]
fn inline_seeds_hold() {
    replay("inline", check::inline);
}
