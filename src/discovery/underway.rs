//! Whether a failover of our primary may be under way: then writes to it are lost, or will be, and
//! a primary that says it is one must not be believed at once. Pure: events, poll flags, roles and a
//! plain time in, an opinion out.
//!
//! Every sign is kept with the primary it concerns: the Sentinel that led a failover goes on telling
//! of it, under the old primary's address, for a second after its outcome was published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::election::{FRESH, Millis, Says};
use super::event::{Event, Kind};
use super::message::Trouble;
use crate::net::HostPort;
#[cfg(test)]
use crate::simulation::{Bug, planted};

mod candidates;
mod settling;
mod shown;

use shown::{Shown, Sign, fresh};

/// How long a step counts whose end was never heard of.
const STEP_MEMORY: Millis = 10_000;
/// The least wait once a failover may be under way and no abort of it was heard.
const WAIT_MIN: Millis = 3_000;
/// Nodes remembered for saying that they are primaries, and as many that are known to.
const MASTERS_MAX: usize = 64;

/// All signs there are.
#[derive(Debug, Default)]
pub(crate) struct Underway {
    shown: BTreeMap<HostPort, Shown>,
    /// Replicas that say they are primaries, and when they last did.
    masters: BTreeMap<HostPort, Millis>,
    /// Nodes that are known to say so without being promoted now: the primaries before ours, which
    /// nobody has told yet, and whoever went on saying so until the wait for it was given up.
    ignored: BTreeSet<HostPort>,
    /// When nodes other than our primary last said that they are replicas.
    followers: BTreeMap<HostPort, Millis>,
    /// When something else last cast doubt on the primary.
    doubt: Option<Millis>,
    /// Since when there have been signs.
    since: Option<Millis>,
    /// The gate was opened in spite of poll flags that stay: they alone do not begin it again.
    given_up: bool,
}

impl Underway {
    /// A Sentinel published something at `now`.
    pub(crate) fn event(&mut self, from: &HostPort, event: &Event, now: Millis) {
        if event.kind == Kind::Hint {
            return;
        }
        let sign = Sign {
            at: now,
            about: event.about.clone(),
            what: event.channel,
        };
        if event.kind == Kind::Step {
            self.count_from(now);
            self.given_up = false;
        }
        let shown = self.shown.entry(from.clone()).or_default();
        match event.kind {
            Kind::Step => {
                shown.ended = None;
                if let Some(candidate) = &event.candidate {
                    shown.selected = Some((sign.clone(), candidate.clone()));
                }
                shown.step = Some(sign.clone());
                shown.sign = Some(sign);
            }
            Kind::Aborted => {
                *shown = Shown {
                    aborted: Some(now),
                    ..Shown::default()
                };
            }
            Kind::Done => {
                shown.step = None;
                shown.decided = Some(sign);
            }
            Kind::Hint => {}
        }
    }

    /// Signs are counted from the first after a time without any.
    fn count_from(&mut self, now: Millis) {
        let signs = self.shown.values().filter_map(|shown| shown.sign.as_ref());
        let last = signs.map(|sign| sign.at).max();
        if last.is_none_or(|last| now.saturating_sub(last) > STEP_MEMORY) {
            self.since = None;
        }
        self.since.get_or_insert(now);
    }

    /// A poll sent at `at`, which `run_id` answered naming `about`, showed that much trouble.
    pub(crate) fn polled(
        &mut self,
        from: &HostPort,
        run_id: &str,
        trouble: Trouble,
        about: Option<&HostPort>,
        at: Millis,
    ) {
        let shown = self.shown.entry(from.clone()).or_default();
        shown.note_flag(run_id, trouble, about, at);
        let what = match trouble {
            Trouble::None => {
                shown.trouble = None;
                return self.calm_down(at);
            }
            Trouble::Down => "o_down",
            Trouble::Failover => "failover_in_progress",
        };
        // Asked before its abort was heard, it tells of what is over.
        if shown.aborted.is_some_and(|aborted| at <= aborted) {
            return;
        }
        self.count_from(at);
        let shown = self.shown.entry(from.clone()).or_default();
        let sign = Sign {
            at,
            about: about.cloned(),
            what,
        };
        shown.sign = Some(sign.clone());
        shown.trouble = Some((sign, trouble));
    }

    /// Flags that were given up and are gone may begin it again when they come back.
    fn calm_down(&mut self, now: Millis) {
        let fresh = |(sign, _): &(Sign, Trouble)| now.saturating_sub(sign.at) <= FRESH;
        let troubles = |shown: &Shown| shown.trouble.as_ref().is_some_and(fresh);
        self.given_up &= self.shown.values().any(troubles);
    }

    /// A node other than our primary, asked at `at`, said what it is.
    pub(crate) fn role(&mut self, address: &HostPort, says: Says, at: Millis) {
        match says {
            Says::Replica => {
                self.masters.remove(address);
                self.ignored.remove(address);
                self.note_follower(address, at);
            }
            Says::Master if !self.ignored.contains(address) => {
                self.followers.remove(address);
                if self.masters.len() < MASTERS_MAX || self.masters.contains_key(address) {
                    self.masters.insert(address.clone(), at);
                }
            }
            // A moment's silence takes nothing back.
            Says::Master | Says::MayNotAsk | Says::Alive | Says::Nothing => {}
        }
    }

    /// This is another spelling of our primary: what it says of itself is no promotion.
    pub(crate) fn is_ours(&mut self, address: &HostPort) {
        self.masters.remove(address);
    }

    /// Whether this node is known to call itself a primary without being promoted now.
    pub(super) fn is_leftover(&self, address: &HostPort) -> bool {
        self.ignored.contains(address)
    }

    /// Something else cast doubt on the primary at `now`.
    pub(crate) fn doubt(&mut self, now: Millis) {
        self.doubt = Some(now);
    }

    /// A Sentinel is no longer asked.
    pub(crate) fn forget(&mut self, from: &HostPort) {
        self.shown.remove(from);
    }

    /// The failover is over for us: `ours`, its result, was published. `former` was the primary
    /// before. What was heard of a failover of `ours` by then is about the next one.
    pub(crate) fn concluded(&mut self, former: Option<HostPort>, ours: &HostPort) {
        let mut shown = std::mem::take(&mut self.shown);
        shown.values_mut().for_each(|shown| shown.keep_about(ours));
        // The first choice has waited for it.
        shown.retain(|_, shown| former.is_some() && shown.sign.is_some());
        let signs = shown.values().filter_map(|shown| shown.sign.as_ref());
        let mut ignored = std::mem::take(&mut self.ignored);
        ignored.remove(ours);
        *self = Self {
            since: signs.map(|sign| sign.at).min(),
            shown,
            ignored,
            ..Self::default()
        };
        self.ignore(former);
    }

    fn ignore(&mut self, masters: impl IntoIterator<Item = HostPort>) {
        for address in masters {
            if self.ignored.len() >= MASTERS_MAX {
                self.ignored.pop_first();
            }
            self.ignored.insert(address);
        }
    }

    /// The gate was opened in place although the signs stay: they have had their time.
    pub(crate) fn give_up(&mut self) {
        self.given_up = true;
        for shown in self.shown.values_mut() {
            shown.step = None;
            shown.decided = None;
        }
        let masters = std::mem::take(&mut self.masters);
        self.ignore(masters.into_keys());
        self.since = None;
    }

    /// The sign by which a failover of `ours` has begun: which Sentinel gave it, and what it was.
    pub(crate) fn begun(&self, ours: &HostPort, now: Millis) -> Option<(&HostPort, &'static str)> {
        self.shown.iter().find_map(|(from, shown)| {
            let step = fresh(shown.step.as_ref(), ours, now, STEP_MEMORY);
            let flag = match &shown.trouble {
                Some((sign, Trouble::Failover)) if !self.given_up => {
                    fresh(Some(sign), ours, now, FRESH)
                }
                _ => None,
            };
            Some((from, step.or(flag)?.what))
        })
    }

    /// Whether a failover of `ours` is likely to be under way.
    pub(crate) fn is_likely(&self, ours: &HostPort, now: Millis) -> bool {
        let shows = |shown: &Shown| {
            let trouble = shown.trouble.as_ref().map(|(sign, _)| sign);
            fresh(shown.step.as_ref(), ours, now, STEP_MEMORY).is_some()
                || fresh(shown.decided.as_ref(), ours, now, STEP_MEMORY).is_some()
                || fresh(trouble, ours, now, FRESH).is_some()
        };
        self.shown.values().any(shows) || self.promoted(ours, now).is_some()
    }

    /// Since when there have been signs of any failover.
    pub(crate) fn since(&self) -> Option<Millis> {
        self.since
    }

    /// Whether a gate that is not open since `shut_at` may open in place, for `ours`, at `now`: at
    /// once where nothing is left but aborts, and at the latest after `longest`, because a failover
    /// that comes to nothing must not keep a living primary from serving.
    pub(crate) fn may_open(
        &self,
        ours: &HostPort,
        shut_at: Millis,
        now: Millis,
        longest: Duration,
    ) -> bool {
        #[cfg(test)]
        if planted(Bug::OpensTooEarly) {
            return true;
        }
        let waited = now.saturating_sub(shut_at);
        if self.is_likely(ours, now) {
            return u128::from(waited) >= longest.as_millis().max(u128::from(WAIT_MIN));
        }
        let signs = self.shown.values().filter_map(|shown| shown.sign.as_ref());
        let ours = signs.filter(|sign| sign.concerns(ours)).map(|sign| sign.at);
        let last = ours.chain(self.doubt).max();
        let doubtful = last.is_some_and(|at| at.saturating_add(WAIT_MIN) >= shut_at);
        !doubtful || waited >= WAIT_MIN
    }
}

#[cfg(test)]
mod tests;
