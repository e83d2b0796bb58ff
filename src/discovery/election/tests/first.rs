//! The first choice after start, and what may be chosen without the right to ask.

use super::*;

#[test]
fn the_first_choice_waits_for_a_majority_or_a_second() {
    let mut bed = Bed {
        election: Election::default(),
        now: 1_000,
        switches: Vec::new(),
    };
    assert_eq!(bed.round(&[(A, 0)], &BOTH), Decision::Wait);
    bed.round(&[(A, 0), (B, 1)], &BOTH);
    assert_eq!(bed.switches, [claim(B, 1)]);
    let mut alone = Bed {
        election: Election::default(),
        now: 1_000,
        switches: Vec::new(),
    };
    alone.rounds(10, &[(A, 0)], &BOTH);
    assert_eq!(alone.switches, []);
    alone.round(&[(A, 0)], &BOTH);
    assert_eq!(alone.switches, [claim(A, 0)]);
}

#[test]
fn at_start_a_lie_about_a_dead_node_does_not_hide_what_the_majority_says() {
    let mut bed = Bed {
        election: Election::default(),
        now: 1_000,
        switches: Vec::new(),
    };
    let lie = [(C, 1000), (A, 1), (A, 1)];
    bed.rounds(2, &lie, &[(C, Says::Nothing)]);
    assert_eq!(bed.election.candidates(bed.now), [node(A), node(C)]);
    bed.round(&lie, &[(A, Says::Master), (C, Says::Nothing)]);
    assert_eq!(bed.switches, [claim(A, 1)]);
}

#[test]
fn a_first_tie_is_broken_by_roles_only_when_they_are_clear() {
    let mut bed = Bed {
        election: Election::default(),
        now: 1_000,
        switches: Vec::new(),
    };
    let decision = bed.rounds(20, &[(A, 0), (B, 0)], &BOTH);
    assert!(matches!(decision, Decision::Conflict(_)));
    bed.round(&[(A, 0), (B, 0)], &[(A, Says::Replica), (B, Says::Master)]);
    assert_eq!(bed.switches, [claim(B, 0)]);
}

#[test]
fn without_the_right_to_ask_a_majority_decides() {
    let mut bed = Bed::on_a(0);
    let nodes = [(A, Says::MayNotAsk), (B, Says::MayNotAsk)];
    bed.rounds(2, &[(B, 1), (A, 0), (A, 0)], &nodes);
    assert_eq!(bed.switches, []);
    let decision = bed.round(&[(B, 1), (B, 1), (A, 0)], &nodes);
    let expected = Decision::Switch {
        claim: claim(B, 1),
        role_verified: false,
    };
    assert_eq!(decision, expected);
}
