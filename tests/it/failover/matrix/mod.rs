//! Goal: everything a session had before its link was lost it has after it. Method: one session per
//! row of the list, each brought into its state; then one loss for all of them; then each looked at
//! on the connection it had. Both protocols, and both ways to lose a link: a failover, and
//! `CLIENT KILL` on a primary that stays.

mod answers;
mod blocking;
mod calls;
mod held;
mod identity;
mod ids;
mod pubsub;
mod refusals;
mod replication;
mod scripts;
mod stage;
mod tracking;
mod transactions;

use std::panic::{AssertUnwindSafe, catch_unwind};

use stage::{Check, Row, Stage, Way};

/// Every row, by theme.
const ROWS: [&[Row]; 8] = [
    identity::ROWS,
    ids::ROWS,
    calls::ROWS,
    pubsub::ROWS,
    tracking::ROWS,
    transactions::ROWS,
    blocking::ROWS,
    scripts::ROWS,
];

/// Runs every row over one loss and names those that failed.
fn run(protocol: &'static str, way: Way) {
    let stage = Stage::set(protocol, way);
    let mut failed = Vec::new();
    let mut checks: Vec<(&str, Check)> = Vec::new();
    for (name, row) in ROWS.into_iter().flatten() {
        match catch_unwind(AssertUnwindSafe(|| row(&stage))) {
            Ok(check) => checks.push((name, check)),
            Err(_) => failed.push(format!("{name}: before the loss")),
        }
    }
    stage.lose();
    for (name, check) in checks {
        if catch_unwind(AssertUnwindSafe(|| check(&stage))).is_err() {
            eprintln!("row failed: {name}");
            failed.push(name.into());
        }
    }
    failed.extend(stage.left_behind());
    assert!(failed.is_empty(), "RESP{protocol}, {way:?}: {failed:#?}");
}

#[test]
fn a_session_keeps_its_state_over_a_failover_in_resp2() {
    run("2", Way::Failover);
}

#[test]
fn a_session_keeps_its_state_over_a_failover_in_resp3() {
    run("3", Way::Failover);
}

#[test]
fn a_session_keeps_its_state_over_a_killed_link_in_resp2() {
    run("2", Way::Kill);
}

#[test]
fn a_session_keeps_its_state_over_a_killed_link_in_resp3() {
    run("3", Way::Kill);
}
