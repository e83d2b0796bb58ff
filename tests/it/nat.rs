//! Goal: where Sentinels name nodes by addresses that do not lead to them from here, `--address-map`
//! makes a failover what it is elsewhere. Method: every server and every Sentinel behind a forwarder of
//! its own, of which only the map knows; and a Sentinel that names an address that is nobody's.

use std::net::SocketAddr;

use crate::bed::{Bed, FAILOVER_LIMIT, Node};
use crate::fakes::{Cutter, FakeSentinel};
use crate::proxy::{Proxy, run_to_end};
use crate::writer::{Writer, executed_twice};

/// Reserved for documentation (RFC 5737): nobody is there.
const NOWHERE: &str = "192.0.2.7:6379";

/// The nodes, each behind a forwarder.
struct Outside(Vec<(SocketAddr, Cutter)>);

impl Outside {
    fn of<'a>(nodes: impl Iterator<Item = &'a Node>) -> Self {
        Self(
            nodes
                .map(|node| (node.addr(), Cutter::start(node.addr())))
                .collect(),
        )
    }

    fn map(&self) -> String {
        let all = self.0.iter();
        let all = all.map(|(inside, outside)| format!("{inside}={}", outside.addr()));
        all.collect::<Vec<_>>().join(",")
    }

    /// Where the node at `inside` is seen from here.
    #[track_caller]
    fn at(&self, inside: SocketAddr) -> SocketAddr {
        let found = self.0.iter().find(|(address, _)| *address == inside);
        found.unwrap().1.addr()
    }
}

#[test]
fn a_planned_failover_behind_nat_is_seen_from_its_beginning() {
    let bed = Bed::usual();
    let servers = Outside::of((0..3).map(|index| bed.server(index)));
    let sentinels = Outside::of(bed.sentinels().iter());
    let seed = sentinels.at(bed.sentinel(0).addr()).to_string();
    let proxy = Proxy::of(&[seed], bed.name())
        .flag("--address-map", servers.map())
        .flag("--address-map", sentinels.map())
        .start_ready();
    let old = bed.primary();
    assert_eq!(proxy.primary(), Some(servers.at(old.addr())));
    let writer = Writer::start(proxy.addr(), "w");
    writer.wait_acks(50);
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, servers.at(new.addr()));
    writer.wait_acks(50);
    let account = writer.stop();
    assert_eq!(account.closes.len(), 0);
    assert_eq!(executed_twice(new), [""; 0]);
    // It was known for a failover of our primary before there was another.
    assert!(!proxy.events("quiescing").is_empty());
    // No Sentinel is asked at two addresses.
    let found = proxy.events("sentinel_added");
    let found: Vec<_> = found.iter().map(|it| it["sentinel"].clone()).collect();
    for node in bed.sentinels() {
        assert!(
            !found.contains(&node.addr().to_string().into()),
            "{found:?}"
        );
    }
}

#[test]
fn what_sentinels_name_in_vain_is_found_by_the_map() {
    let bed = Bed::lonely();
    let server = bed.primary().addr();
    let sentinel = FakeSentinel::start("mymaster", NOWHERE.parse().unwrap(), 1);
    let sentinel = sentinel.addr().to_string();
    let map = format!("{NOWHERE}={server}");
    let output = run_to_end(&["check", "--sentinel", &sentinel, "--address-map", &map]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&server.to_string()), "{text}");
    let proxy = Proxy::of(&[sentinel], "mymaster")
        .flag("--sentinel-discovery", "off")
        .flag("--address-map", map)
        .start_ready();
    assert_eq!(proxy.primary(), Some(server));
    assert_eq!(proxy.connect().call(&["PING"]).text(), "PONG");
}
