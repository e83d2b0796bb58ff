//! A session's link is lost: what was in flight is sorted by the rules of `recovery` into what the
//! next link gets and what the client is told, and the session lives on without a link.

use std::collections::VecDeque;
use std::rc::Rc;

use tokio::time::Instant;

use crate::config::{BlockingOnFailover, OnUncertain, PubsubOnFailover};
use crate::resp::questions::DISCARD;
use crate::resp::{Class, replies};

use super::backlog::Item;
use super::case::{Case, entry, is_blind};
use super::ending::Phase;
use super::intake::Intake;
use super::labels::ClientEnd;
use super::link::{Link, Wreck};
use super::recovery::{Before, Entry, Fate, Progress, plan};
use super::session::{Route, Session};
use super::slot::Kind;
use super::waiting::nobody;

/// Commands without a reply whose bytes are not kept, beyond which their client is closed: each would
/// get an answer of about 110 bytes.
const UNKNOWN_MAX: u64 = 64 * 1024;

/// Why a link is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// It broke, or the node refused what a primary would do. Whether that node is still the
    /// primary has to be looked into before anything is sent to it again.
    Fault,
    /// A newer primary is about to be published.
    Switch,
    /// Nothing may be sent for longer than commands are held.
    Outage,
}

impl Session {
    /// Goes on without `link`, which is ended here.
    pub(super) fn lose_link(self: &Rc<Self>, link: &Link, loss: Loss) {
        let unknown = link.unkept();
        let flooded = unknown > UNKNOWN_MAX;
        if flooded {
            self.worker.counters.uncertain.add(unknown);
            link.end();
        }
        let wreck = link.wreck();
        self.bereave(Wreck { flooded, ..wreck }, loss);
    }

    /// Goes on without the link that left `wreck` behind.
    pub(super) fn bereave(self: &Rc<Self>, wreck: Wreck, loss: Loss) {
        self.leave_shared();
        let ending = matches!(self.phase.get(), Phase::Closing | Phase::Ended);
        let mut state = self.state.borrow_mut();
        let blind = state.is_unknown() || wreck.cases.iter().any(is_blind);
        if wreck.muting {
            state.skip_again();
        }
        drop(state);
        // Inside a frame no error can be told, nor a flood of them to one who did not read; who sends no more is not kept waiting; and nobody
        // goes on as another user or in another database.
        if wreck.in_delivery || blind || wreck.flooded || self.phase.get() != Phase::Open {
            self.note_end(ClientEnd::Upstream);
            return if ending {
                self.wake()
            } else {
                self.close_after_flush()
            };
        }
        if loss == Loss::Fault {
            self.note_trouble(|trouble| trouble.lost_at = Some(Instant::now()));
            // The node may have been started anew, and be back before anybody else notices.
            self.worker.scripts.doubt();
        }
        self.sort(wreck.cases);
        let resumes = self.worker.config.pubsub_on_failover == PubsubOnFailover::Resume;
        if loss == Loss::Switch && !resumes && self.state.borrow().is_subscribed() {
            self.note_end(ClientEnd::Upstream);
            return self.close_after_flush();
        }
        self.wake();
    }

    /// Decides about what was in flight.
    fn sort(self: &Rc<Self>, mut cases: Vec<Case>) {
        let mut intake = self.intake.borrow_mut();
        intake.blocked = false;
        intake.awaits_pop = false;
        intake.awaits_multi = false;
        intake.run_left = 0;
        if intake.is_streaming() {
            if let Some(last) = cases.last_mut() {
                last.progress = Progress::Partly;
            }
            intake.abandon_stream();
        }
        // What an earlier loss left is decided about together with this: a transaction may have been
        // sent again in part.
        let earlier = self.backlog.borrow_mut().take();
        cases.extend(earlier.into_iter().map(Case::unsent));
        intake.charge(&self.worker.held_bytes.commands, 0);
        self.drop_excess(&mut cases);
        let hole = std::mem::take(&mut intake.holed).then_some(HOLE);
        let topology = self.worker.topology();
        let entries = cases.iter().map(|case| entry(case, &topology.commands));
        let entries: Vec<_> = entries.chain(hole).collect();
        let before = self.before();
        let plan = plan(&before, &entries);
        #[cfg(test)]
        let plan = super::spoiling::spoiled(plan);
        let mut state = self.state.borrow_mut();
        state.watching = false;
        if !plan.replay {
            state.transaction = None;
        }
        drop(state);
        intake.watch_lost |= plan.watch_lost;
        // The one the client is still sending; an earlier one may go on all the same.
        intake.hopeless |= plan.aborted && intake.in_multi;
        let resp3 = self.state.borrow().resp3;
        let items = cases
            .into_iter()
            .zip(plan.fates)
            .filter_map(|(case, fate)| self.item(case, fate, resp3));
        let items = up_to_end(&mut intake, items.collect());
        #[cfg(test)]
        let items = super::spoiling::reordered(items);
        self.backlog.borrow_mut().put(items);
        self.weigh(&mut intake);
        drop(intake);
        self.tell_at_once();
    }

    fn before(&self) -> Before {
        let state = self.state.borrow();
        let transaction = state.transaction.as_ref();
        Before {
            in_transaction: transaction.is_some(),
            replayable: transaction.is_some_and(|it| it.is_replayable()),
            watching: state.watching,
            multi_granted: state.multi_granted,
            resume_blocking: self.worker.config.blocking_on_failover == BlockingOnFailover::Resume,
        }
    }

    /// What is told of a command that may or may not have been executed.
    fn uncertain(&self) -> Option<Item> {
        self.worker.counters.uncertain.add(1);
        Some(match self.worker.config.on_uncertain {
            OnUncertain::Reply => Item::Answer(replies::UNCERTAIN.into()),
            OnUncertain::Close => {
                self.note_end(ClientEnd::Upstream);
                Item::End
            }
        })
    }

    /// What the fate of a command makes of it.
    fn item(&self, case: Case, fate: Fate, resp3: bool) -> Option<Item> {
        let counters = &self.worker.counters;
        let answer = |reply: &[u8]| Some(Item::Answer(reply.into()));
        match fate {
            Fate::Resend if case.kind != Kind::LostWatch => {
                counters.resent.add(1);
                let reason = match case.progress {
                    Progress::Whole => &counters.resent_reads,
                    _ => &counters.resent_unsent,
                };
                reason.add(1);
                let maybe_executed = case.maybe_executed || case.progress == Progress::Whole;
                Some(Item::Command {
                    kind: case.kind,
                    frame: case.frame?,
                    maybe_executed,
                    apart: false,
                })
            }
            Fate::Resend | Fate::Nil => Some(Item::Command {
                kind: Kind::LostWatch,
                frame: DISCARD.into(),
                maybe_executed: false,
                apart: false,
            }),
            // It was not executed now; before, it may have been.
            Fate::NotExecuted if case.maybe_executed => self.uncertain(),
            Fate::Uncertain => self.uncertain(),
            Fate::NotExecuted => {
                counters.refused.add(1);
                let waited = self.worker.outage_so_far();
                answer(&self.worker.masterdown(waited))
            }
            Fate::Begun if case.kind == Kind::LostWatch => answer(replies::nil(resp3)),
            Fate::Begun => answer(replies::OK),
            Fate::Queued => answer(replies::QUEUED),
            Fate::Aborted => answer(replies::ABORTED),
            Fate::Zero => answer(nobody(case.frame.as_deref().unwrap_or_default())),
            Fate::Pass => match (case.kind, case.reply) {
                (Kind::Local(reply), _) | (_, Some(reply)) => Some(Item::Answer(reply)),
                (Kind::Close, None) => Some(Item::End),
                // A nil of the version in use is as good as anything for what cannot occur.
                (_, None) => answer(replies::nil(resp3)),
            },
            Fate::Drop => None,
        }
    }
}

/// Who is closed hears of nothing that comes after, and nothing of that is sent.
fn up_to_end(intake: &mut Intake, mut items: VecDeque<Item>) -> VecDeque<Item> {
    if let Some(end) = items.iter().position(|item| matches!(item, Item::End)) {
        items.truncate(end + 1);
        intake.done = true;
    }
    items
}

impl Session {
    /// The transaction the client is sending will not be executed.
    pub(super) fn give_up_transaction(&self, intake: &mut Intake) {
        intake.hopeless = true;
        self.drop_transaction(intake);
    }

    /// What is open on the link, or was to be opened on the next, will not be executed.
    pub(super) fn drop_transaction(&self, intake: &mut Intake) {
        let mut state = self.state.borrow_mut();
        match &*self.route.borrow() {
            // Which one is open there, its replies have yet to tell.
            Route::Attached(link) if state.transaction.is_some() || link.slots() > 0 => {
                intake.holed = true;
                intake.blocked = true;
                self.wake();
            }
            _ => state.transaction = None,
        }
    }
}

/// Stands for the part of a transaction that was refused and so is missing.
const HOLE: Entry = Entry::Command {
    class: Class::Effect,
    progress: Progress::Partly,
    kept: false,
};

impl Intake {
    /// The rest of the frame at hand has nowhere to go; its beginning is answered for.
    fn abandon_stream(&mut self) {
        self.streaming = super::intake::Streaming::Nowhere;
    }
}
