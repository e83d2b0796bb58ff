//! Goal: `steadfast check` says in words what is wrong. Method: one misconfiguration after the
//! other, looked at through exit code and text.

use std::fs;

use crate::bed::{Bed, free_port};
use crate::proxy::run_to_end;

/// Exit code and everything `check` said.
fn check(bed: &Bed, name: &str, more: &[&str]) -> (i32, String) {
    let sentinel = bed.sentinel(0).addr().to_string();
    let mut args = vec!["check", "--sentinel", &sentinel, "--primary-name", name];
    args.extend_from_slice(more);
    let output = run_to_end(&args);
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

#[track_caller]
fn explains(result: (i32, String), words: &[&str]) -> String {
    let (code, text) = result;
    assert_eq!(code, 1, "{text}");
    let lower = text.to_lowercase();
    for word in words {
        assert!(
            lower.contains(&word.to_lowercase()),
            "no {word:?} in: {text}"
        );
    }
    text
}

fn file(bed: &Bed, name: &str, text: &str) -> String {
    let path = bed.dir().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_healthy_set_passes_and_the_primary_is_named() {
    let bed = Bed::usual();
    let (code, text) = check(&bed, "mymaster", &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&bed.primary().addr().to_string()), "{text}");
}

#[test]
fn four_mistakes_have_four_explanations() {
    let bed = Bed::builder()
        .replicas(0)
        .sentinels(1)
        .requirepass("admin")
        .sentinel_password("watch")
        .sentinel_user("weak", "on >weak-pw -@all +auth +hello +ping")
        .start();
    let watch = file(&bed, "watch", "watch");
    let wrong = file(&bed, "wrong", "not-the-password");
    let weak = file(&bed, "weak", "weak-pw");
    let name = "mymaster";
    let unknown = check(&bed, "nope", &["--sentinel-password-file", &watch]);
    let no_password = check(&bed, name, &[]);
    let wrong_password = check(&bed, name, &["--sentinel-password-file", &wrong]);
    let no_rights = check(
        &bed,
        name,
        &[
            "--sentinel-username",
            "weak",
            "--sentinel-password-file",
            &weak,
        ],
    );
    let wrong_data = check(
        &bed,
        name,
        &[
            "--sentinel-password-file",
            &watch,
            "--control-password-file",
            &wrong,
        ],
    );
    let mut texts = vec![
        explains(unknown, &["nope"]),
        explains(no_password, &["sentinel", "password"]),
        explains(wrong_password, &["sentinel", "WRONGPASS"]),
        explains(no_rights, &["NOPERM"]),
        explains(wrong_data, &["WRONGPASS", "password"]),
    ];
    texts.sort();
    texts.dedup();
    assert_eq!(
        texts.len(),
        5,
        "two mistakes are explained alike: {texts:#?}"
    );
}

#[test]
fn a_sentinel_that_is_not_there_is_named() {
    let nowhere = format!("127.0.0.1:{}", free_port());
    let output = run_to_end(&["check", "--sentinel", &nowhere]);
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&nowhere), "{text}");
}
