//! Goal: `steadfast check` also says what will hurt later, and says what to do in words that fit
//! the cause. Method: real deployments with one weakness each, and ports that are no Sentinel.

use std::fs;
use std::time::Duration;

use crate::bed::{Bed, Start, free_port};
use crate::proxy::run_to_end;

/// Exit code and what stood on standard output.
fn check(args: &[&str]) -> (i32, String) {
    let output = run_to_end(&[&["check"], args].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

#[track_caller]
fn assert_says(result: &(i32, String), code: i32, words: &[&str]) {
    assert_eq!(result.0, code, "{}", result.1);
    for word in words {
        assert!(result.1.contains(word), "no {word:?} in:\n{}", result.1);
    }
}

fn password(bed: &Bed, text: &str) -> String {
    let path = bed.dir().join(text);
    fs::write(&path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_sentinel_is_learned_from_one_and_subscribed_to() {
    let bed = Bed::usual();
    let first = bed.sentinel(0).addr().to_string();
    let all = check(&["--sentinel", &first]);
    assert_says(&all, 0, &["subscribed to 3 of 3", "would serve it"]);
    for node in bed.sentinels() {
        assert_says(&all, 0, &[&node.addr().to_string()]);
    }
    for index in 0..3 {
        assert_says(&all, 0, &[&bed.server(index).addr().to_string()]);
    }
    assert!(!all.1.contains("Warnings"), "{}", all.1);

    let alone = check(&["--sentinel", &first, "--sentinel-discovery", "off"]);
    assert_says(&alone, 0, &["subscribed to 1 of 3", "1 of 3 Sentinels"]);

    bed.sentinel(2).kill();
    let two = check(&["--sentinel", &first]);
    assert_says(&two, 0, &["subscribed to 2 of 3", "nothing listens there"]);
    bed.sentinel(1).kill();
    assert_says(&check(&["--sentinel", &first]), 0, &["a failover needs 2"]);
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let bed = Bed::builder()
        .name("cache-7")
        .replicas(0)
        .sentinels(1)
        .start();
    let sentinel = bed.sentinel(0).addr().to_string();
    let args = ["--sentinel", &sentinel, "--primary-name", "other"];
    assert_says(&check(&args), 1, &["'other'", "--primary-name (cache-7)"]);
}

#[test]
fn small_and_slow_deployments_are_warned_of() {
    let bed = Bed::builder()
        .down_after(30_000)
        .replicas(0)
        .sentinels(1)
        .start();
    let sentinel = bed.sentinel(0).addr().to_string();
    let words = ["1 Sentinel in all", "1 data server in all", "about 32s"];
    assert_says(&check(&["--sentinel", &sentinel]), 0, &words);
}

#[test]
fn settings_that_differ_between_servers_are_named() {
    let bed = Bed::builder()
        .line_of(1, "maxmemory-policy allkeys-lru")
        .start();
    let sentinel = bed.sentinel(0).addr().to_string();
    let odd = format!("'allkeys-lru' on {}", bed.server(1).addr());
    assert_says(
        &check(&["--sentinel", &sentinel]),
        0,
        &["maxmemory-policy differs", &odd],
    );
}

#[test]
fn logins_to_the_servers_are_told_apart() {
    let bed = Bed::builder()
        .requirepass("data")
        .user("app", "on >app ~* +@all -@dangerous")
        .user("watch", "on >watch -@all +ping +role")
        .replicas(0)
        .sentinels(1)
        .start();
    let sentinel = bed.sentinel(0).addr().to_string();
    let with = |args: &[&str]| check(&[&["--sentinel", &sentinel], args].concat());
    let [data, app, watch, wrong] =
        ["data", "app", "watch", "wrong"].map(|one| password(&bed, one));

    let passed_through = with(&[]);
    assert_says(
        &passed_through,
        0,
        &["NOAUTH", "after its client's own AUTH"],
    );
    let full = with(&["--password-file", &data]);
    assert_says(&full, 0, &["  primary\n"]);
    assert!(!full.1.contains("role unknown"), "{}", full.1);
    // ROLE is dangerous to ACLs, HELLO is not: it stands in.
    let by_hello = with(&["--username", "app", "--password-file", &app]);
    assert_says(
        &by_hello,
        0,
        &["  primary\n", "CONFIG GET is not permitted"],
    );
    assert!(!by_hello.1.contains("role unknown"), "{}", by_hello.1);
    let control = [
        "--control-username",
        "watch",
        "--control-password-file",
        &watch,
    ];
    assert_says(&with(&control), 0, &["  primary\n"]);
    let both = with(&[&control[..], &["--password-file", &wrong]].concat());
    assert_says(&both, 1, &["WRONGPASS", "check --password-file"]);
    let control = with(&["--control-password-file", &wrong]);
    assert_says(&control, 1, &["WRONGPASS", "check --control-password-file"]);
}

#[test]
fn a_sentinel_that_gives_no_events_still_serves() {
    let rules = "on >poll -@all +auth +ping +sentinel|master +sentinel|get-master-addr-by-name";
    let bed = Bed::builder()
        .sentinel_user("poll", rules)
        .replicas(0)
        .sentinels(1)
        .start();
    let sentinel = bed.sentinel(0).addr().to_string();
    let file = password(&bed, "poll");
    let login = [
        "--sentinel-username",
        "poll",
        "--sentinel-password-file",
        &file,
    ];
    let said = check(&[&["--sentinel", &sentinel], &login[..]].concat());
    let words = ["subscribed to 0 of 1", "no events", "SENTINEL SENTINELS"];
    assert_says(&said, 0, &words);
}

#[test]
fn places_that_are_no_sentinel_are_told_apart() {
    let bed = Bed::builder().replicas(0).sentinels(1).start();
    let server = bed.server(0).addr().to_string();
    assert_says(
        &check(&["--sentinel", &server]),
        1,
        &["data server, no Sentinel"],
    );
    let nowhere = format!("127.0.0.1:{}", free_port());
    assert_says(
        &check(&["--sentinel", &nowhere]),
        1,
        &["nothing listens there"],
    );
    let nameless = check(&["--sentinel", "no-such-host.invalid"]);
    assert_says(&nameless, 1, &["'no-such-host.invalid' does not resolve"]);
}

#[test]
fn a_silent_server_ends_the_check_in_time() {
    let bed = Bed::builder()
        .down_after(60_000)
        .replicas(0)
        .sentinels(1)
        .start();
    let sentinel = bed.sentinel(0).addr().to_string();
    bed.server(0).freeze();
    let started = Start::now();
    let said = check(&["--sentinel", &sentinel, "--connect-timeout", "500ms"]);
    assert_says(&said, 1, &["no answer within 500ms", "cannot be used"]);
    started.within(Duration::from_secs(8));
    bed.server(0).thaw();
}
