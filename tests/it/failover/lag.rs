//! A planned failover to a replica that lags: what it never received is lost, and Steadfast must
//! say so.
//!
//! The candidate loses its link just before: its password is spoilt and its connection killed, so
//! that it cannot come back, and nothing that is written from then on reaches it.

use std::fs;
use std::time::{Duration, Instant};

use super::entrance::Entrance;
use super::load::{Load, Size};
use super::outcome::{Moments, Outcome};
use super::report::rounds;
use crate::bed::{Bed, eventually, wait_until};
use crate::proxy::Proxy;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_a_lagging_replica_never_received_is_lost_and_said_to_be() {
    rounds("planned, lagging", |_| {
        let bed = Bed::builder()
            .alone()
            // A replica cut off for ten times as long is not chosen.
            .down_after(10_000)
            .requirepass("secret")
            .line_of(1, "replica-priority 1")
            .start();
        let secret = bed.dir().join("secret");
        fs::write(&secret, "secret\n").unwrap();
        // Offsets are asked for on Steadfast's own connection, which needs a login here.
        let proxy = Proxy::for_bed(&bed)
            .flag("--control-password-file", &secret)
            .start_ready();
        let (old, candidate) = (bed.primary(), bed.server(1));
        let entrance = Entrance::of(&[&proxy]).login(&["AUTH", "secret"]);
        let load = Load::start(&entrance, "w", Size::FULL);
        let recorder = bed.record();
        candidate.command(&["CONFIG", "SET", "masterauth", "spoilt"]);
        old.command(&["CLIENT", "KILL", "TYPE", "replica"]);
        wait_until(SOON, "the candidate is cut off", || {
            candidate.info("master_link_status") == "down"
        });
        let cut = Instant::now();
        load.settle(cut);
        bed.begin_failover(0);
        let named = recorder.first_named(old.addr(), 0);
        let new = bed.server_at(named.address);
        load.settle(named.at);
        // What is acknowledged from here on is the new primary's.
        let moments = Moments {
            fault: named.at,
            named: Some(named.at),
        };
        let outcome = Outcome::of(&load.stop(new), new, moments);
        let figures = outcome.figures();
        assert_eq!(new.addr(), candidate.addr(), "another replica was chosen");
        assert!(outcome.missing > 0, "the candidate did not lag: {figures}");
        assert_eq!(outcome.missing_after_fault, 0, "{figures}");
        assert_eq!(outcome.closed, [""; 0], "{figures}");
        let said = eventually(SOON, "the loss is logged", || {
            proxy.events("acknowledged_writes_lost").pop()
        });
        let bytes = said["bytes"].as_u64().unwrap_or(0);
        assert!(bytes > 0, "{said}");
        let counted = proxy.status()["discovery"]["failovers"]["lost_bytes"].as_u64();
        assert_eq!(counted, Some(bytes), "{}", proxy.status());
        figures
    });
}
