//! Stories of failovers, each told by what Sentinels and nodes showed of it.

use super::*;
use crate::discovery::event::PROMOTION_ORDERED;

const HOLD: Duration = Duration::from_secs(15);

fn sentinel(port: u16) -> HostPort {
    HostPort::new("10.0.0.5", port)
}

fn node(port: u16) -> HostPort {
    HostPort::new("10.0.0.1", port)
}

/// Signs about node 1, heard from Sentinel `from`.
struct Story(Underway);

impl Story {
    fn new() -> Self {
        Self(Underway::default())
    }

    fn event(&mut self, from: u16, kind: Kind, now: Millis) {
        self.event_about(1, from, kind, now);
    }

    fn event_about(&mut self, about: u16, from: u16, kind: Kind, now: Millis) {
        let event = Event {
            kind,
            channel: "+try-failover",
            about: Some(node(about)),
            candidate: None,
        };
        self.0.event(&sentinel(from), &event, now);
    }

    fn selects(&mut self, from: u16, candidate: u16, now: Millis) {
        let event = Event {
            kind: Kind::Step,
            channel: "+selected-slave",
            about: Some(node(1)),
            candidate: Some(node(candidate)),
        };
        self.0.event(&sentinel(from), &event, now);
    }

    fn polled(&mut self, from: u16, trouble: Trouble, at: Millis) {
        let about = node(1);
        self.0
            .polled(&sentinel(from), "run", trouble, Some(&about), at);
    }

    fn may_open(&self, shut_at: Millis, now: Millis) -> bool {
        self.0.may_open(&node(1), shut_at, now, HOLD)
    }

    fn begun(&self, now: Millis) -> bool {
        self.0.begun(&node(1), now).is_some()
    }
}

#[test]
fn opens_at_once_without_signs() {
    let story = Story::new();
    assert!(story.may_open(1_000, 1_000) && !story.begun(1_000));
}

#[test]
fn an_abort_opens_at_once_but_only_its_own_failover() {
    let mut story = Story::new();
    story.event(1, Kind::Step, 1_000);
    assert!(story.begun(1_000));
    story.event(2, Kind::Aborted, 1_100);
    assert!(!story.may_open(1_000, 1_200), "another Sentinel's abort");
    story.polled(1, Trouble::Failover, 1_300);
    story.event(1, Kind::Aborted, 1_500);
    story.polled(1, Trouble::Failover, 1_499);
    assert!(story.may_open(1_000, 1_600), "asked before the abort");
    story.polled(1, Trouble::Failover, 1_700);
    assert!(!story.may_open(1_000, 1_800), "asked after it");
}

#[test]
fn without_an_abort_it_waits_for_three_seconds_after_the_flags_have_gone() {
    let mut story = Story::new();
    story.polled(1, Trouble::Failover, 1_000);
    assert!(story.begun(1_000));
    story.polled(1, Trouble::None, 2_000);
    assert!(!story.begun(2_000));
    assert!(!story.may_open(1_000, 3_999));
    assert!(story.may_open(1_000, 4_000));
    assert!(story.may_open(60_000, 60_000), "long past");
}

#[test]
fn flags_hold_it_shut_until_they_go_or_the_hold_ends() {
    let mut story = Story::new();
    for now in (1_000..20_000).step_by(1_000) {
        story.polled(1, Trouble::Down, now);
        assert!(!story.begun(now), "down is not yet a failover");
        assert_eq!(story.may_open(1_000, now), now >= 16_000, "{now}");
    }
    story.0.forget(&sentinel(1));
    assert!(!story.0.is_likely(&node(1), 19_000));
}

#[test]
fn a_step_without_an_end_is_forgotten() {
    let mut story = Story::new();
    story.event(1, Kind::Step, 1_000);
    assert!(story.0.is_likely(&node(1), 11_000));
    assert!(!story.0.is_likely(&node(1), 11_001));
    story.event(1, Kind::Step, 12_000);
    story.0.concluded(None, &node(1));
    assert!(story.may_open(12_000, 12_000));
}

#[test]
fn what_the_leader_tells_of_the_old_primary_is_not_about_the_new_one() {
    let mut story = Story::new();
    story.0.concluded(Some(node(9)), &node(1));
    story.event_about(9, 1, Kind::Step, 1_000);
    let old = node(9);
    story
        .0
        .polled(&sentinel(2), "run", Trouble::Failover, Some(&old), 1_000);
    assert!(!story.begun(1_000) && story.may_open(1_000, 1_000));
    assert!(story.0.begun(&old, 1_000).is_some());
}

#[test]
fn a_replica_that_says_master_keeps_it_from_opening() {
    let mut story = Story::new();
    story.0.role(&node(2), Says::Master, 1_000);
    assert_eq!(story.0.promoted(&node(1), 1_500), Some(&node(2)));
    assert!(!story.may_open(1_000, 1_500));
    assert_eq!(story.0.promoted(&node(2), 1_500), None, "that is ours");
    story.0.role(&node(3), Says::Master, 1_500);
    story.selects(1, 3, 1_500);
    assert_eq!(story.0.promoted(&node(1), 1_500), Some(&node(3)));
    let is_selected = |story: &Story, address| story.0.is_selected(&node(address), &node(1), 1_500);
    assert!(is_selected(&story, 3) && !is_selected(&story, 2));
    story.event(1, Kind::Aborted, 1_600);
    assert!(!is_selected(&story, 3));
    story.0.role(&node(2), Says::Replica, 1_700);
    assert_eq!(story.0.promoted(&node(1), 2_501), None, "not fresh");
}

#[test]
fn the_former_primary_is_no_promoted_replica_before_it_was_one() {
    let mut story = Story::new();
    story.0.concluded(Some(node(9)), &node(1));
    story.0.role(&node(9), Says::Master, 1_000);
    assert_eq!(story.0.promoted(&node(1), 1_000), None);
    story.0.role(&node(9), Says::Replica, 2_000);
    story.0.role(&node(9), Says::Master, 3_000);
    assert_eq!(story.0.promoted(&node(1), 3_000), Some(&node(9)));
}

#[test]
fn signs_that_were_given_up_do_not_begin_it_again() {
    let mut story = Story::new();
    story.event(1, Kind::Step, 1_000);
    story.polled(1, Trouble::Failover, 1_000);
    story.0.role(&node(2), Says::Master, 1_000);
    story.0.give_up();
    story.0.role(&node(2), Says::Master, 1_100);
    story.polled(1, Trouble::Failover, 1_200);
    assert!(!story.begun(1_200));
    assert_eq!(story.0.promoted(&node(1), 1_200), None);
    story.0.role(&node(3), Says::Master, 1_300);
    assert_eq!(story.0.promoted(&node(1), 1_300), Some(&node(3)));
    story.event(1, Kind::Step, 1_400);
    assert!(story.begun(1_400), "a new step begins it");
    story.0.give_up();
    story.polled(1, Trouble::None, 1_500);
    story.polled(1, Trouble::Failover, 1_600);
    assert!(story.begun(1_600), "a new flag too");
}

#[test]
fn a_failover_of_the_next_primary_may_begin_before_we_follow_the_first() {
    let mut story = Story::new();
    story.event(1, Kind::Step, 1_000);
    story.event_about(2, 3, Kind::Step, 2_000);
    story.0.concluded(Some(node(1)), &node(2));
    assert!(story.0.begun(&node(2), 2_010).is_some(), "heard in time");
    assert!(!story.begun(2_010) && story.0.since() == Some(2_000));
    let mut first = Story::new();
    first.event_about(2, 3, Kind::Step, 2_000);
    first.0.concluded(None, &node(2));
    assert!(
        first.0.begun(&node(2), 2_010).is_none(),
        "it has been waited for"
    );
}

#[test]
fn a_choice_counts_no_longer_than_its_failover() {
    let mut story = Story::new();
    story.selects(1, 2, 1_000);
    let is_selected =
        |story: &Story, ours: u16, now| story.0.is_selected(&node(2), &node(ours), now);
    assert!(is_selected(&story, 1, 11_000));
    assert!(!is_selected(&story, 1, 11_001), "its end was never heard");
    assert!(!is_selected(&story, 3, 1_500), "chosen to follow another");
    story.polled(1, Trouble::Failover, 20_000);
    assert!(is_selected(&story, 1, 20_000), "it goes on");
    assert_eq!(story.0.selected(20_000).next(), Some(&node(2)));
    assert_eq!(story.0.selected(30_000).next(), None);
}

#[test]
fn a_promoted_replica_that_is_silent_for_a_moment_is_not_forgotten() {
    let mut story = Story::new();
    story.0.role(&node(2), Says::Master, 1_000);
    for says in [Says::Nothing, Says::Alive, Says::MayNotAsk] {
        story.0.role(&node(2), says, 1_100);
    }
    assert_eq!(story.0.promoted(&node(1), 1_500), Some(&node(2)));
    assert_eq!(story.0.promoted(&node(1), 2_001), None);
}

#[test]
fn what_was_decided_neither_begins_again_nor_lets_the_old_primary_open() {
    let mut story = Story::new();
    story.event(1, Kind::Step, 1_000);
    story.event(1, Kind::Done, 5_000);
    assert!(!story.begun(5_000));
    assert!(story.0.is_likely(&node(1), 5_000), "another is named");
    assert!(!story.may_open(1_000, 5_000));
    assert!(!story.0.is_likely(&node(1), 15_001));
    let mut late = Story::new();
    late.event(1, Kind::Done, 1_000);
    assert!(late.0.is_likely(&node(1), 1_000) && !late.begun(1_000));
}

#[test]
fn primaries_of_before_stay_known_until_somebody_told_them() {
    let mut story = Story::new();
    story.0.concluded(Some(node(8)), &node(9));
    story.0.concluded(Some(node(9)), &node(1));
    for former in [8, 9] {
        story.0.role(&node(former), Says::Master, 1_000);
        assert_eq!(story.0.promoted(&node(1), 1_000), None, "{former}");
    }
    story.0.concluded(Some(node(1)), &node(8));
    story.0.concluded(Some(node(8)), &node(1));
    story.0.role(&node(9), Says::Replica, 2_000);
    story.0.role(&node(9), Says::Master, 3_000);
    assert_eq!(story.0.promoted(&node(1), 3_000), Some(&node(9)));
}

#[test]
fn the_flags_of_a_sentinel_that_died_do_not_hide_the_next_failover() {
    let mut story = Story::new();
    story.polled(1, Trouble::Failover, 1_000);
    story.0.give_up();
    story.polled(2, Trouble::None, 60_000);
    story.polled(2, Trouble::Failover, 61_000);
    assert!(story.begun(61_000));
}

#[test]
fn a_first_choice_waits_anew_for_each_failover() {
    let mut story = Story::new();
    story.event(1, Kind::Step, 1_000);
    assert_eq!(story.0.since(), Some(1_000));
    story.event(2, Kind::Step, 5_000);
    assert_eq!(story.0.since(), Some(1_000));
    story.event(1, Kind::Step, 60_000);
    assert_eq!(story.0.since(), Some(60_000));
}

#[test]
fn an_ordered_promotion_is_told() {
    let mut story = Story::new();
    story.selects(1, 2, 1_000);
    assert!(!story.0.is_ordered(&node(1), 1_000));
    let order = Event {
        kind: Kind::Step,
        channel: PROMOTION_ORDERED,
        about: Some(node(1)),
        candidate: Some(node(2)),
    };
    story.0.event(&sentinel(1), &order, 1_100);
    assert!(story.0.is_ordered(&node(1), 1_100) && !story.0.is_ordered(&node(2), 1_100));
    story.event(1, Kind::Aborted, 1_200);
    assert!(!story.0.is_ordered(&node(1), 1_200));
}
