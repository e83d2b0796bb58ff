//! Random histories against an independently kept record.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Answer(usize, u16, u64),
    Retract(usize),
    Role(u16, Says),
    Pass(Millis),
}

fn step() -> impl Strategy<Value = Step> {
    let says = prop_oneof![
        3 => Just(Says::Master),
        1 => Just(Says::Replica),
        1 => Just(Says::MayNotAsk),
        1 => Just(Says::Alive),
        1 => Just(Says::Nothing),
    ];
    prop_oneof![
        6 => (0..5usize, 0..3u16, 0..6u64).prop_map(|(s, n, e)| Step::Answer(s, n, e)),
        1 => (0..5usize).prop_map(Step::Retract),
        4 => (0..3u16, says).prop_map(|(n, says)| Step::Role(n, says)),
        3 => (1..2_000u64).prop_map(Step::Pass),
    ]
}

/// The record kept beside the election: (sentinel, claim, when, how many in a row).
#[derive(Default)]
struct Record {
    answers: [Option<(Claim, Millis, u32)>; 5],
    roles: BTreeMap<HostPort, (Says, Millis)>,
}

impl Record {
    fn fresh(&self, now: Millis) -> Vec<&(Claim, Millis, u32)> {
        let fresh = self.answers.iter().flatten();
        fresh.filter(|(_, at, _)| now - at <= FRESH).collect()
    }

    /// Sentinels that have named `claim` at least twice in a row, against all that answer.
    fn steady_majority(&self, claim: &Claim, now: Millis) -> bool {
        let fresh = self.fresh(now);
        let steady = fresh
            .iter()
            .filter(|(named, _, polls)| named == claim && *polls >= 2);
        let steady = steady.count();
        steady * 2 > fresh.len() && steady >= 2
    }

    fn check(&self, before: Option<&Claim>, decision: &Decision, now: Millis) {
        let Decision::Switch { claim, .. } = decision else {
            if let (Decision::Learn(epoch), Some(before)) = (decision, before) {
                let claim = Claim {
                    epoch: *epoch,
                    ..before.clone()
                };
                let lower = *epoch < before.epoch;
                assert!(!lower || self.steady_majority(&claim, now), "learned lower");
            }
            return;
        };
        let (says, at) = self.roles[&claim.address];
        assert!(matches!(says, Says::Master | Says::MayNotAsk), "unverified");
        assert!(now - at <= VERDICT_FRESH, "verified too long ago");
        let named = self.fresh(now);
        assert!(named.iter().any(|(named, ..)| named == claim), "unnamed");
        if let Some(before) = before {
            let not_higher = claim.epoch <= before.epoch;
            assert!(!not_higher || self.steady_majority(claim, now), "went down");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_goes_down_without_a_steady_majority_nor_to_an_unverified_node(
        steps in proptest::collection::vec(step(), 1..200)
    ) {
        let mut election = Election::default();
        let mut record = Record::default();
        let mut now = 10_000;
        for step in steps {
            match step {
                Step::Pass(millis) => now += millis,
                Step::Retract(sentinel) => {
                    election.retract(&sentinel.to_string());
                    record.answers[sentinel] = None;
                }
                Step::Role(index, says) => {
                    election.verdict(&node(index), says, now);
                    record.roles.insert(node(index), (says, now));
                }
                Step::Answer(sentinel, index, epoch) => {
                    let claim = claim(index, epoch);
                    let polls = match &record.answers[sentinel] {
                        Some((last, at, polls)) if *last == claim && now - at <= FRESH => polls + 1,
                        _ => 1,
                    };
                    election.observe(&sentinel.to_string(), claim.clone(), 2, now);
                    record.answers[sentinel] = Some((claim, now, polls));
                }
            }
            let decision = election.decide(now, 5);
            record.check(election.current(), &decision, now);
            match decision {
                Decision::Switch { claim, .. } => election.switched(claim),
                Decision::Learn(epoch) => election.learned(epoch),
                _ => {}
            }
        }
    }

    #[test]
    fn whatever_the_sentinels_keep_saying_it_comes_to_rest(
        answers in proptest::collection::vec((0..3u16, 0..4u64), 1..6),
        masters in proptest::collection::vec(any::<bool>(), 3),
        start in 0..3u64,
    ) {
        let mut bed = Bed::on_a(start);
        let says = |yes| if yes { Says::Master } else { Says::Replica };
        let nodes = [(A, says(masters[0])), (B, says(masters[1])), (C, says(masters[2]))];
        bed.rounds(200, &answers, &nodes);
        let settled = bed.switches.len();
        prop_assert!(settled <= 2, "at most a lie and its correction: {:?}", bed.switches);
        bed.rounds(300, &answers, &nodes);
        prop_assert_eq!(bed.switches.len(), settled, "flaps: {:?}", bed.switches);
    }
}
