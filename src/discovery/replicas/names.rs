//! Whether two addresses are one: a replica may call its primary by a name where Sentinels say an
//! address, or the other way round.
//!
//! Names are looked up beside everything else; until an answer has come, two spellings are two nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::net::HostPort;

/// How long after an answer it is asked for again.
const FRESH: Duration = Duration::from_secs(30);
/// Pause after a name could not be looked up.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Limit on one look-up.
const LIMIT: Duration = Duration::from_secs(5);
/// Names remembered.
const NAMES_MAX: usize = 64;

#[derive(Debug)]
struct Entry {
    /// The last answer that was one; it counts until the next.
    addresses: Vec<IpAddr>,
    /// When to ask again; none while that is under way.
    due: Option<Instant>,
}

/// What names stand for.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, Entry>,
    asking: JoinSet<(String, Option<Vec<IpAddr>>)>,
}

impl Names {
    /// Whether `one` and `other` are known to lead to the same node. What is missing to tell is asked
    /// for; [`Names::answered`] says when to ask again.
    pub(super) fn are_one(&mut self, one: &HostPort, other: &HostPort) -> bool {
        if one.port != other.port {
            return false;
        }
        if one.host == other.host {
            return true;
        }
        // Both, so that neither waits for the other.
        let (one, other) = (self.addresses(one), self.addresses(other));
        one.iter().any(|ip| other.contains(ip))
    }

    fn addresses(&mut self, of: &HostPort) -> Vec<IpAddr> {
        if let Some(literal) = of.literal() {
            return vec![literal.ip().to_canonical()];
        }
        let entry = self.known.get_mut(&of.host);
        let known = entry.as_ref().map(|entry| entry.addresses.clone());
        let is_due = match entry {
            Some(entry) => {
                let is_due = entry.due.is_some_and(|due| due <= Instant::now());
                entry.due = entry.due.filter(|_| !is_due);
                is_due
            }
            None => self.begin(&of.host),
        };
        if is_due {
            self.asking.spawn(look_up(of.clone()));
        }
        known.unwrap_or_default()
    }

    /// Makes room for a name that is to be asked for; `false` where there is none.
    fn begin(&mut self, host: &str) -> bool {
        if self.known.len() >= NAMES_MAX {
            // Whoever is still in use is asked for again.
            self.known.retain(|_, entry| entry.due.is_none());
        }
        let room = self.known.len() < NAMES_MAX;
        if room {
            let entry = Entry {
                addresses: Vec::new(),
                due: None,
            };
            self.known.insert(host.to_owned(), entry);
        }
        room
    }

    /// Waits for an answer; pends for ever while nothing is asked.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn answered(&mut self) {
        let Some(answer) = self.asking.join_next().await else {
            return std::future::pending().await;
        };
        // A look-up does not panic.
        let Ok((name, found)) = answer else { return };
        if let Some(entry) = self.known.get_mut(&name) {
            let pause = if found.is_some() { FRESH } else { RETRY_AFTER };
            entry.due = Some(Instant::now() + pause);
            entry.addresses = found.unwrap_or_else(|| std::mem::take(&mut entry.addresses));
        }
    }
}

async fn look_up(name: HostPort) -> (String, Option<Vec<IpAddr>>) {
    let found = timeout(LIMIT, name.resolve()).await;
    let found = found.ok().and_then(Result::ok);
    let ips = found.map(|all| all.iter().map(|it| it.ip().to_canonical()).collect());
    (name.host, ips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_what_it_stands_for() {
        let mut names = Names::default();
        let (name, ip) = (HostPort::new("localhost", 1), HostPort::new("127.0.0.1", 1));
        assert!(names.are_one(&name, &name));
        assert!(!names.are_one(&ip, &HostPort::new("127.0.0.1", 2)));
        assert!(!names.are_one(&ip, &HostPort::new("127.0.0.2", 1)));
        assert!(!names.are_one(&name, &ip), "it is being looked up");
        names.answered().await;
        assert!(names.are_one(&name, &ip));
        assert!(names.are_one(&ip, &name));
    }
}
