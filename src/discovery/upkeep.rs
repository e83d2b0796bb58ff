//! What discovery does beside choosing: tell what an operator should know, forget what is gone, and
//! follow the Sentinels' down-after.

use std::time::Duration;

use tokio::time::Instant;

use super::signal::Reading;
use super::task::Discovery;
use crate::config::HoldTimeout;
use crate::net::HostPort;

/// A conflict shorter than this is a change that spreads.
const CONFLICT_AFTER: Duration = Duration::from_secs(1);
/// `--hold-timeout auto` = clamp(down-after + margin, least, most).
const HOLD_MARGIN: Duration = Duration::from_secs(10);

impl Discovery {
    /// Tells a primary that was restarted in place, which no failover shows.
    pub(super) fn notice_restart(&mut self, reading: &Reading) {
        let memory = &mut self.primary;
        let went_down = |(new, old)| new < old;
        let other_process = matches!(
            (&reading.run_id, &memory.run_id), (Some(new), Some(old)) if new != old
        );
        if other_process || reading.offset.zip(memory.offset).is_some_and(went_down) {
            memory.restarts += 1;
            tracing::warn!(
                event = "primary_restarted",
                primary = %reading.address,
                old_offset = memory.offset,
                new_offset = reading.offset,
                "the primary was restarted without a failover; its data may be older, or gone"
            );
        }
        if reading.run_id.is_some() {
            memory.run_id.clone_from(&reading.run_id);
        }
        memory.offset = reading.offset.or(memory.offset);
        if other_process {
            self.learn_commands();
        }
    }

    /// Reports a conflict that lasts: while a change spreads there are short ones.
    pub(super) fn note_conflict(&mut self, conflict: Vec<HostPort>, now: Instant) {
        if conflict != self.conflict {
            self.conflict_since = (!conflict.is_empty()).then_some(now);
            self.conflict = conflict;
        }
        let lasting = |since: &mut Instant| now.saturating_duration_since(*since) >= CONFLICT_AFTER;
        if self.conflict_since.take_if(lasting).is_some() {
            let named: Vec<_> = self.conflict.iter().map(ToString::to_string).collect();
            tracing::error!(
                event = "sentinel_conflict",
                named = named.join(","),
                "Sentinels name different primaries at one epoch and none has a majority"
            );
        }
    }

    /// The slow business of each tick: who is lost, who is forgotten, how long to hold.
    pub(super) fn look_after_sentinels(&mut self) {
        let now = Instant::now();
        for gone in self.roster.forget_unlisted(now) {
            self.underway.forget(&gone);
        }
        self.roster.report_lost(now);
        let degraded =
            self.election.current().is_some() && self.election.fresh_count(self.millis(now)) == 0;
        if degraded != self.degraded {
            self.degraded = degraded;
            tracing::warn!(
                event = "degraded",
                degraded,
                "whether no Sentinel names a primary"
            );
        }
        let down_after = self
            .roster
            .reachable(now)
            .filter_map(|member| member.down_after);
        if let (HoldTimeout::Auto, Some(longest)) = (self.config.hold_timeout, down_after.max()) {
            let hold = longest.saturating_add(HOLD_MARGIN);
            self.publisher
                .set_hold_timeout(hold.clamp(HoldTimeout::AUTO.0, HoldTimeout::AUTO.1));
        }
    }
}
