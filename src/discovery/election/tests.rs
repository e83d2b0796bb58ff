//! The cases operators have met (users.md section 2), once there is a primary.

use super::*;

mod first;
mod histories;

fn node(index: u16) -> HostPort {
    HostPort::new("10.0.0.1", 7000 + index)
}

fn claim(index: u16, epoch: u64) -> Claim {
    Claim {
        address: node(index),
        epoch,
    }
}

const A: u16 = 0;
const B: u16 = 1;
const C: u16 = 2;

/// Three Sentinels, quorum 2, polled together; decisions are carried out as discovery would.
struct Bed {
    election: Election,
    now: Millis,
    switches: Vec<Claim>,
}

impl Bed {
    /// With A chosen at `epoch`.
    fn on_a(epoch: u64) -> Self {
        let mut bed = Self {
            election: Election::default(),
            now: 1_000,
            switches: Vec::new(),
        };
        bed.round(&[(A, epoch); 3], &[(A, Says::Master)]);
        assert_eq!(bed.switches, [claim(A, epoch)]);
        bed.switches.clear();
        bed
    }

    /// 100 ms later every Sentinel of `answers` answers and every node of `nodes` is asked.
    fn round(&mut self, answers: &[(u16, u64)], nodes: &[(u16, Says)]) -> Decision {
        self.now += 100;
        for (sentinel, (index, epoch)) in answers.iter().enumerate() {
            let run_id = format!("s{sentinel}");
            self.election
                .observe(&run_id, claim(*index, *epoch), 2, self.now);
        }
        for (index, says) in nodes {
            self.election.verdict(&node(*index), *says, self.now);
        }
        self.decide()
    }

    fn rounds(&mut self, count: usize, answers: &[(u16, u64)], nodes: &[(u16, Says)]) -> Decision {
        (0..count)
            .map(|_| self.round(answers, nodes))
            .last()
            .expect("at least one round")
    }

    fn decide(&mut self) -> Decision {
        let decision = self.election.decide(self.now, 3);
        match &decision {
            Decision::Switch { claim, .. } => {
                self.switches.push(claim.clone());
                self.election.switched(claim.clone());
            }
            Decision::Learn(epoch) => self.election.learned(*epoch),
            _ => {}
        }
        decision
    }
}

const BOTH: [(u16, Says); 2] = [(A, Says::Master), (B, Says::Master)];

#[test]
fn f3a_a_sentinel_that_always_names_the_old_primary_is_ignored() {
    let mut bed = Bed::on_a(0);
    let nodes = [(A, Says::Nothing), (B, Says::Master)];
    bed.rounds(300, &[(A, 0), (B, 1), (B, 1)], &nodes);
    assert_eq!(bed.switches, [claim(B, 1)]);
}

#[test]
fn f3b_even_when_the_old_primary_says_master() {
    let mut bed = Bed::on_a(0);
    bed.rounds(300, &[(A, 0), (B, 1), (B, 1)], &BOTH);
    assert_eq!(bed.switches, [claim(B, 1)]);
}

#[test]
fn f3c_a_stale_sentinel_and_a_new_one_do_not_flap() {
    let mut bed = Bed::on_a(0);
    for _ in 0..150 {
        bed.round(&[(A, 0), (B, 1)], &BOTH);
        bed.round(&[(A, 0)], &BOTH);
    }
    assert_eq!(bed.switches, [claim(B, 1)]);
}

#[test]
fn what_others_held_for_long_is_not_steady_against_a_switch() {
    let mut bed = Bed::on_a(0);
    bed.rounds(300, &[(A, 0); 3], &BOTH);
    // The leader's peers hear of the new primary a little later than we do.
    bed.rounds(20, &[(B, 1), (A, 0), (A, 0)], &BOTH);
    assert_eq!(bed.switches, [claim(B, 1)]);
    bed.rounds(20, &[(B, 1); 3], &BOTH);
    assert_eq!(bed.switches, [claim(B, 1)]);
}

#[test]
fn a_promoted_node_that_is_named_later_is_not_switched_to_again() {
    let mut bed = Bed::on_a(3);
    bed.election.promoted(&node(B));
    for decision in [
        bed.rounds(15, &[(A, 3); 3], &BOTH),
        // A moment's silence does not make those right who have not heard of it.
        bed.rounds(15, &[(A, 3); 3], &[(A, Says::Master), (B, Says::Nothing)]),
    ] {
        assert_eq!(decision, Decision::Stay);
    }
    let decision = bed.round(&[(A, 3), (B, 4), (A, 3)], &BOTH);
    assert_eq!(decision, Decision::Learn(4), "one Sentinel is enough");
    bed.rounds(1, &[(A, 3), (B, 4), (A, 3)], &[(B, Says::Nothing)]);
    bed.rounds(20, &[(B, 4); 3], &BOTH);
    assert!(bed.switches.is_empty());
}

#[test]
fn a_promoted_node_whose_leader_died_is_left_when_it_is_demoted() {
    let mut bed = Bed::on_a(3);
    bed.election.promoted(&node(B));
    bed.rounds(5, &[(A, 3); 3], &BOTH);
    bed.rounds(3, &[(A, 3); 3], &[(A, Says::Master), (B, Says::Replica)]);
    assert_eq!(bed.switches, [claim(A, 3)]);
}

#[test]
fn a_promoted_node_that_nobody_ever_names_is_left_in_the_end() {
    let mut bed = Bed::on_a(3);
    bed.election.promoted(&node(B));
    let decision = bed.rounds(100, &[(A, 3); 3], &[(A, Says::Nothing), (B, Says::Master)]);
    assert_eq!(decision, Decision::Stay);
    // The old primary is gone: nothing can be served until one is named.
    let decision = bed.rounds(3, &[(A, 3); 3], &[(A, Says::Nothing), (B, Says::Master)]);
    let expected = Decision::Verify {
        claim: claim(A, 3),
        by_majority: true,
    };
    assert_eq!(decision, expected);
    bed.rounds(2, &[(C, 5); 3], &[(C, Says::Master), (B, Says::Master)]);
    assert_eq!(bed.switches, [claim(C, 5)]);
}

#[test]
fn another_node_named_after_a_promotion_is_followed() {
    let mut bed = Bed::on_a(3);
    bed.election.promoted(&node(B));
    let nodes = [(B, Says::Master), (C, Says::Master)];
    bed.rounds(2, &[(C, 4), (A, 3), (A, 3)], &nodes);
    assert_eq!(bed.switches, [claim(C, 4)]);
}

#[test]
fn one_sentinel_with_a_new_epoch_is_enough_once_role_says_master() {
    let mut bed = Bed::on_a(3);
    let answers = [(B, 4), (A, 3), (A, 3)];
    let decision = bed.round(&answers, &[(A, Says::Master), (B, Says::Replica)]);
    let expected = Decision::Verify {
        claim: claim(B, 4),
        by_majority: false,
    };
    assert_eq!(decision, expected);
    bed.round(&answers, &[(B, Says::Master)]);
    assert_eq!(bed.switches, [claim(B, 4)]);
}

#[test]
fn a_role_heard_before_the_sentinel_named_the_node_does_not_count() {
    let mut bed = Bed::on_a(3);
    bed.round(&[(A, 3); 3], &BOTH);
    let decision = bed.round(&[(B, 4), (A, 3), (A, 3)], &[]);
    assert!(matches!(decision, Decision::Verify { .. }));
}

#[test]
fn f12_moved_by_remove_and_monitor() {
    let mut bed = Bed::on_a(7);
    for sentinel in ["s0", "s1", "s2"] {
        bed.election.retract(sentinel);
    }
    assert_eq!(bed.round(&[], &[(A, Says::Master)]), Decision::Degraded);
    let nodes = [(A, Says::Replica), (B, Says::Master)];
    bed.round(&[(B, 0); 3], &nodes);
    assert_eq!(bed.switches, [], "one poll is not steady");
    bed.round(&[(B, 0); 3], &nodes);
    assert_eq!(bed.switches, [claim(B, 0)]);
    bed.rounds(3, &[(C, 1), (B, 0), (B, 0)], &[(C, Says::Master)]);
    assert_eq!(
        bed.switches,
        [claim(B, 0), claim(C, 1)],
        "epochs count anew"
    );
}

#[test]
fn f12_with_a_living_old_primary_takes_ten_seconds() {
    let mut bed = Bed::on_a(7);
    bed.rounds(99, &[(B, 0); 3], &BOTH);
    assert_eq!(bed.switches, []);
    bed.rounds(3, &[(B, 0); 3], &BOTH);
    assert_eq!(bed.switches, [claim(B, 0)]);
}

#[test]
fn remove_and_monitor_of_the_same_primary_resets_the_epoch_without_a_cut() {
    let mut bed = Bed::on_a(7);
    bed.rounds(120, &[(A, 0); 3], &[(A, Says::Master)]);
    assert_eq!(bed.switches, []);
    assert_eq!(bed.election.current(), Some(&claim(A, 0)));
}

#[test]
fn f14_two_primaries_after_a_partition() {
    let mut bed = Bed::on_a(0);
    bed.rounds(5, &[(B, 1); 3], &BOTH);
    bed.rounds(200, &[(B, 1); 3], &BOTH);
    assert_eq!(bed.switches, [claim(B, 1)]);
}

#[test]
fn a_dead_leaders_answer_comes_too_late() {
    let mut bed = Bed::on_a(0);
    bed.rounds(3, &[(A, 0), (B, 2), (B, 2)], &BOTH);
    let nodes = [(B, Says::Master), (C, Says::Master)];
    bed.rounds(5, &[(C, 1), (B, 2), (B, 2)], &nodes);
    assert_eq!(bed.switches, [claim(B, 2)]);
}

#[test]
fn a_tie_at_one_epoch_stays_and_is_reported() {
    let mut bed = Bed::on_a(0);
    bed.election.retract("s2");
    let decision = bed.rounds(200, &[(A, 0), (B, 0)], &BOTH);
    assert_eq!(decision, Decision::Conflict(vec![node(A), node(B)]));
    assert_eq!(bed.switches, []);
}

#[test]
fn a_lie_at_a_high_epoch_is_overruled_once_and_for_all() {
    let mut bed = Bed::on_a(1);
    bed.rounds(600, &[(B, 1000), (A, 1), (A, 1)], &BOTH);
    assert_eq!(bed.switches, [claim(B, 1000), claim(A, 1)]);
    bed.rounds(
        600,
        &[(C, 2000), (A, 1), (A, 1)],
        &[(C, Says::Master), BOTH[0]],
    );
    assert_eq!(bed.switches.len(), 2, "not followed again before it agrees");
}

#[test]
fn the_same_address_at_a_higher_epoch_is_learned_or_switched_to() {
    let mut bed = Bed::on_a(1);
    assert_eq!(
        bed.round(&[(A, 2); 3], &[(A, Says::Master)]),
        Decision::Learn(2)
    );
    assert_eq!(bed.switches, []);
    bed.round(&[(B, 3), (A, 2), (A, 2)], &[(A, Says::Master)]);
    bed.round(&[(A, 4); 3], &[(A, Says::Master)]);
    assert_eq!(bed.switches, [claim(A, 4)], "another was named in between");
}
