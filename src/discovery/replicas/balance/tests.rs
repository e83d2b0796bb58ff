//! Shares stay even, and nobody is moved who need not be.

use proptest::prelude::*;

use super::*;

fn shares(slots: &[(Option<usize>, u64)]) -> Vec<Share> {
    let share = |&(node, clients)| Share { node, clients };
    slots.iter().map(share).collect()
}

fn clients_of(shares: &[Share], nodes: usize) -> Vec<u64> {
    loads(shares, nodes)
        .iter()
        .map(|load| load.clients)
        .collect()
}

fn slots_of(shares: &[Share], nodes: usize) -> Vec<usize> {
    loads(shares, nodes).iter().map(|load| load.slots).collect()
}

fn apply(shares: &mut [Share], change: Change) {
    shares[change.slot].node = Some(change.to);
}

#[test]
fn at_first_all_get_the_same_and_neighbours_lead_apart() {
    let mut slots = shares(&[(None, 0); 12]);
    assert_eq!(house(&mut slots, 3).len(), 12);
    assert_eq!(slots_of(&slots, 3), [4, 4, 4]);
    assert_ne!(slots[0].node, slots[1].node);
}

#[test]
fn only_those_whose_replica_is_gone_are_moved() {
    let mut slots = shares(&[(Some(0), 3), (None, 5), (Some(1), 3), (None, 1)]);
    let changes = house(&mut slots, 2);
    assert_eq!(
        changes,
        [Change { slot: 1, to: 0 }, Change { slot: 3, to: 1 }]
    );
    assert_eq!(level(&slots, &[true, true]), None);
}

#[test]
fn with_nobody_left_nobody_is_chosen() {
    let mut slots = shares(&[(None, 1), (None, 2)]);
    assert_eq!(house(&mut slots, 0), []);
    assert_eq!(level(&slots, &[]), None);
    assert_eq!(exchange(&slots, &[]), None);
}

#[test]
fn who_comes_back_gets_its_share_once_it_has_settled() {
    let mut slots = shares(&[(Some(0), 4), (Some(0), 3), (Some(0), 1), (Some(0), 0)]);
    assert_eq!(level(&slots, &[true, false]), None);
    while let Some(change) = level(&slots, &[true, true]) {
        apply(&mut slots, change);
    }
    assert_eq!(slots_of(&slots, 2), [2, 2]);
    assert_eq!(clients_of(&slots, 2), [4, 4]);
}

#[test]
fn uneven_clients_are_exchanged_and_no_more() {
    let mut slots = shares(&[(Some(0), 9), (Some(0), 8), (Some(1), 2), (Some(1), 1)]);
    let [one, other] = exchange(&slots, &[true, true]).expect("17 against 3");
    apply(&mut slots, one);
    apply(&mut slots, other);
    assert_eq!(slots_of(&slots, 2), [2, 2]);
    assert_eq!(clients_of(&slots, 2), [10, 10]);
    assert_eq!(exchange(&slots, &[true, true]), None);
    let near = shares(&[(Some(0), 20), (Some(1), 19)]);
    assert_eq!(exchange(&near, &[true, true]), None);
}

proptest! {
    /// Whoever comes and goes: no replica has two slots more than another, what is exchanged makes it
    /// better, and it comes to an end.
    #[test]
    fn shares_are_even_whoever_comes_and_goes(
        clients in proptest::collection::vec(0..20_u64, 12),
        rounds in proptest::collection::vec(1..6_usize, 1..8),
    ) {
        let mut slots: Vec<_> = clients.iter().map(|&clients| Share { node: None, clients }).collect();
        for nodes in rounds {
            for share in &mut slots {
                share.node = share.node.filter(|node| *node < nodes);
            }
            house(&mut slots, nodes);
            prop_assert!(slots.iter().all(|share| share.node.is_some_and(|node| node < nodes)));
            let settled = vec![true; nodes];
            let mut steps = 0;
            while let Some(change) = level(&slots, &settled) {
                apply(&mut slots, change);
                steps += 1;
                prop_assert!(steps <= 12);
            }
            let held = slots_of(&slots, nodes);
            prop_assert!(held.iter().max().unwrap_or(&0) - held.iter().min().unwrap_or(&0) <= 1);
            let spread = |slots: &[Share]| {
                let clients = clients_of(slots, nodes);
                clients.iter().map(|one| one * one).sum::<u64>()
            };
            let mut before = spread(&slots);
            while let Some([one, other]) = exchange(&slots, &settled) {
                apply(&mut slots, one);
                apply(&mut slots, other);
                prop_assert!(spread(&slots) < before);
                before = spread(&slots);
            }
            prop_assert_eq!(slots_of(&slots, nodes), held);
        }
    }
}
