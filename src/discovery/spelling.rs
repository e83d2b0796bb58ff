//! One node under several spellings: a host name and its address, or two names.
//!
//! Sentinels spell a node as they were told (`sentinel monitor`, `announce-hostnames`, what the node
//! announces), and not all of them the same. Two spellings are one node while connections to both lead
//! to the same address and a process with the same run id; neither alone would do, because a name may
//! lead elsewhere a moment later and not every server's run id is its own. Pure; where INFO is not
//! permitted there is no run id, and each spelling is a node of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::election::{Millis, Says};
use crate::net::HostPort;

/// How long counts what was told.
const TOLD_FRESH: Millis = 2_000;
/// Spellings remembered.
const SPELLINGS_MAX: usize = 64;

/// A run id, and where it was told.
type Process = (String, SocketAddr);

/// Which process answered under which spelling.
#[derive(Debug, Default)]
pub(super) struct Spellings {
    told: BTreeMap<HostPort, (Process, Millis)>,
}

impl Spellings {
    /// The node at `address`, asked at `at`, said who it is, or did not.
    pub(super) fn told(
        &mut self,
        address: &HostPort,
        says: Says,
        process: Option<Process>,
        at: Millis,
    ) {
        let Some(process) = process.filter(|_| says != Says::Nothing) else {
            self.told.remove(address);
            return;
        };
        if self.told.len() >= SPELLINGS_MAX {
            self.told.retain(|_, (_, then)| is_fresh(*then, at));
        }
        if self.told.len() < SPELLINGS_MAX || self.told.contains_key(address) {
            self.told.insert(address.clone(), (process, at));
        }
    }

    /// The one spelling used for the node at `address`: `ours` if it is that node, else the first of
    /// those known for it.
    pub(super) fn usual<'a>(
        &'a self,
        address: &'a HostPort,
        ours: Option<&'a HostPort>,
        now: Millis,
    ) -> &'a HostPort {
        let Some(process) = self.process(address, now) else {
            return address;
        };
        let same = |other: &&HostPort| self.process(other, now) == Some(process);
        let first = || self.told.keys().find(same);
        ours.filter(same).or_else(first).unwrap_or(address)
    }

    fn process(&self, address: &HostPort, now: Millis) -> Option<&Process> {
        let (process, at) = self.told.get(address)?;
        is_fresh(*at, now).then_some(process)
    }
}

fn is_fresh(at: Millis, now: Millis) -> bool {
    now.saturating_sub(at) <= TOLD_FRESH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str) -> HostPort {
        HostPort::new(host, 6379)
    }

    fn process(run_id: &str, host: u8) -> Option<Process> {
        Some((
            run_id.to_owned(),
            SocketAddr::from(([10, 0, 0, host], 6379)),
        ))
    }

    fn known(told: &[(&str, &str)]) -> Spellings {
        let mut spellings = Spellings::default();
        for (host, run_id) in told {
            spellings.told(&node(host), Says::Master, process(run_id, 1), 1_000);
        }
        spellings
    }

    #[test]
    fn one_process_has_one_spelling_and_ours_goes_first() {
        let both = known(&[("10.0.0.1", "a"), ("redis-0", "a"), ("10.0.0.2", "b")]);
        let (ip, name) = (node("10.0.0.1"), node("redis-0"));
        assert_eq!(both.usual(&ip, Some(&name), 1_000), &name);
        assert_eq!(both.usual(&name, Some(&ip), 1_000), &ip);
        assert_eq!(both.usual(&name, None, 1_000), &ip);
        let other = node("10.0.0.2");
        assert_eq!(both.usual(&other, Some(&ip), 1_000), &other);
    }

    #[test]
    fn what_is_not_known_of_both_now_stays_apart() {
        let (ip, name) = (node("10.0.0.1"), node("redis-0"));
        let apart = |spellings: &Spellings, now| spellings.usual(&name, Some(&ip), now) == &name;
        assert!(apart(&known(&[("redis-0", "a")]), 1_000));
        assert!(apart(&known(&[("10.0.0.1", "a")]), 1_000));
        let mut both = known(&[("10.0.0.1", "a"), ("redis-0", "a")]);
        assert!(!apart(&both, 3_000));
        assert!(apart(&both, 3_001), "too old");
        both.told(&name, Says::Master, process("b", 1), 1_100);
        assert!(apart(&both, 1_100), "another process is there now");
        both.told(&name, Says::Master, process("a", 2), 1_100);
        assert!(apart(&both, 1_100), "the name leads elsewhere now");
        both.told(&name, Says::Master, process("a", 1), 1_200);
        both.told(&ip, Says::Nothing, process("a", 1), 1_200);
        assert!(apart(&both, 1_200), "it does not answer any more");
        both.told(&ip, Says::MayNotAsk, None, 1_300);
        assert!(apart(&both, 1_300), "it may not be asked");
    }
}
