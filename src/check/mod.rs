//! `steadfast check`: asks what the proxy would ask, once, and says in words what is wrong.
//!
//! Changes nothing anywhere and serves nobody. Asking is in `sentinel` and `server`; what the
//! answers mean is decided in `judge` and `explain`, which are pure; `report` lays it out.

mod explain;
mod judge;
mod privacy;
mod report;
mod sentinel;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use report::Reports;

use std::sync::Arc;

use crate::config::Config;
use crate::net::HostPort;
use report::Report;
use sentinel::Sentinel;
use server::Server;

/// Sentinels asked at most; more than any deployment has.
const SENTINELS_MAX: usize = 64;
/// Servers asked at most.
const SERVERS_MAX: usize = 64;

/// Asks, for each endpoint, every Sentinel, configured or learned, then the primary and its replicas;
/// all endpoints at the same time.
///
/// # Cancel safety
/// Dropping it abandons the questions; those under way end by their time limits.
pub async fn run(configs: Vec<Config>) -> Reports {
    let looks: Vec<_> = configs
        .into_iter()
        .map(|config| tokio::spawn(look(config)))
        .collect();
    let mut all = Vec::new();
    for look in looks {
        // Nothing in there panics.
        all.extend(look.await);
    }
    Reports::new(all)
}

async fn look(config: Config) -> Report {
    let config = Arc::new(config);
    let sentinels = ask_sentinels(&config).await;
    let choice = judge::choose(&sentinels);
    let servers = match &choice {
        Some(choice) => ask_servers(&config, &choice.primary, &sentinels).await,
        None => Vec::new(),
    };
    let findings = judge::judge(&config, &sentinels, choice.as_ref(), &servers);
    Report::new(&config, sentinels, servers, choice, findings)
}

/// Round after round until nobody names a Sentinel that is new.
async fn ask_sentinels(config: &Arc<Config>) -> Vec<Sentinel> {
    let mut asked = Vec::new();
    let mut next = config.sentinels.clone();
    let mut learned = false;
    while !next.is_empty() {
        next.truncate(SENTINELS_MAX.saturating_sub(asked.len()));
        let questions: Vec<_> = next
            .into_iter()
            .map(|address| tokio::spawn(sentinel::ask(config.clone(), address, learned)))
            .collect();
        for question in questions {
            asked.extend(question.await);
        }
        next = if config.sentinel_discovery {
            newly_named(&asked)
        } else {
            Vec::new()
        };
        learned = true;
    }
    asked
}

/// Peers that were asked neither under this address nor, by run id, under another.
fn newly_named(asked: &[Sentinel]) -> Vec<HostPort> {
    let answers = || asked.iter().filter_map(|one| one.answer.as_ref().ok());
    let mut new: Vec<HostPort> = Vec::new();
    for peer in answers().flat_map(|answer| &answer.peers) {
        let by_address = asked.iter().any(|one| one.address == peer.address);
        let by_run_id = answers().any(|answer| answer.run_id.as_ref() == Some(&peer.run_id));
        if !by_address && !by_run_id && !new.contains(&peer.address) {
            new.push(peer.address.clone());
        }
    }
    new
}

/// The primary first.
async fn ask_servers(
    config: &Arc<Config>,
    primary: &HostPort,
    sentinels: &[Sentinel],
) -> Vec<Server> {
    let mut addresses = vec![primary.clone()];
    let answers = sentinels.iter().filter_map(|one| one.answer.as_ref().ok());
    for replica in answers.flat_map(|answer| &answer.replicas) {
        if !addresses.contains(replica) && addresses.len() < SERVERS_MAX {
            addresses.push(replica.clone());
        }
    }
    let questions: Vec<_> = addresses
        .into_iter()
        .map(|address| tokio::spawn(server::ask(config.clone(), address)))
        .collect();
    let mut servers = Vec::new();
    for question in questions {
        servers.extend(question.await);
    }
    servers
}
