//! Passwords that are wrong, missing, or not enough: what is said of each, what goes on anyway, and
//! that it heals.

use std::fs;
use std::time::Duration;

use super::{NOTICED, SOON, Volume, file, with_link_of_its_own};
use crate::bed::{Bed, holds_for, wait_until};
use crate::client::Client;
use crate::proxy::{Proxy, run_to_end};

/// A server whose user `app` has the password `one`.
fn bed() -> Bed {
    Bed::builder()
        .requirepass("admin")
        .user("app", "on >one ~* &* +@all -@dangerous")
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .start()
}

/// The only log line with this event.
#[track_caller]
fn said(proxy: &Proxy, event: &str, words: &[&str]) {
    wait_until(NOTICED, "it is said", || !proxy.events(event).is_empty());
    let line = proxy.events(event)[0].to_string();
    for word in words {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_is_told_once() {
    let bed = bed();
    let path = file(&bed, "app", "one");
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", &path)
        .start_ready();
    fs::write(&path, "\n").unwrap();
    said(&proxy, "password_not_renewed", &["is empty", "kept"]);
    let mut client = with_link_of_its_own(&proxy);
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    // Longer than it takes to look at it again.
    holds_for(Duration::from_secs(11), "it is told once", || {
        proxy.events("password_not_renewed").len() == 1
    });
    fs::remove_file(&path).unwrap();
    wait_until(NOTICED, "that is another fault", || {
        proxy.events("password_not_renewed").len() == 2
    });
    with_link_of_its_own(&proxy);
}

#[test]
fn a_hangup_has_the_file_read_at_once() {
    let bed = bed();
    let path = file(&bed, "app", "one");
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", &path)
        .start_ready();
    for told in 1..=3 {
        proxy.hang_up();
        wait_until(SOON, "it is said that nothing is new", || {
            proxy.events("password_unchanged").len() == told
        });
    }
    // That the clock comes between the change and the signal happens, but not so often in a row.
    let at_once = (0..4).any(|round| {
        fs::write(&path, format!("new{round}")).unwrap();
        proxy.hang_up();
        wait_until(SOON, "it is read", || {
            proxy.events("password_renewed").len() == round + 1
        });
        proxy.events("password_renewed")[round]["asked"] == true
    });
    assert!(at_once, "each time it was the clock");
}

#[test]
fn a_wrong_password_is_tried_with_measure_and_heals_with_the_file() {
    let bed = bed();
    let volume = Volume::new(&bed, &["app"], "one");
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", volume.at("app"))
        .flag("--control-password-file", file(&bed, "control", "admin"))
        .flag("--hold-timeout", "1s")
        .start_ready();
    let mut before = with_link_of_its_own(&proxy);
    let rules = ["ACL", "SETUSER", "app", "resetpass", ">two"];
    assert!(bed.server(0).command(&rules).is_ok());
    let attempts = || {
        let calls = bed.server(0).info("cmdstat_auth");
        let calls = calls.strip_prefix("calls=").unwrap_or_default();
        let count = calls.split(',').next().unwrap_or_default();
        count.parse::<usize>().unwrap_or(0)
    };
    let tried = attempts();
    let refusal = proxy.connect().call(&["CLIENT", "ID"]);
    assert!(refusal.is_error("MASTERDOWN"), "{refusal:?}");
    // 20 dials a second for one client, and what the tests ask themselves.
    let tried = attempts() - tried;
    assert!(tried < 60, "{tried} logins within the hold");
    let words = ["WRONGPASS", "check --password-file and --username"];
    said(&proxy, "login_failed", &words);
    // Nobody waits any more, so nobody tries.
    let tried = attempts();
    holds_for(Duration::from_secs(1), "who was let in is served", || {
        before.call(&["SET", "k", "v"]).is_ok()
    });
    let tried = attempts() - tried;
    assert!(tried < 5, "{tried} logins for nobody");
    volume.publish("2", &["app"], "two");
    wait_until(NOTICED, "the new one is used", || {
        proxy.connect().call(&["CLIENT", "ID"]).error().is_none()
    });
    assert!(before.call(&["SET", "k", "v"]).is_ok());
}

#[test]
fn the_password_of_clients_is_replaced_as_well() {
    let bed = bed();
    let volume = Volume::new(&bed, &["door"], "old");
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", file(&bed, "app", "one"))
        .flag("--client-password-file", volume.at("door"))
        .start_ready();
    let opens = |words: &[&str]| {
        let mut client = proxy.connect();
        let refused = client.call(words).is_error("WRONGPASS");
        (!refused).then_some(client)
    };
    let by_hello = |password| opens(&["HELLO", "3", "AUTH", "default", password]).is_some();
    let mut before: Client = opens(&["AUTH", "old"]).unwrap();
    assert!(by_hello("old") && !by_hello("new"));
    volume.publish("2", &["door"], "new\n");
    wait_until(NOTICED, "the new one opens", || {
        opens(&["AUTH", "new"]).is_some()
    });
    assert!(opens(&["AUTH", "old"]).is_none(), "no longer valid");
    assert!(by_hello("new") && !by_hello("old"));
    assert!(before.call(&["SET", "k", "v"]).is_ok(), "who was let in");
    assert!(before.call(&["AUTH", "old"]).is_error("WRONGPASS"));
    assert_eq!(before.call(&["RESET"]).text(), "RESET");
    assert!(before.call(&["GET", "k"]).is_error("NOAUTH"));
    assert!(before.call(&["AUTH", "new"]).is_ok());
    assert_eq!(before.call(&["GET", "k"]).text(), "v");
}

/// Starts a proxy and a check with this login, of which `prefix` names the flags.
fn both(bed: &Bed, prefix: &str, user: &str, password: &str) -> (Proxy, String) {
    let sentinel = bed.sentinel(0).addr().to_string();
    let mut args = vec!["check".to_owned(), "--sentinel".to_owned(), sentinel];
    let mut proxy = Proxy::for_bed(bed);
    if !password.is_empty() {
        let path = file(bed, password, password).display().to_string();
        let flags = [
            (format!("--{prefix}-username"), user.to_owned()),
            (format!("--{prefix}-password-file"), path),
        ];
        for (flag, value) in flags {
            proxy = proxy.flag(&flag, &value);
            args.extend([flag, value]);
        }
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let told = run_to_end(&args);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    (proxy.start(), told)
}

/// The log and `check` name the refusal and say what to do.
#[track_caller]
fn told_apart(bed: &Bed, prefix: &str, user: &str, cases: &[(&str, &str, &str)]) {
    for (kind, password, advice) in cases {
        let (proxy, told) = both(bed, prefix, user, password);
        let has = |text: &String| text.contains(kind) && text.contains(advice);
        assert!(has(&told), "{told}");
        wait_until(SOON, &format!("the log says {kind} and {advice}"), || {
            proxy.log().iter().any(has)
        });
    }
}

#[test]
fn the_refusals_of_a_data_node_are_told_apart() {
    let bed = bed();
    let cases = [
        ("NOAUTH", "", "--control-password-file"),
        ("WRONGPASS", "wrong", "check --control-password-file and"),
    ];
    told_apart(&bed, "control", "app", &cases);
}

#[test]
fn the_refusals_of_a_sentinel_are_told_apart() {
    let bed = Bed::builder()
        .sentinel_password("right")
        .sentinel_user("narrow", "on >narrow -@all +ping")
        .replicas(0)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let cases = [
        ("NOAUTH", "", "give --sentinel-password-file"),
        ("WRONGPASS", "wrong", "check --sentinel-password-file"),
        ("NOPERM", "narrow", "+sentinel|master"),
    ];
    told_apart(&bed, "sentinel", "narrow", &cases);
}
