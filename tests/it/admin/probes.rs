//! What probes answer while the process starts, loses its primary and stops.

use super::SOON;
use crate::bed::{Bed, free_port, wait_until};
use crate::proxy::Proxy;

#[test]
fn a_lost_primary_is_no_reason_to_restart_and_by_policy_one_to_leave() {
    let bed = Bed::lonely();
    let patient = Proxy::for_bed(&bed).start_ready();
    let strict = Proxy::for_bed(&bed)
        .flag("--ready-policy", "primary-within=200ms")
        .start_ready();
    assert!(patient.is_ready() && strict.is_ready());
    bed.primary().kill();
    wait_until(SOON, "the loss has lasted", || !strict.is_ready());
    assert!(patient.is_ready(), "by default it counts once and for all");
    let (_, reason) = strict.get("/readyz").unwrap();
    assert!(
        reason.starts_with("no primary for ") && reason.contains("waiting for "),
        "{reason}"
    );
    assert_eq!(reason.lines().count(), 1, "{reason}");
    for proxy in [&patient, &strict] {
        assert_eq!(proxy.get("/livez").unwrap().0, 200);
        assert_eq!(proxy.get("/startupz").unwrap().0, 200);
    }
    bed.primary().restart();
    wait_until(SOON, "it is back", || strict.is_ready());
}

#[test]
fn a_start_without_a_primary_is_over_after_the_time_given() {
    let nowhere = [format!("127.0.0.1:{}", free_port())];
    let waiting = Proxy::of(&nowhere, "mymaster")
        .flag("--startup-timeout", "24h")
        .start();
    let (code, reason) = waiting.get("/startupz").unwrap();
    assert_eq!(code, 503, "{reason}");
    assert!(reason.starts_with("looking for the primary"), "{reason}");
    let over = Proxy::of(&nowhere, "mymaster")
        .flag("--startup-timeout", "0s")
        .flag("--ready-policy", "started")
        .start();
    assert_eq!(over.get("/startupz").unwrap().0, 200);
    assert!(over.is_ready(), "started is enough for it");
    let missing = over.get("/readyz").unwrap().1;
    assert!(
        missing.contains("no primary has been verified"),
        "{missing}"
    );
}

#[test]
fn who_stops_is_alive_and_not_ready() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    // What is in flight keeps it from ending at once.
    let paused = bed
        .primary()
        .command(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    assert!(paused.is_ok());
    client.send(&["SET", "k", "v"]).unwrap();
    wait_until(SOON, "the write waits", || {
        proxy.status()["totals"]["commands"].as_u64() == Some(1)
    });
    proxy.terminate();
    wait_until(SOON, "it says that it stops", || {
        let ready = proxy.get("/readyz");
        assert!(ready.is_some(), "it ended before it was asked");
        ready.is_some_and(|(code, text)| code == 503 && text.starts_with("draining"))
    });
    assert_eq!(proxy.get("/livez").map(|(code, _)| code), Some(200));
    assert_eq!(proxy.exit_code(SOON), Some(0));
}
