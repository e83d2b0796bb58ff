//! What the answers mean together: who is the primary, what keeps it from being served, and what
//! will hurt later. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::privacy;
use super::sentinel::{self, Sentinel};
use super::server::{SETTINGS, Server};
use crate::config::Config;
use crate::discovery::earshot;
use crate::discovery::error::RejectionKind;
use crate::discovery::message::{Role, Trouble};
use crate::net::HostPort;
use crate::secrets::Whose;

/// Fewer Sentinels cannot lose one and still agree; fewer servers cannot lose one and still have a
/// replica.
const MEMBERS_MIN: usize = 3;
/// A longer down-after makes applications wait noticeably.
const DOWN_AFTER_WARN: Duration = Duration::from_secs(3);
/// From the verdict "down" to a promoted replica that a Sentinel names: elections and the one
/// second between two INFOs (measured 1.2 to 2.3 s with a down-after of 1 s, which it includes).
const ELECTION: Duration = Duration::from_secs(2);

/// The primary according to the Sentinels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) primary: HostPort,
    pub(super) epoch: u64,
}

/// What is wrong, and what is not as good as it could be.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Why no primary would be served; none of these means it would.
    pub(super) failures: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// The address with the highest epoch; where several have it, that which most Sentinels name.
pub(super) fn choose(sentinels: &[Sentinel]) -> Option<Choice> {
    let epoch = answers(sentinels).map(|answer| answer.fields.epoch).max()?;
    let mut votes: BTreeMap<&HostPort, usize> = BTreeMap::new();
    for answer in answers(sentinels).filter(|answer| answer.fields.epoch == epoch) {
        *votes.entry(&answer.primary).or_default() += 1;
    }
    let (primary, _) = votes.into_iter().max_by_key(|(_, votes)| *votes)?;
    Some(Choice {
        primary: primary.clone(),
        epoch,
    })
}

/// Weighs everything that was asked. `servers` begins with the chosen primary.
pub(super) fn judge(
    config: &Config,
    sentinels: &[Sentinel],
    choice: Option<&Choice>,
    servers: &[Server],
) -> Findings {
    let mut findings = Findings::default();
    let Some(choice) = choice else {
        let failure = "no Sentinel gave an answer that can be used, so there is no primary";
        findings.failures.push(failure.to_owned());
        return findings;
    };
    weigh_primary(config, choice, servers, &mut findings);
    weigh_sentinels(config, sentinels, &mut findings.warnings);
    weigh_agreement(sentinels, choice, &mut findings.warnings);
    weigh_detection(sentinels, &mut findings.warnings);
    weigh_subscriptions(sentinels, &mut findings.warnings);
    weigh_servers(servers, &mut findings.warnings);
    weigh_mode(servers, &mut findings.warnings);
    compare_settings(servers, &mut findings.warnings);
    privacy::weigh(config, &mut findings.warnings);
    findings
}

fn answers(sentinels: &[Sentinel]) -> impl Iterator<Item = &sentinel::Answer> {
    sentinels.iter().filter_map(|one| one.answer.as_ref().ok())
}

fn weigh_primary(config: &Config, choice: &Choice, servers: &[Server], findings: &mut Findings) {
    let Choice { primary, .. } = choice;
    let Some(server) = servers.first() else {
        return;
    };
    let Ok(answer) = &server.answer else {
        let failure = format!("the primary {primary} cannot be used, as said above");
        return findings.failures.push(failure);
    };
    match &answer.role {
        Ok(Role::Master { .. }) => {}
        Ok(Role::Replica) => findings.failures.push(format!(
            "the Sentinels name {primary} as the primary, but it says it is a replica: a failover may be under way; check again in a few seconds, and compare SENTINEL MASTER with ROLE if it stays"
        )),
        Ok(Role::Other) => findings.failures.push(format!(
            "the Sentinels name {primary} as the primary, but it is no data server: check what they monitor"
        )),
        Err(rejection) => findings.warnings.push(format!(
            "the role of {primary} could not be verified ({}): {}",
            rejection.text,
            unknown_role(rejection.kind, config.checks_as().0)
        )),
    }
}

fn unknown_role(kind: RejectionKind, whose: Whose) -> &'static str {
    match (kind, whose) {
        (RejectionKind::NoAuth, Whose::Nobody) => {
            "the server wants a login, so the role is checked on each connection after its client's own AUTH; --control-password-file lets Steadfast check by itself, --password-file lets it log in for its clients"
        }
        (RejectionKind::Busy, _) => {
            "a script blocks the server; Steadfast waits for it as its clients do"
        }
        _ => {
            "grant +role (or +hello) to the user of --control-username, so that a wrong primary is noticed before a client writes to it"
        }
    }
}

fn weigh_sentinels(config: &Config, sentinels: &[Sentinel], warnings: &mut Vec<String>) {
    let reachable = reachable(sentinels);
    let known = known(sentinels).max(reachable);
    if known < MEMBERS_MIN {
        warnings.push(format!(
            "{known} Sentinel{} in all: with fewer than {MEMBERS_MIN}, losing one machine can end automatic failover; run {MEMBERS_MIN} on separate machines",
            plural(known)
        ));
    }
    let quorum = answers(sentinels).map(|one| one.fields.quorum).max();
    let quorum = usize::try_from(quorum.unwrap_or(1)).unwrap_or(usize::MAX);
    let needed = quorum.max(known / 2 + 1);
    if reachable < needed {
        let advice = if config.sentinel_discovery {
            "correct those marked above"
        } else {
            "the others are not asked with --sentinel-discovery off; name them all with --sentinel"
        };
        warnings.push(format!(
            "{reachable} of {known} Sentinels answer here, and a failover needs {needed} (quorum {quorum}, and more than half): {advice}"
        ));
    }
}

fn weigh_agreement(sentinels: &[Sentinel], choice: &Choice, warnings: &mut Vec<String>) {
    let agree =
        |one: &sentinel::Answer| one.primary == choice.primary && one.fields.epoch == choice.epoch;
    if !answers(sentinels).all(agree) {
        warnings.push(format!(
            "the Sentinels disagree on the primary; the newest configuration ({}, epoch {}) was taken. That is normal for a second during a failover; if it stays, some Sentinels are cut off from the others",
            choice.primary, choice.epoch
        ));
    }
    if answers(sentinels).any(|one| one.fields.trouble > Trouble::None) {
        let text = "a Sentinel believes the primary down or carries out a failover right now";
        warnings.push(text.to_owned());
    }
}

fn weigh_detection(sentinels: &[Sentinel], warnings: &mut Vec<String>) {
    let down_after = answers(sentinels).map(|one| one.fields.down_after).max();
    if let Some(down_after) = down_after.filter(|down_after| *down_after > DOWN_AFTER_WARN) {
        let pause = down_after + ELECTION;
        warnings.push(format!(
            "down-after is {down_after:?}: when the primary is lost, commands wait about {pause:?}, and clients need a timeout above that; lower down-after-milliseconds for a shorter pause"
        ));
    }
}

/// How many of the Sentinels would be heard in time, in the words of `/status`.
pub(super) fn subscription(sentinels: &[Sentinel]) -> String {
    let subscribed = distinct(sentinels, |one| one.earshot.is_subscribed());
    let known = known(sentinels).max(reachable(sentinels));
    earshot::summary(subscribed, known)
}

/// Sentinels that answered.
fn reachable(sentinels: &[Sentinel]) -> usize {
    distinct(sentinels, |_| true)
}

/// Those `wanted` that answered, each counted once however many addresses lead to it.
fn distinct(sentinels: &[Sentinel], wanted: fn(&sentinel::Answer) -> bool) -> usize {
    let wanted = || answers(sentinels).filter(|one| wanted(one));
    let run_ids: BTreeSet<_> = wanted().flat_map(|one| &one.run_id).collect();
    run_ids.len() + wanted().filter(|one| one.run_id.is_none()).count()
}

/// Sentinels that exist, according to the one that knows most.
fn known(sentinels: &[Sentinel]) -> usize {
    let others = answers(sentinels)
        .map(|one| one.fields.other_sentinels)
        .max();
    usize::try_from(others.unwrap_or(0))
        .unwrap_or(usize::MAX)
        .saturating_add(1)
}

fn weigh_subscriptions(sentinels: &[Sentinel], warnings: &mut Vec<String>) {
    for sentinel in sentinels {
        let (address, Ok(answer)) = (&sentinel.address, &sentinel.answer) else {
            continue;
        };
        if let Some(complaint) = answer.earshot.complaint() {
            warnings.push(format!(
                "the Sentinel {address}: {complaint}; grant +subscribe and the channels to its user"
            ));
        }
        if !answer.denied.is_empty() {
            warnings.push(format!(
                "the Sentinel {address} does not answer {}: grant them to its user, or name every Sentinel with --sentinel",
                answer.denied.join(", ")
            ));
        }
    }
}

fn weigh_servers(servers: &[Server], warnings: &mut Vec<String>) {
    if servers.len() < MEMBERS_MIN {
        warnings.push(format!(
            "{} data server{} in all: with fewer than {MEMBERS_MIN}, there is no replica left to fail over to, or none after one failover; run a primary with two replicas",
            servers.len(),
            plural(servers.len())
        ));
    }
    let replicas = || servers.iter().skip(1);
    let unusable = replicas().filter(|one| one.answer.is_err()).count();
    if unusable > 0 {
        warnings.push(format!(
            "{unusable} replica{} marked FAIL above could not serve after a failover",
            plural(unusable)
        ));
    }
    for server in replicas() {
        let (address, Ok(answer)) = (&server.address, &server.answer) else {
            continue;
        };
        if matches!(answer.role, Ok(Role::Master { .. })) {
            warnings.push(format!(
                "{address} says that it is a primary too: what clients write to it directly will be lost; look whether it follows the right primary (REPLICAOF)"
            ));
        }
    }
}

fn weigh_mode(servers: &[Server], warnings: &mut Vec<String>) {
    let clustered: Vec<_> = servers
        .iter()
        .filter(|server| matches!(&server.answer, Ok(answer) if answer.cluster))
        .map(|server| server.address.to_string())
        .collect();
    if !clustered.is_empty() {
        warnings.push(format!(
            "{} run in cluster mode, which Sentinel does not manage and Steadfast does not serve: clients would meet MOVED errors",
            clustered.join(", ")
        ));
    }
}

/// A failover must not change how the data behaves.
fn compare_settings(servers: &[Server], warnings: &mut Vec<String>) {
    let answers = || {
        servers
            .iter()
            .filter_map(|server| Some((&server.address, server.answer.as_ref().ok()?)))
    };
    let untold: Vec<_> = answers()
        .filter(|(_, answer)| answer.settings.is_none())
        .map(|(address, _)| address.to_string())
        .collect();
    if !untold.is_empty() {
        warnings.push(format!(
            "settings were not compared on {}: CONFIG GET is not permitted there",
            untold.join(", ")
        ));
    }
    for (index, name) in SETTINGS.iter().enumerate() {
        let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (address, answer) in answers() {
            if let Some(value) = answer.settings.as_ref().and_then(|all| all.get(index)) {
                values.entry(value).or_default().push(address.to_string());
            }
        }
        if values.len() > 1 {
            let values: Vec<_> = values
                .into_iter()
                .map(|(value, on)| format!("'{value}' on {}", on.join(", ")))
                .collect();
            warnings.push(format!(
                "{name} differs, so a failover changes how the data behaves: {}",
                values.join("; ")
            ));
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
