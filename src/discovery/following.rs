//! Following a failover of the present primary from its first sign: stop the writes, watch who is
//! promoted, and say how it ended. What the signs mean is decided in `underway`; the switch itself and
//! the way back are `steering`'s.

use tokio::time::Instant;

use super::earshot;
use super::election::{Claim, Says};
use super::event::{Event, Kind};
use super::handover::Departure;
use super::signal::Reading;
use super::steering::Basis;
use super::task::{Discovery, EAGER};
use super::watch::Pace;
use super::watches::WATCHES_MAX;
use crate::config::SwitchOn;
use crate::net::HostPort;
use crate::topology::Gate;

impl Discovery {
    /// A Sentinel published something about our primary name.
    pub(super) fn heard_event(&mut self, from: &HostPort, event: &Event) {
        // It may be gone since.
        if self.roster.get_mut(from).is_none() {
            return;
        }
        self.counts.note_event(event);
        let channel = event.channel;
        tracing::debug!(event = "sentinel_event", sentinel = %from, channel, "heard");
        let now = Instant::now();
        self.underway.event(from, event, self.millis(now));
        self.eager_until = now + EAGER;
        if event.kind == Kind::Aborted && self.publisher.load().gate != Gate::Open {
            tracing::info!(event = "failover_aborted", sentinel = %from, channel, "it was given up");
            // Only what is sent from now on tells whether anything else is under way.
            let after_gap = self.inquiry.as_ref().is_some_and(|one| one.after_gap);
            self.inquire(now, after_gap);
        } else {
            self.roster.nudge();
        }
    }

    /// A look at a node that is not our primary came back.
    pub(super) fn other_node(&mut self, reading: Reading) {
        let (now, asked) = (Instant::now(), self.millis(reading.sent));
        let Reading { address, says, .. } = &reading;
        if self.sought(now).contains(address) && self.hunts(now) {
            self.underway.role(address, *says, asked);
        }
        if self.election.current().is_some() {
            let promoted = self.handover.other(address, *says, reading.offset, asked);
            let shown = promoted && !self.underway.is_leftover(address);
            if shown && self.publisher.load().gate != Gate::Open {
                tracing::info!(
                    event = "promotion_seen",
                    node = %address,
                    not_open_ms = self.not_open_ms(now),
                    "a replica says that it is a primary now"
                );
            }
        }
        let pending = self.pending.as_ref().map(|claim| &claim.address);
        if pending.is_none_or(|pending| pending == address) {
            self.candidate = Some(reading);
        }
    }

    /// Lets the gate follow the signs of a failover: quiescing with the first, shut with the
    /// promotion, and with `--switch-on promoted`, where a choice may be made now, open at the new
    /// primary.
    pub(super) async fn follow_failover(&mut self, now: Instant, may_choose: bool) {
        let Some(ours) = self.election.current().cloned() else {
            return;
        };
        if self.underway.may_have_ended() {
            self.underway.settle(&self.roster.replicas());
        }
        let at = self.millis(now);
        if let Some(promoted) = self.underway.promoted(&ours.address, at).cloned() {
            self.shut(&format!(
                "a Sentinel to name {promoted}, which was promoted"
            ));
            let chosen = self.underway.is_selected(&promoted, &ours.address, at);
            if self.config.switch_on == SwitchOn::Promoted && may_choose && chosen {
                let claim = Claim {
                    address: promoted,
                    epoch: ours.epoch,
                };
                self.switch(claim, true, Basis::Promoted).await;
            }
            return;
        }
        let sign = self.underway.begun(&ours.address, at);
        if let Some((sentinel, cause)) = sign.map(|(from, cause)| (from.clone(), cause)) {
            self.stop_writes(&ours.address, &sentinel, cause, now);
        }
    }

    /// A failover of `ours` has begun: whatever the gate's state, no write may be let through.
    fn stop_writes(&mut self, ours: &HostPort, sentinel: &HostPort, cause: &str, now: Instant) {
        let at = self.millis(now);
        let may_not_ask = self.primary.says == Some(Says::MayNotAsk);
        match self.publisher.load().gate {
            Gate::Open | Gate::Restoring => self.quiesce(sentinel, cause, now),
            // The promotion cannot be seen: what is acknowledged after its order may be lost.
            Gate::Quiescing if may_not_ask && self.underway.is_ordered(ours, at) => {
                self.shut("a Sentinel to name the replica that is being promoted");
            }
            Gate::Quiescing => {}
            Gate::Shut => self.handover.quiesced(at),
        }
    }

    /// Has nothing but reads sent to the primary, which is about to be replaced.
    fn quiesce(&mut self, sentinel: &HostPort, cause: &str, now: Instant) {
        self.handover.quiesced(self.millis(now));
        let reason = format!("the failover that {sentinel} leads ({cause})");
        if self.inquiry.is_some() {
            // Whether it still is the primary is in doubt already.
            return self.shut(&reason);
        }
        self.publisher.quiesce();
        self.waiting_for = Some(reason);
        tracing::info!(event = "quiescing", %sentinel, cause, "a failover has begun: writes are held");
    }

    /// Whether the first choice has to wait: `claim` may be what a failover is about to end.
    pub(super) fn too_early(&self, claim: &Claim, now: Instant) -> bool {
        if self.election.current().is_some() {
            return false;
        }
        let at = self.millis(now);
        let missing = self.election.fresh_count(at) < self.roster.known(now);
        let since = self.underway.since().unwrap_or_default();
        let longest = self.publisher.load().hold_timeout;
        (missing && !self.election.has_waited_for_all(at))
            || !self.underway.may_open(&claim.address, since, at, longest)
    }

    /// Whether the replicas are asked for their roles: somebody may be promoted.
    fn hunts(&self, now: Instant) -> bool {
        let at = self.millis(now);
        match self.election.current() {
            Some(ours) => {
                self.publisher.load().gate != Gate::Open
                    || self.underway.is_likely(&ours.address, at)
            }
            None => self.underway.since().is_some(),
        }
    }

    /// Whoever may be about to become the primary, the likeliest first.
    fn sought(&self, now: Instant) -> Vec<HostPort> {
        let at = self.millis(now);
        let mut sought = self.election.candidates(at);
        if self.hunts(now) {
            sought.extend(self.underway.selected(at).cloned());
            sought.extend(self.roster.replicas().into_iter().cloned());
        }
        sought
    }

    /// Watches the primary, whoever may become it, and what may be another spelling of it.
    pub(super) fn watch_nodes(&mut self, now: Instant) {
        let at = self.millis(now);
        let current = self.election.current().cloned();
        let epoch = current.as_ref().map_or(0, |claim| claim.epoch);
        let current = current.map(|claim| claim.address);
        let mut wanted: Vec<_> = current.iter().cloned().collect();
        let named = self.roster.spelled(epoch, now).cloned();
        for address in self.sought(now).into_iter().chain(named) {
            if wanted.len() < WATCHES_MAX && !wanted.contains(&address) {
                wanted.push(address);
            }
        }
        let candidates = self.election.candidates(at);
        self.watches.retain(&wanted);
        let begun = |ours: &HostPort| self.underway.is_likely(ours, at);
        let urgent = current.as_ref().is_none_or(begun);
        for address in wanted
            .iter()
            .filter(|address| Some(*address) != current.as_ref())
        {
            let hunted = urgent || candidates.contains(address);
            let pace = if hunted { Pace::Hunt } else { Pace::Steady };
            self.watches.set(address, pace);
        }
    }

    /// How long the gate has not been open.
    pub(super) fn not_open_ms(&self, now: Instant) -> u64 {
        let topology = self.publisher.load();
        let since = match topology.gate {
            Gate::Open => now,
            Gate::Quiescing | Gate::Restoring | Gate::Shut => topology.gate_since,
        };
        let passed = now.saturating_duration_since(since).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    /// Counts how `old` was left for `new`, and says what that cost.
    pub(super) fn account(&mut self, old: &HostPort, new: &HostPort) -> Departure {
        let handover = std::mem::take(&mut self.handover);
        let departure = handover.departure(new);
        if departure == Departure::Crash {
            self.failovers.crash += 1;
            return departure;
        }
        self.failovers.planned += 1;
        if departure != Departure::Quiesced {
            self.failovers.could_not_quiesce += 1;
            let because = self.why_unprepared(departure, handover.is_quiesced());
            tracing::warn!(
                event = "could_not_quiesce", %old, %new,
                "could not quiesce because {because}: writes acknowledged by the old primary after \
                 the promotion are lost"
            );
        }
        // Where nobody ever named the old one, the new one never followed it: nothing to compare.
        let lacks = handover.lacks(new).filter(|_| !self.election.is_unnamed());
        if let Some(bytes) = lacks.filter(|bytes| *bytes > 0) {
            self.failovers.lost_bytes += bytes;
            tracing::warn!(
                event = "acknowledged_writes_lost", %old, %new, bytes,
                "the promoted replica had not received all that the old primary had executed"
            );
        }
        departure
    }

    fn why_unprepared(&self, departure: Departure, late: bool) -> String {
        if departure == Departure::Asleep {
            return "this process was paused when it began".to_owned();
        }
        if self.election.is_unnamed() {
            return "no Sentinel ever named it: the one that had it promoted has failed".to_owned();
        }
        if late {
            return "its first sign came when the replica was promoted already".to_owned();
        }
        let (subscribed, known) = (self.subscribed(), self.roster.known(Instant::now()));
        match subscribed < known {
            true => format!(
                "no Sentinel told of it before the promotion: {}",
                earshot::summary(subscribed, known)
            ),
            false => "no Sentinel told of it before the promotion".to_owned(),
        }
    }

    /// The gate was opened in place: whatever was under way has come to nothing.
    pub(super) fn failover_over(&mut self, now: Instant) {
        let at = self.millis(now);
        let ours = self.election.current().map(|claim| &claim.address);
        if let Some(ours) = ours.filter(|ours| self.underway.is_likely(ours, at)) {
            let promoted = self.underway.promoted(ours, at);
            tracing::warn!(
                event = "failover_given_up",
                promoted = promoted.map(tracing::field::display),
                "a failover came to no end within the hold time; should it still do so, writes \
                 acknowledged from now on may be lost"
            );
            self.underway.give_up();
        }
        let handover = std::mem::take(&mut self.handover);
        self.failovers.aborted += u64::from(handover.is_quiesced());
    }

    /// The primary answered; its offset is what a promoted replica must have.
    pub(super) fn note_offset(&mut self, reading: &Reading, now: Instant) {
        if let (Says::Master, Some(offset)) = (reading.says, reading.offset) {
            let at = self.millis(now);
            self.handover.told(offset, at);
            if let Some(outlook) = &self.outlook {
                let told = (reading.address.clone(), reading.sent, offset);
                outlook.send_modify(|outlook| outlook.offset = Some(told));
            }
        }
    }
}
