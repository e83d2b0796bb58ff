//! Goal: Prometheus takes what is exposed and shipped. Method: its own tool, from the distribution's
//! package (`tests/setup.sh promtool`); where that cannot be had, the tests say so and pass.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::full_scrape;

/// The tool, if there is one.
fn promtool() -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fetched: PathBuf = root.join("target/tools/bin/promtool");
    let candidates = [fetched, "promtool".into()];
    let found = candidates.into_iter().find(|program| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    });
    let Some(program) = found else {
        eprintln!("NOT TESTED: there is no promtool; tests/setup.sh promtool brings it");
        return None;
    };
    let mut command = Command::new(program);
    command.current_dir(root.join("deploy/alerts"));
    Some(command)
}

#[track_caller]
fn passes(output: &Output) {
    let told = [&output.stdout[..], &output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success(), "{}\n{told}", output.status);
}

#[test]
fn the_linter_has_nothing_to_say_of_a_scrape() {
    let Some(mut promtool) = promtool() else {
        return;
    };
    let scrape = full_scrape();
    let mut child = promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(scrape.text().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    passes(&output);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_alerts_are_rules_and_fire_when_they_should() {
    let Some(mut promtool) = promtool() else {
        return;
    };
    passes(
        &promtool
            .args(["check", "rules", "steadfast.rules.yaml"])
            .output()
            .unwrap(),
    );
    let Some(mut promtool) = self::promtool() else {
        return;
    };
    let cases = ["test", "rules", "steadfast.rules.test.yaml"];
    passes(&promtool.args(cases).output().unwrap());
}
