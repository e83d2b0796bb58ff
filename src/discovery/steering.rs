//! What follows from what is known: verify, switch, shut. The decisions that need more than a line are
//! made by the pure parts; here they are carried out. Renewing and opening in place are `heartbeat`'s.

use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::Switch;
use super::election::{Claim, Decision};
use super::handover::{Departure, Handover};
use super::inquiry::Inquiry;
use super::status::SWITCHES_MAX;
use super::task::{Discovery, PrimaryMemory};
use super::watch::Pace;
use crate::config::OnSentinelLoss;
use crate::net::HostPort;
use crate::topology::{Gate, LEASE, Primary};

/// A loop that ran later than this did not run when it should have: it has a heartbeat to see to
/// every 500 ms.
const GAP: Duration = Duration::from_millis(700);
/// How long no Sentinel may name a primary before `--on-sentinel-loss fence` shuts the gate.
pub(super) const FENCE_AFTER: Duration = Duration::from_secs(30);

/// Why a node is made the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// A Sentinel names it.
    Named,
    /// A Sentinel chose it and it was promoted (`--switch-on promoted`).
    Promoted,
}

impl Discovery {
    /// Before any news is taken: did this process run all the time? If not, whatever is in the
    /// socket buffers may be old, and a living old primary must not be renewed by it.
    pub(super) fn notice_gap(&mut self) {
        let now = Instant::now();
        let gap = now.saturating_duration_since(self.last_step) > GAP;
        let lapsed = self.publisher.lease_expired();
        if self.election.current().is_none() {
            return;
        }
        let begins = gap || (lapsed && self.inquiry.is_none());
        if lapsed || (gap && self.publisher.load().gate == Gate::Quiescing) {
            self.handover.slept();
            // The workers hold already; from here on the snapshot says so too. During an inquiry as
            // well: what is held and what is doubted are both bounded from when the gate was shut.
            self.shut("a fresh look around: no heartbeat came in time, or the process was paused");
        }
        if begins {
            self.inquire(now, true);
        }
    }

    pub(super) fn inquire(&mut self, now: Instant, after_gap: bool) {
        self.inquiry = Some(Inquiry::begin(now, after_gap));
        self.roster.nudge();
    }

    /// Acts on what is known now.
    pub(super) async fn steer(&mut self) {
        let now = Instant::now();
        if let Some(inquiry) = &mut self.inquiry {
            inquiry.observe(self.roster.round(inquiry.since()), now);
            if inquiry.is_stale(now) {
                self.inquire(now, false);
            }
        }
        let blind = |inquiry: &Inquiry| inquiry.after_gap && !inquiry.is_concluded();
        let may_choose = !self.inquiry.as_ref().is_some_and(blind);
        if may_choose {
            self.decide(now).await;
        }
        self.follow_failover(Instant::now(), may_choose).await;
        self.watch_nodes(Instant::now());
        self.fence(now);
        self.set_paces(Instant::now());
    }

    async fn decide(&mut self, now: Instant) {
        let known = self.roster.known(now);
        let decision = self.election.decide(self.millis(now), known);
        let conflict = match &decision {
            Decision::Conflict(addresses) => addresses.clone(),
            _ => Vec::new(),
        };
        self.note_conflict(conflict, now);
        self.pending = None;
        match decision {
            Decision::Switch {
                claim,
                role_verified,
            } => match self.too_early(&claim, now) {
                true => self.pending = Some(claim),
                false => self.switch(claim, role_verified, Basis::Named).await,
            },
            Decision::Verify { claim, by_majority } => {
                if by_majority {
                    let address = &claim.address;
                    self.shut(&format!(
                        "{address}, the newest primary named, to act as one"
                    ));
                }
                self.pending = Some(claim);
            }
            Decision::Learn(epoch) => {
                tracing::info!(
                    event = "epoch_learned",
                    epoch,
                    "the same primary at another epoch"
                );
                self.election.learned(epoch);
                self.publisher.set_epoch(epoch);
            }
            Decision::Wait | Decision::Stay | Decision::Degraded | Decision::Conflict(_) => {}
        }
    }

    /// Makes `claim` the primary of a new generation.
    pub(super) async fn switch(&mut self, claim: Claim, role_verified: bool, basis: Basis) {
        let not_open_ms = self.not_open_ms(Instant::now());
        let old = self.election.current().cloned();
        let sent = self.watches.last_look(&claim.address);
        let primary = Primary {
            address: claim.address.clone(),
            epoch: claim.epoch,
            role_verified,
            knows_capa: self.watches.knows_capa(&claim.address),
        };
        let lease_until = sent.unwrap_or_else(Instant::now) + LEASE;
        let confirmed = self.publisher.switch(primary, lease_until).await;
        let not_open_ms = not_open_ms.saturating_add(millis(confirmed));
        let done = self.publisher.tally().since(self.tally);
        let former = old.map(|old| old.address);
        let departure = former.as_ref().map(|old| self.account(old, &claim.address));
        let source = match basis {
            Basis::Named => self.source(&claim),
            Basis::Promoted => "its own role".to_owned(),
        };
        if former.is_some() {
            self.counts
                .note_failover(Duration::from_millis(not_open_ms));
        }
        self.remember(Switch {
            at: Instant::now(),
            from: former.as_ref().map(ToString::to_string),
            to: claim.address.to_string(),
            epoch: claim.epoch,
            source,
            role_verified,
            departure: departure.map(Departure::name),
            links_closed: done.links_closed,
            held: done.held,
            resent: done.resent,
            uncertain: done.uncertain,
            not_open_ms,
            confirmed_ms: millis(confirmed),
        });
        self.begin_anew(claim, former, basis);
    }

    /// Says what was done, now and to whoever asks later.
    fn remember(&mut self, switch: Switch) {
        tracing::info!(
            event = "primary_changed",
            old = switch.from,
            new = switch.to,
            epoch = switch.epoch,
            source = switch.source,
            role_verified = switch.role_verified,
            links_closed = switch.links_closed,
            held = switch.held,
            resent = switch.resent,
            uncertain = switch.uncertain,
            departure = switch.departure,
            not_open_ms = switch.not_open_ms,
            confirmed_ms = switch.confirmed_ms,
            "this is the primary now"
        );
        let earlier = self.last_switches.iter().take(SWITCHES_MAX - 1);
        self.last_switches = std::iter::once(&switch).chain(earlier).cloned().collect();
    }

    /// Nothing that was known of the `former` primary holds for the one just published.
    fn begin_anew(&mut self, claim: Claim, former: Option<HostPort>, basis: Basis) {
        self.switches += u64::from(former.is_some());
        self.primary = PrimaryMemory {
            restarts: self.primary.restarts,
            ..PrimaryMemory::default()
        };
        self.handover = Handover::default();
        self.underway.concluded(former, &claim.address);
        match basis {
            Basis::Named => self.election.switched(claim),
            Basis::Promoted => self.election.promoted(&claim.address),
        }
        self.pending = None;
        self.inquiry = None;
        self.waiting_for = None;
        self.learn_commands();
        // Waiting for the workers was our own doing, not a gap.
        self.last_step = Instant::now();
    }

    /// The Sentinels that name this primary.
    fn source(&self, claim: &Claim) -> String {
        let named_by = |(address, member): (&HostPort, &super::roster::Member)| {
            (member.claim.as_ref() == Some(claim)).then(|| address.to_string())
        };
        let names: Vec<_> = self.roster.iter().filter_map(named_by).collect();
        names.join(",")
    }

    /// Shuts the gate of the current generation, if it is open. `reason` says what is waited for.
    pub(super) fn shut(&mut self, reason: &str) {
        let topology = self.publisher.load();
        if topology.primary.is_none() {
            return;
        }
        if self.waiting_for.as_deref() != Some(reason) {
            self.waiting_for = Some(reason.to_owned());
        }
        if topology.gate == Gate::Shut {
            return;
        }
        tracing::info!(event = "gate_shut", reason, "commands are held");
        // Shut at the first poll. Nothing hangs on the workers' confirmation here: a switch waits
        // for it anyway, and to open in place needs none.
        let mut shutting = std::pin::pin!(self.publisher.shut());
        let mut context = Context::from_waker(Waker::noop());
        let _ = shutting.as_mut().poll(&mut context);
    }

    pub(super) fn must_fence(&self, now: Instant) -> bool {
        self.config.on_sentinel_loss == OnSentinelLoss::Fence
            && now.saturating_duration_since(self.last_named) > FENCE_AFTER
    }

    fn fence(&mut self, now: Instant) {
        if self.must_fence(now) {
            self.inquiry = None;
            self.shut("a Sentinel (none has answered for 30 s, and --on-sentinel-loss is fence)");
        }
    }

    fn set_paces(&mut self, now: Instant) {
        let gate = self.publisher.load().gate;
        let waiting = gate != Gate::Open || self.inquiry.is_some();
        let fast = waiting || self.pending.is_some() || now < self.eager_until;
        self.roster.set_fast(fast);
        if let Some(claim) = self.election.current() {
            let pace = match (gate, waiting) {
                // Its last offset before the promotion matters, and an abort is answered at once.
                (Gate::Quiescing, _) => Pace::Hunt,
                (_, true) => Pace::Close,
                (_, false) => Pace::Steady,
            };
            self.watches.set(&claim.address, pace);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
