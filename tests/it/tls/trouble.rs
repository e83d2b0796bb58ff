//! Certificates and ports that are wrong, as `steadfast check` explains them, and as the log does.

use std::path::Path;
use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::fakes::{FakeSentinel, FakeTls};
use crate::pki::{LOCAL, Pki, Secured};
use crate::proxy::{Proxy, run_to_end};

const SOON: Duration = Duration::from_secs(10);

/// A bed of one server that speaks TLS alone, and one Sentinel that speaks plain text.
fn bed(by: &Secured) -> Bed {
    Bed::builder()
        .replicas(0)
        .sentinels(1)
        .servers_secured(by)
        .start()
}

/// Exit code and everything `check` said.
fn check(bed: &Bed, more: &[&str]) -> (Option<i32>, String) {
    let sentinel = bed.sentinel(0).addr().to_string();
    let mut args = vec!["check", "--sentinel", &sentinel];
    args.extend_from_slice(more);
    let output = run_to_end(&args);
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

#[track_caller]
fn explains(result: (Option<i32>, String), words: &[&str]) {
    let (code, text) = result;
    assert_eq!(code, Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn check_names_the_cause_of_each_refusal() {
    let mut by = Secured::new();
    let bed_by = by.clone();
    let bed = bed(&bed_by);
    let other = Pki::new();
    let (ca, other_ca) = (by.pki.ca(), other.ca());
    let (ca, other_ca) = (text(&ca), text(&other_ca));
    by.nodes = by.pki.issue(&["app"]);
    let own = [
        "--upstream-tls-cert-file",
        text(&by.nodes.cert),
        "--upstream-tls-key-file",
        text(&by.nodes.key),
    ];
    let with = |more: &[&str]| check(&bed, &[&own, more].concat());

    let (code, said) = with(&["--upstream-tls-ca-file", ca]);
    assert_eq!(code, Some(0), "{said}");
    explains(
        with(&["--upstream-tls-ca-file", other_ca]),
        &["a CA that is not known here", "--upstream-tls-ca-file"],
    );
    let made_anew = by.pki.made_anew();
    let anew = made_anew.ca();
    explains(
        with(&["--upstream-tls-ca-file", text(&anew)]),
        &["made anew", "--upstream-tls-ca-file"],
    );
    explains(
        with(&[
            "--upstream-tls-ca-file",
            ca,
            "--upstream-tls-server-name",
            "b.example",
        ]),
        &[
            "for 127.0.0.1, localhost, not for b.example",
            "--upstream-tls-server-name",
        ],
    );
    explains(
        check(&bed, &["--upstream-tls-ca-file", ca]),
        &["wants a certificate of ours", "--upstream-tls-cert-file"],
    );
    let foreign = other.issue(&["app"]);
    explains(
        check(
            &bed,
            &[
                "--upstream-tls-ca-file",
                ca,
                "--upstream-tls-cert-file",
                text(&foreign.cert),
                "--upstream-tls-key-file",
                text(&foreign.key),
            ],
        ),
        &["our certificate"],
    );
    explains(check(&bed, &[]), &["TLS", "--upstream-tls-ca-file"]);
    explains(
        with(&["--upstream-tls-ca-file", ca, "--sentinel-tls-ca-file", ca]),
        &["plain text where TLS is expected", "--sentinel-tls"],
    );
}

#[test]
fn an_expired_certificate_is_said_by_check_and_in_the_log() {
    let pki = Pki::new();
    let node = FakeTls::start(&pki.issue_expired(&LOCAL));
    let sentinel = FakeSentinel::start("mymaster", node.addr(), 1);
    let sentinel = sentinel.addr().to_string();
    let ca = pki.ca();
    let asked = run_to_end(&[
        "check",
        "--sentinel",
        &sentinel,
        "--sentinel-discovery",
        "off",
        "--upstream-tls-ca-file",
        text(&ca),
    ]);
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    explains((asked.status.code(), said), &["expired", "days ago"]);

    let proxy = Proxy::of(&[sentinel], "mymaster")
        .flag("--sentinel-discovery", "off")
        .flag("--upstream-tls-ca-file", ca)
        .start();
    wait_until(SOON, "the log says so", || {
        proxy
            .log()
            .iter()
            .any(|line| line.contains("its certificate expired"))
    });
}

#[test]
fn files_that_cannot_be_used_are_refused_at_the_start() {
    let pki = Pki::new();
    let pair = pki.issue(&LOCAL);
    let (cert, key) = pair.read();
    std::fs::write(&pair.key, &key[..key.len() / 2]).unwrap();
    let run = |more: &[&str]| {
        let output = run_to_end(&[&["run", "--admin-listen", "off"], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let listen = [
        "--listen-tls-cert-file",
        text(&pair.cert),
        "--listen-tls-key-file",
        text(&pair.key),
    ];
    let (code, said) = run(&listen);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("half written"), "{said}");
    assert!(!said.contains(cert.lines().nth(1).unwrap()), "{said}");
    let (code, said) = run(&["--listen", "off"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("--listen-tls"), "{said}");
}
