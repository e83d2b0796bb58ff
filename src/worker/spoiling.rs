//! Bugs that the simulation plants into what becomes of commands in flight, to see them noticed. No
//! part of the program.

use std::collections::VecDeque;

use super::backlog::Item;
use super::recovery::{Fate, Plan};
use crate::simulation::{Bug, planted};

/// With a bug planted, what must not be sent again is.
pub(super) fn spoiled(mut plan: Plan) -> Plan {
    if planted(Bug::ResendsAWrite) {
        let uncertain = plan
            .fates
            .iter_mut()
            .filter(|fate| **fate == Fate::Uncertain);
        uncertain.for_each(|fate| *fate = Fate::Resend);
    }
    plan
}

/// With a bug planted, what comes last goes first.
pub(super) fn reordered(mut items: VecDeque<Item>) -> VecDeque<Item> {
    if planted(Bug::Reorders) {
        items.make_contiguous().reverse();
    }
    items
}
