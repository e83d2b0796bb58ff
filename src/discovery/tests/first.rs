//! The first choice, with what Sentinels answer told by hand: nobody listens where it is dialled.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::{Instant, advance};

use super::running::config;
use super::signs::{node, reading};
use crate::discovery::election::Says;
use crate::discovery::message::{MasterFields, Trouble};
use crate::discovery::signal::{News, Reading, SIGNALS_MAX};
use crate::discovery::task::Discovery;
use crate::topology::Publisher;

const SENTINELS: [u16; 3] = [7, 8, 9];

/// Discovery that knows three Sentinels and no primary.
fn newborn() -> Discovery {
    let (publisher, _) = Publisher::new(0, Duration::from_secs(15));
    let out = mpsc::channel(SIGNALS_MAX).0;
    let config = Arc::new(config(Vec::new()));
    let mut discovery = Discovery::new(config, publisher, Arc::new(ArcSwap::default()), out);
    for port in SENTINELS {
        discovery.roster.add(node(port), true, Instant::now());
    }
    discovery
}

/// This Sentinel names node 1, and what it thinks of it.
fn names(discovery: &mut Discovery, sentinel: u16, trouble: Trouble) {
    let fields = MasterFields {
        epoch: 1,
        quorum: 2,
        down_after: Duration::from_secs(1),
        other_sentinels: 2,
        trouble,
    };
    let answer = News::Answer {
        asked: Instant::now(),
        run_id: sentinel.to_string(),
        result: Ok((node(1), fields)),
    };
    discovery.hear(&node(sentinel), answer);
}

/// Node 1 says that it is a primary; how many choices were made by then.
async fn choices(discovery: &mut Discovery) -> u64 {
    discovery.steer().await;
    let look = Reading {
        watch: discovery.watches.id(&node(1)).expect("it is looked at"),
        ..reading(1, Says::Master, Some(100))
    };
    discovery.read(look);
    discovery.steer().await;
    discovery.publisher.load().generation
}

#[tokio::test(start_paused = true)]
async fn the_first_choice_waits_a_moment_for_the_sentinel_that_may_lead_a_failover() {
    let mut discovery = newborn();
    names(&mut discovery, 7, Trouble::None);
    names(&mut discovery, 8, Trouble::None);
    assert_eq!(choices(&mut discovery).await, 0, "one has not answered");
    advance(Duration::from_millis(90)).await;
    assert_eq!(choices(&mut discovery).await, 0, "one has not answered");
    names(&mut discovery, 9, Trouble::Failover);
    advance(Duration::from_millis(500)).await;
    assert_eq!(choices(&mut discovery).await, 0, "it is being replaced");
}

#[tokio::test(start_paused = true)]
async fn the_first_choice_waits_no_longer_than_a_moment_for_a_silent_sentinel() {
    let mut discovery = newborn();
    names(&mut discovery, 7, Trouble::None);
    names(&mut discovery, 8, Trouble::None);
    assert_eq!(choices(&mut discovery).await, 0);
    advance(Duration::from_millis(110)).await;
    assert_eq!(choices(&mut discovery).await, 1);
}
