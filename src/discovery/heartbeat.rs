//! What the primary's own answers do: keep the lease, shut the gate, open it in place. Whether a node
//! that answers may be believed is asked of the inquiry, the election and the signs of a failover.

use std::time::Duration;

use tokio::time::Instant;

use super::election::{Decision, Says};
use super::signal::Reading;
use super::task::Discovery;
use crate::topology::{Gate, LEASE};

/// A failover without an end is given up this long before what is held fails: a look around takes
/// its time as well.
const GIVE_UP_EARLY: Duration = Duration::from_millis(1_500);

impl Discovery {
    /// A look at the current primary came back.
    pub(super) fn heartbeat(&mut self, reading: Reading) {
        self.notice_restart(&reading);
        self.note_offset(&reading, Instant::now());
        if reading.error != self.primary.error {
            if let Some(error) = &reading.error {
                tracing::warn!(event = "primary_unclear", primary = %reading.address, error, "heartbeat");
            }
            self.primary.error.clone_from(&reading.error);
        }
        self.primary.says = Some(reading.says);
        match reading.says {
            Says::Replica => self.bad(&reading, "says that it is no primary"),
            Says::Nothing => {
                self.handover.failed();
                let why = reading.error.as_deref().unwrap_or("does not answer");
                self.bad(&reading, why);
            }
            Says::Master | Says::MayNotAsk | Says::Alive => self.good(&reading),
        }
    }

    fn bad(&mut self, reading: &Reading, why: &str) {
        self.inquiry = None;
        let address = &reading.address;
        self.shut(&format!("the primary at {address}: {why}"));
    }

    fn good(&mut self, reading: &Reading) {
        let now = Instant::now();
        let gate = self.publisher.load().gate;
        let open = gate == Gate::Open;
        if gate == Gate::Quiescing {
            // Reads go on, and replies are delivered, until another is promoted.
            self.publisher.renew(reading.sent + LEASE);
        }
        let Some(inquiry) = &mut self.inquiry else {
            if open {
                self.publisher.renew(reading.sent + LEASE);
                self.tally = self.publisher.tally();
            } else {
                // It is back. Before it is believed, the Sentinels are asked.
                self.inquire(now, false);
            }
            return;
        };
        inquiry.observe(self.roster.round(inquiry.since()), now);
        // Alive without a role is enough to go on, not to begin again.
        let tells = open || reading.says != Says::Alive;
        if !tells || !inquiry.believes(reading.sent) || !self.may_trust(now) {
            return;
        }
        self.inquiry = None;
        if open {
            self.publisher.renew(reading.sent + LEASE);
            tracing::info!(event = "lease_renewed", primary = %reading.address, "still the primary");
        } else {
            let not_open_ms = self.not_open_ms(now);
            self.publisher.open_in_place(reading.sent + LEASE);
            self.waiting_for = None;
            self.failover_over(now);
            tracing::info!(event = "gate_opened", primary = %reading.address, not_open_ms, "the primary stays");
        }
    }

    /// Whether the Sentinels' newest answers let the present primary go on after a doubt.
    fn may_trust(&self, now: Instant) -> bool {
        let topology = self.publisher.load();
        let doubted = match (topology.gate, &self.inquiry) {
            (Gate::Open, Some(inquiry)) => inquiry.since(),
            _ => topology.gate_since,
        };
        let longest = topology.hold_timeout.saturating_sub(GIVE_UP_EARLY);
        let at = self.millis(now);
        match self.election.decide(at, self.roster.known(now)) {
            Decision::Switch { .. }
            | Decision::Verify {
                by_majority: true, ..
            } => return false,
            // One Sentinel names another node that does not act as primary: not for ever.
            Decision::Verify { .. } if now.saturating_duration_since(doubted) < longest => {
                return false;
            }
            _ => {}
        }
        let Some(ours) = self.election.current().map(|claim| &claim.address) else {
            return false;
        };
        let doubted = self.millis(doubted);
        !self.must_fence(now) && self.underway.may_open(ours, doubted, at, longest)
    }
}
