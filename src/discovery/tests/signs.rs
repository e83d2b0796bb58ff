//! Signs of a failover in every state of the gate, told to discovery by hand: nobody listens where
//! it dials.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::running::config;
use crate::discovery::election::{Claim, Says};
use crate::discovery::event::{Event, Kind};
use crate::discovery::handover::Departure;
use crate::discovery::signal::{Reading, SIGNALS_MAX};
use crate::discovery::steering::Basis;
use crate::discovery::task::Discovery;
use crate::net::HostPort;
use crate::topology::{Gate, Publisher};

/// Addresses that refuse at once.
pub(super) fn node(port: u16) -> HostPort {
    HostPort::new("127.0.0.1", port)
}

pub(super) fn sentinel() -> HostPort {
    node(9)
}

fn step(channel: &'static str, about: u16) -> Event {
    Event {
        kind: Kind::Step,
        channel,
        about: Some(node(about)),
        candidate: None,
    }
}

pub(super) fn reading(port: u16, says: Says, offset: Option<i64>) -> Reading {
    Reading {
        watch: 0,
        address: node(port),
        sent: Instant::now(),
        says,
        run_id: None,
        peer: None,
        knows_capa: false,
        offset,
        following: None,
        error: None,
    }
}

/// Discovery with an open gate at node 1. What its tasks report is not taken.
pub(super) async fn at_work() -> Discovery {
    let (publisher, _) = Publisher::new(0, Duration::from_secs(15));
    let status = Arc::new(ArcSwap::default());
    let out = mpsc::channel(SIGNALS_MAX).0;
    let mut discovery = Discovery::new(Arc::new(config(Vec::new())), publisher, status, out);
    discovery.roster.add(sentinel(), true, Instant::now());
    let claim = Claim {
        address: node(1),
        epoch: 1,
    };
    discovery.switch(claim, true, Basis::Named).await;
    discovery.heartbeat(reading(1, Says::Master, Some(100)));
    assert_eq!(discovery.publisher.load().gate, Gate::Open);
    discovery
}

pub(super) fn gate(discovery: &Discovery) -> Gate {
    discovery.publisher.load().gate
}

#[tokio::test]
async fn a_failover_that_begins_during_the_look_around_after_a_pause_stops_writes_at_once() {
    let mut discovery = at_work().await;
    discovery.inquire(Instant::now(), true);
    discovery.heard_event(&sentinel(), &step("+try-failover", 1));
    discovery.steer().await;
    assert_ne!(gate(&discovery), Gate::Open, "its lease lasts for seconds");
}

#[tokio::test]
async fn a_failover_that_begins_while_the_gate_is_shut_is_no_surprise() {
    let mut discovery = at_work().await;
    discovery.shut("a test");
    discovery.heard_event(&sentinel(), &step("+try-failover", 1));
    discovery.steer().await;
    discovery.other_node(reading(2, Says::Replica, None));
    discovery.other_node(reading(2, Says::Master, Some(100)));
    assert_eq!(
        discovery.account(&node(1), &node(2)),
        Departure::Quiesced,
        "nothing was written since"
    );
}

#[tokio::test]
async fn where_roles_may_not_be_asked_the_ordered_promotion_shuts_the_gate() {
    for (says, expected) in [
        (Says::MayNotAsk, Gate::Shut),
        (Says::Master, Gate::Quiescing),
    ] {
        let mut discovery = at_work().await;
        discovery.heartbeat(reading(1, says, None));
        discovery.heard_event(&sentinel(), &step("+try-failover", 1));
        discovery.steer().await;
        assert_eq!(gate(&discovery), Gate::Quiescing);
        let ordered = step("+failover-state-wait-promotion", 1);
        discovery.heard_event(&sentinel(), &ordered);
        discovery.steer().await;
        assert_eq!(gate(&discovery), expected, "{says:?}");
    }
}

#[tokio::test]
async fn a_failover_of_the_next_primary_is_met_at_the_moment_of_the_switch() {
    let mut discovery = at_work().await;
    discovery.heard_event(&sentinel(), &step("+try-failover", 2));
    discovery.steer().await;
    assert_eq!(gate(&discovery), Gate::Open, "not about ours");
    let claim = Claim {
        address: node(2),
        epoch: 2,
    };
    discovery.switch(claim, true, Basis::Named).await;
    discovery.steer().await;
    assert_eq!(gate(&discovery), Gate::Quiescing);
}

#[tokio::test]
async fn a_sentinel_that_is_gone_leaves_no_signs() {
    let mut discovery = at_work().await;
    discovery.heard_event(&node(8), &step("+try-failover", 1));
    discovery.steer().await;
    assert_eq!(gate(&discovery), Gate::Open);
}

#[tokio::test]
async fn only_a_choice_of_this_failover_is_followed_at_its_promotion() {
    let mut discovery = at_work().await;
    let mut settings = config(Vec::new());
    settings.switch_on = crate::config::SwitchOn::Promoted;
    discovery.config = Arc::new(settings);
    let selected = |about| Event {
        candidate: Some(node(2)),
        ..step("+selected-slave", about)
    };
    discovery.heard_event(&sentinel(), &selected(7));
    discovery.shut("a test");
    discovery.other_node(reading(2, Says::Master, None));
    discovery.steer().await;
    assert_eq!(
        discovery.publisher.load().generation,
        1,
        "chosen for another"
    );
    discovery.heard_event(&sentinel(), &selected(1));
    discovery.steer().await;
    assert_eq!(discovery.publisher.load().generation, 2);
}
