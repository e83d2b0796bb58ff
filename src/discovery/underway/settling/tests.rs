//! Stories of failovers whose end nobody heard.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::discovery::election::{Millis, Says};
use crate::discovery::event::{Event, Kind};
use crate::discovery::message::Trouble;
use crate::discovery::underway::Underway;
use crate::net::HostPort;

const HOLD: Duration = Duration::from_secs(15);

fn node(port: u16) -> HostPort {
    HostPort::new("10.0.0.1", port)
}

fn leader() -> HostPort {
    HostPort::new("10.0.0.5", 1)
}

/// A failover of node 1, led by one Sentinel, with the replicas 2 and 3.
struct Story(Underway);

impl Story {
    /// Its first step is heard at 1000, and its flag seen in a poll sent at 1100.
    fn begun() -> Self {
        let mut story = Self(Underway::default());
        story.step(None, 1_000);
        story.polled("leader", Trouble::Failover, 1, 1_100);
        story
    }

    fn step(&mut self, candidate: Option<u16>, now: Millis) {
        let event = Event {
            kind: Kind::Step,
            channel: "+selected-slave",
            about: Some(node(1)),
            candidate: candidate.map(node),
        };
        self.0.event(&leader(), &event, now);
    }

    fn polled(&mut self, run_id: &str, trouble: Trouble, names: u16, at: Millis) {
        let named = node(names);
        self.0.polled(&leader(), run_id, trouble, Some(&named), at);
    }

    fn all_follow(&mut self, at: Millis) {
        self.says(2, Says::Replica, at);
        self.says(3, Says::Replica, at);
    }

    fn says(&mut self, port: u16, says: Says, at: Millis) {
        self.0.role(&node(port), says, at);
    }

    /// Whether the gate, quiescing since 1000, may open in place.
    fn may_open(&mut self, now: Millis) -> bool {
        self.0.settle(&BTreeSet::from([&node(2), &node(3)]));
        self.0.may_open(&node(1), 1_000, now, HOLD)
    }
}

#[test]
fn it_has_ended_when_its_flag_is_gone_and_all_replicas_follow() {
    let mut story = Story::begun();
    story.polled("leader", Trouble::None, 1, 2_000);
    story.says(2, Says::Replica, 2_050);
    assert!(!story.may_open(4_000), "the other has not said it");
    story.says(3, Says::Replica, 2_050);
    assert!(!story.may_open(3_999), "the least wait");
    assert!(story.may_open(4_000));
    assert!(story.0.begun(&node(1), 4_000).is_none(), "nor begins again");
}

#[test]
fn only_the_replica_chosen_has_to_follow() {
    let mut story = Story::begun();
    story.step(Some(3), 1_200);
    story.polled("leader", Trouble::None, 1, 2_000);
    story.says(2, Says::Replica, 2_050);
    assert!(!story.may_open(5_000));
    story.says(3, Says::Replica, 2_050);
    assert!(story.may_open(5_000));
}

#[test]
fn what_a_replica_said_before_the_end_proves_nothing() {
    let mut story = Story::begun();
    story.all_follow(1_999);
    story.polled("leader", Trouble::None, 1, 2_000);
    assert!(!story.may_open(5_000));
    assert!(story.may_open(11_001), "the step is too old");
}

#[test]
fn a_silent_replica_is_waited_for() {
    for says in [Says::Nothing, Says::Alive, Says::MayNotAsk] {
        let mut story = Story::begun();
        story.polled("leader", Trouble::None, 1, 2_000);
        story.says(2, Says::Replica, 2_050);
        story.says(3, says, 2_050);
        assert!(!story.may_open(4_500), "{says:?}");
    }
}

#[test]
fn a_promoted_replica_keeps_it_from_opening() {
    let mut story = Story::begun();
    story.polled("leader", Trouble::None, 1, 2_000);
    story.all_follow(2_050);
    assert!(story.may_open(4_000));
    story.says(3, Says::Master, 4_100);
    assert!(!story.may_open(4_500));
}

#[test]
fn a_poll_proves_nothing_unless_the_same_sentinel_showed_the_flag() {
    let ends = |story: &mut Story| {
        story.all_follow(2_050);
        story.may_open(5_000)
    };
    let mut other = Story::begun();
    other.polled("another at the same address", Trouble::None, 1, 2_000);
    assert!(!ends(&mut other));
    let mut decided = Story::begun();
    decided.polled("leader", Trouble::None, 2, 2_000);
    assert!(!ends(&mut decided), "it names the promoted one");
    let mut unseen = Story(Underway::default());
    unseen.step(None, 1_000);
    unseen.polled("leader", Trouble::None, 1, 2_000);
    assert!(!ends(&mut unseen), "it may never have been the leader");
    let mut early = Story::begun();
    early.step(None, 2_010);
    early.polled("leader", Trouble::None, 1, 2_005);
    assert!(!ends(&mut early), "asked before the last step");
}

#[test]
fn a_failover_that_begins_again_has_not_ended() {
    let mut stepped = Story::begun();
    stepped.polled("leader", Trouble::None, 1, 2_000);
    stepped.step(None, 2_010);
    let mut flagged = Story::begun();
    flagged.polled("leader", Trouble::None, 1, 2_000);
    flagged.polled("leader", Trouble::Failover, 1, 2_010);
    for mut story in [stepped, flagged] {
        story.all_follow(2_050);
        assert!(!story.may_open(5_000));
    }
}
