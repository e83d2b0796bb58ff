//! What must hold of a whole story, whatever went wrong in it (the promises of the README).

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use super::composing::Word;
use super::faults::Temper;
use super::ledger::{Execution, Outcome, Sent};
use crate::net::HostPort;

/// Complains of everything that does not hold.
pub(super) fn judge(cluster: &Cluster, temper: Temper) {
    let ledger = &cluster.ledger;
    let executions = ledger.executions.borrow();
    let mut by_token: BTreeMap<u64, Vec<Execution>> = BTreeMap::new();
    for execution in executions.iter() {
        by_token
            .entry(execution.token)
            .or_default()
            .push(*execution);
    }
    let passed = ledger.network.lock().wiretap.passed.clone();
    for (token, sent) in ledger.sent.borrow().iter() {
        let executed = by_token.get(token).map_or(&[][..], Vec::as_slice);
        if let Err(why) = command(sent, executed, passed.contains(token)) {
            ledger.complain(format!(
                "@{token} of client {}: {why} ({executed:?})",
                sent.client
            ));
        }
    }
    order(cluster, &executions);
    if temper == Temper::Gentle {
        nothing_is_missing(cluster);
    }
    rest(cluster);
}

fn command(sent: &Sent, executed: &[Execution], passed: bool) -> Result<(), &'static str> {
    // A call that waits is asked again, and one that was served unheard with it.
    if executed.len() > 1 && sent.word != Word::BlockingPop {
        return Err("executed twice");
    }
    match &sent.outcome {
        None if sent.abandoned => Ok(()),
        None => Err("no answer"),
        Some(_) if !sent.word.is_write() => Ok(()),
        Some(Outcome::Acknowledged(node)) => match executed.iter().find(|one| one.node == *node) {
            None => Err("acknowledged, not executed"),
            Some(one) if !one.at_primary => Err("acknowledged by a node that was not the primary"),
            Some(_) => Ok(()),
        },
        Some(Outcome::Done) => match executed {
            [one] if one.at_primary => Ok(()),
            _ => Err("acknowledged, not executed at the primary"),
        },
        Some(Outcome::Uncertain) if !passed => Err("uncertain, although it was never sent whole"),
        Some(Outcome::Uncertain) => Ok(()),
        // What was taken for a call that waited may have been lost with its link.
        Some(Outcome::Nil) if sent.word == Word::BlockingPop => Ok(()),
        Some(Outcome::Nil | Outcome::Refused) if !executed.is_empty() => {
            Err("refused, although it was executed")
        }
        Some(Outcome::Nil | Outcome::Refused) => Ok(()),
    }
}

/// What a client sent is executed in that order on each node.
fn order(cluster: &Cluster, executions: &[Execution]) {
    let sent = cluster.ledger.sent.borrow();
    let mut last: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for execution in executions {
        let Some(client) = sent.get(&execution.token).map(|sent| sent.client) else {
            continue;
        };
        let before = last.insert((client, execution.node), execution.token);
        if let Some(before) = before.filter(|before| *before > execution.token) {
            let wrong = format!(
                "client {client}: @{} executed after @{before}",
                execution.token
            );
            cluster.ledger.complain(wrong);
        }
    }
}

/// What was acknowledged is in the primary's data.
fn nothing_is_missing(cluster: &Cluster) {
    let primary = cluster.primary();
    let held: BTreeSet<u64> = primary
        .data
        .borrow()
        .log
        .iter()
        .map(|entry| entry.token)
        .collect();
    for (token, sent) in cluster.ledger.sent.borrow().iter() {
        let acknowledged = sent
            .outcome
            .as_ref()
            .is_some_and(Outcome::is_acknowledgement);
        if sent.word.is_stored() && acknowledged && !held.contains(token) {
            cluster
                .ledger
                .complain(format!("@{token} was acknowledged and is missing"));
        }
    }
}

/// In the end the proxy serves from the primary that the Sentinels name.
fn rest(cluster: &Cluster) {
    let real = HostPort::from(cluster.primary().address);
    if cluster.ledger.primary() != Some(real.clone()) || cluster.ledger.outage().is_some() {
        let now = cluster.ledger.primary();
        cluster
            .ledger
            .complain(format!("at rest at {now:?}, not open at {real}"));
    }
}
