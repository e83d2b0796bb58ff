//! What one Sentinel showed of failovers, each sign kept with the primary it concerns.

use super::STEP_MEMORY;
use crate::discovery::election::{FRESH, Millis};
use crate::discovery::message::Trouble;
use crate::net::HostPort;

/// One sign of a failover.
#[derive(Debug, Clone)]
pub(super) struct Sign {
    pub(super) at: Millis,
    /// The primary it concerns, as far as it was told.
    pub(super) about: Option<HostPort>,
    /// The channel or flag, for the log.
    pub(super) what: &'static str,
}

impl Sign {
    pub(super) fn concerns(&self, ours: &HostPort) -> bool {
        self.about.as_ref().is_none_or(|about| about == ours)
    }
}

/// What one Sentinel showed of a failover.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The last step heard of, with no end since.
    pub(super) step: Option<Sign>,
    /// It was decided: another node is named in place of the primary concerned.
    pub(super) decided: Option<Sign>,
    /// When a poll last showed a failover or an objectively down primary, with no better since.
    pub(super) trouble: Option<(Sign, Trouble)>,
    /// The last of both, an abort having explained none since.
    pub(super) sign: Option<Sign>,
    pub(super) aborted: Option<Millis>,
    /// The replica it chose, and when and in place of whom.
    pub(super) selected: Option<(Sign, HostPort)>,
    /// Which Sentinel's polls show that it leads a failover, and of whom.
    pub(super) flagged: Option<(String, HostPort)>,
    /// Since when that Sentinel's polls have shown so no more, although they name the same primary.
    pub(super) ended: Option<Millis>,
}

impl Shown {
    /// Takes note of the failover flag in a poll sent at `at`. The one who leads a failover shows it
    /// from before the first step is published to the abort; when it is gone and the address is the
    /// old one, there was an abort, or the Sentinel was restarted and has forgotten. Whoever merely
    /// answers at the same address (several Sentinels behind one) has another run id and proves
    /// nothing.
    pub(super) fn note_flag(
        &mut self,
        run_id: &str,
        trouble: Trouble,
        about: Option<&HostPort>,
        at: Millis,
    ) {
        if trouble == Trouble::Failover {
            self.ended = None;
            self.flagged = about.map(|about| (run_id.to_owned(), about.clone()));
            return;
        }
        let asked_after = self.step.as_ref().is_some_and(|step| at > step.at);
        let same = |flagged: &(String, HostPort)| flagged.0 == run_id && Some(&flagged.1) == about;
        if asked_after && self.flagged.take_if(|flagged| same(flagged)).is_some() {
            self.ended = Some(at);
        }
    }

    /// Forgets what does not concern `ours`.
    pub(super) fn keep_about(&mut self, ours: &HostPort) {
        let other = |sign: &mut Sign| sign.about.as_ref() != Some(ours);
        self.step.take_if(|sign| other(sign));
        self.decided.take_if(|sign| other(sign));
        self.trouble.take_if(|(sign, _)| other(sign));
        self.sign.take_if(|sign| other(sign));
        self.selected.take_if(|(sign, _)| other(sign));
        self.flagged.take_if(|(_, about)| about != ours);
        self.ended = None;
    }

    /// The replica it chose in a failover that may still go on at `now`, and what is known of that.
    pub(super) fn chosen(&self, now: Millis) -> Option<&(Sign, HostPort)> {
        let age = |sign: &Sign| now.saturating_sub(sign.at);
        let goes_on = self
            .trouble
            .as_ref()
            .is_some_and(|(sign, trouble)| *trouble == Trouble::Failover && age(sign) <= FRESH);
        let chosen = self.selected.as_ref();
        chosen.filter(|(sign, _)| goes_on || age(sign) <= STEP_MEMORY)
    }
}

/// `sign`, if it concerns `ours` and is at most `memory` old.
pub(super) fn fresh<'a>(
    sign: Option<&'a Sign>,
    ours: &HostPort,
    now: Millis,
    memory: Millis,
) -> Option<&'a Sign> {
    sign.filter(|sign| sign.concerns(ours) && now.saturating_sub(sign.at) <= memory)
}
