//! `healthcheck` and `status`, which ask a running process.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value as Json;

use super::{SOON, asked, said};
use crate::bed::{Bed, free_port, wait_until};
use crate::proxy::{Proxy, program, run_to_end};

#[test]
fn healthcheck_ends_with_what_the_probes_say() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    for args in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let (code, out, err) = said(&asked(&proxy, args));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    }
    let nowhere = [format!("127.0.0.1:{}", free_port())];
    let lost = Proxy::of(&nowhere, "mymaster").start();
    assert_eq!(said(&asked(&lost, &["healthcheck"])).0, Some(0));
    let (code, _, err) = said(&asked(&lost, &["healthcheck", "--ready"]));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no primary has been verified yet"), "{err}");
}

#[test]
fn who_does_not_answer_is_named() {
    let nowhere = format!("127.0.0.1:{}", free_port());
    for (admin, reason) in [
        (nowhere.as_str(), nowhere.as_str()),
        ("off", "is off"),
        ("127.0.0.1:0", "port 0"),
    ] {
        for args in [
            &["healthcheck"][..],
            &["healthcheck", "--ready"],
            &["status"],
        ] {
            let all = [args, &["--admin-listen", admin]].concat();
            let (code, out, err) = said(&run_to_end(&all));
            assert_eq!((code, out.as_str()), (Some(1), ""), "{args:?}: {err}");
            assert!(err.contains(reason), "{args:?}: {err}");
        }
    }
}

#[test]
fn a_port_that_speaks_something_else_is_no_health() {
    let bed = Bed::lonely();
    let server = bed.primary().addr().to_string();
    let (code, _, err) = said(&run_to_end(&["healthcheck", "--admin-listen", &server]));
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no admin port"), "{err}");
}

#[test]
fn status_shows_what_the_process_knows() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let primary = bed.primary().addr().to_string();
    let named = |text: &str| text.contains(&primary) && text.contains("subscribed to 3 of 3");
    wait_until(SOON, "all Sentinels are heard", || {
        let (code, out, err) = said(&asked(&proxy, &["status"]));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        named(&out) && out.contains("gate       open")
    });
    let (code, out, _) = said(&asked(&proxy, &["status", "--json"]));
    let json: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(json["primary"]["address"], primary.as_str());
}

#[test]
fn a_watched_status_goes_on_and_says_when_nobody_answers() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut watching = program()
        .args([
            "status",
            "--watch",
            "--admin-listen",
            &proxy.admin().to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let mut shown = || lines.find(|line| line.starts_with("gate ")).is_some();
    assert!(shown() && shown(), "it is shown again");
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
    let silent = lines.find(|line| line.contains("no answer from the admin port"));
    // What it was started for is over; nobody reads on.
    drop(lines);
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert!(silent.is_some());
}
