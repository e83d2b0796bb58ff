//! `--address-map`: addresses as Sentinels name them, and where the same nodes are reached from here.
//!
//! Behind NAT, a port mapping or a container's bridge the two differ. What Sentinels name is mapped once,
//! where it is read, so that everything else knows one address for each node. Pure.

use super::parse;
use crate::net::{HostPort, usual_spelling};

/// Where nodes are that Sentinels name elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressMap(Vec<Mapping>);

/// One `FROM=TO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    from: Place,
    to: Place,
}

/// A host with one port, or with all it has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl AddressMap {
    /// Nothing is elsewhere.
    pub const EMPTY: Self = Self(Vec::new());

    /// From what was given; what stands twice is returned as the error.
    pub(super) fn new(mappings: Vec<Mapping>) -> Result<Self, String> {
        let twice = mappings.iter().enumerate().find(|(index, mapping)| {
            let mut before = mappings.iter().take(*index);
            before.any(|other| other.from == mapping.from && other.to != mapping.to)
        });
        match twice {
            Some((_, Mapping { from, .. })) => Err(from.host.clone()),
            None => Ok(Self(mappings)),
        }
    }

    /// Where the node is that is named `address`; none where the map does not speak of it. A port that
    /// is named counts for more than a host alone, and what was mapped is not mapped again.
    #[must_use]
    pub fn get(&self, address: &HostPort) -> Option<HostPort> {
        let of = |port: Option<u16>| {
            let mut all = self.0.iter();
            all.find(|it| it.from.port == port && it.from.host == address.host)
        };
        let Mapping { to, .. } = of(Some(address.port)).or_else(|| of(None))?;
        let port = to.port.unwrap_or(address.port);
        Some(HostPort::new(to.host.clone(), port))
    }

    /// Where the node is that is named `address`.
    #[must_use]
    pub fn apply(&self, address: HostPort) -> HostPort {
        self.get(&address).unwrap_or(address)
    }
}

/// Reads `FROM=TO`, each HOST or HOST:PORT.
pub(super) fn mapping(text: &str) -> Result<Mapping, String> {
    let (from, to) = text
        .split_once('=')
        .filter(|(_, to)| !to.contains('='))
        .ok_or_else(|| format!("'{text}' is not FROM=TO, as in 10.0.0.5:6379=192.0.2.1:7000"))?;
    let (from, to) = (place(from)?, place(to)?);
    if from.port.is_none() && to.port.is_some() {
        return Err(format!(
            "'{text}' leads every port of one host to a single one: name the port on the left as well"
        ));
    }
    Ok(Mapping { from, to })
}

fn place(text: &str) -> Result<Place, String> {
    let (host, port) = parse::host_and_port(text)?;
    Ok(Place {
        host: usual_spelling(&host),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(given: &[&str]) -> Result<AddressMap, String> {
        let mappings = given.iter().map(|text| mapping(text).expect(text));
        AddressMap::new(mappings.collect())
    }

    #[track_caller]
    fn check(given: &[&str], from: &str, expected: &str) {
        let from: HostPort = from.parse().expect(from);
        let to = map(given).expect("a map").apply(from);
        assert_eq!(to.to_string(), expected, "{given:?}");
    }

    #[test]
    fn hosts_and_ports_are_mapped() {
        check(&[], "10.0.0.1:6379", "10.0.0.1:6379");
        let one = ["10.0.0.1:6379=192.0.2.1:7000"];
        check(&one, "10.0.0.1:6379", "192.0.2.1:7000");
        check(&one, "10.0.0.1:6380", "10.0.0.1:6380");
        check(&["10.0.0.1=Nat"], "10.0.0.1:6380", "nat:6380");
        check(&["10.0.0.1:1=nat"], "10.0.0.1:1", "nat:1");
        check(&["fd00::1=[fd00::2]"], "[fd00::1]:1", "[fd00::2]:1");
        check(&["[fd00::1]:1=::1"], "[fd00::1]:1", "[::1]:1");
        check(&["REDIS-0=nat"], "redis-0:1", "nat:1");
    }

    #[test]
    fn a_port_counts_for_more_and_nothing_is_mapped_twice() {
        for both in [["a=b", "a:1=c:2"], ["a:1=c:2", "a=b"]] {
            check(&both, "a:1", "c:2");
            check(&both, "a:3", "b:3");
        }
        check(&["a=b", "b=c"], "a:1", "b:1");
        assert_eq!(map(&["a=b", "a=b", "a:1=c"]).map(|_| ()), Ok(()));
        assert_eq!(map(&["a:1=b", "a:1=c"]), Err("a".to_owned()));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for bad in [
            "", "a", "=", "a=", "=b", "a:0=b", "a=b:0", "a:x=b", "a b=c", "a=b:1", "a=b=c",
        ] {
            assert!(mapping(bad).is_err(), "{bad}");
        }
    }
}
