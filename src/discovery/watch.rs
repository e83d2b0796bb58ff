//! Watching one data node: the heartbeat of the primary, and the role of a candidate, each at its own
//! pace. It reports what `probe` sees and decides nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::probe::{Probe, Settings};
use super::signal::Signal;
use crate::net::HostPort;

/// The pace of a quiet heartbeat.
const STEADY_INTERVAL: Duration = Duration::from_millis(500);
/// The pace while the gate waits for it.
const CLOSE_INTERVAL: Duration = Duration::from_millis(100);
/// The pace at which a candidate is asked, at first and after that many times.
const HUNT_INTERVAL: Duration = Duration::from_millis(15);
const HUNT_BURST: u32 = 200;
/// Smallest gap between two looks, however many demands come.
const GAP_MIN: Duration = Duration::from_millis(10);

/// Why and so how often it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// The primary, quietly.
    Steady,
    /// The primary, and the gate waits for it.
    Close,
    /// A candidate.
    Hunt,
}

/// What a watch is told while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) pace: Pace,
    /// Counts demands to look at once.
    pub(super) nudges: u64,
}

/// Watches one address for ever.
pub(super) struct Watch {
    pub(super) id: u64,
    pub(super) address: HostPort,
    pub(super) settings: Arc<Settings>,
    pub(super) beat: watch::Receiver<Beat>,
    pub(super) out: mpsc::Sender<Signal>,
}

impl Watch {
    /// Ends only when nobody listens any more.
    pub(super) async fn run(mut self) {
        let mut probe = Probe::new(self.address.clone(), self.settings.clone());
        let mut looks = 0;
        loop {
            let began = Instant::now();
            if let Some(look) = probe.look().await {
                let reading = look.reading(self.id, &self.address);
                if self.out.send(Signal::Reading(reading)).await.is_err() {
                    return;
                }
            }
            sleep(GAP_MIN).await;
            if self.pause(began, &mut looks).await.is_err() {
                return;
            }
        }
    }

    async fn pause(
        &mut self,
        began: Instant,
        looks: &mut u32,
    ) -> Result<(), watch::error::RecvError> {
        if self.beat.has_changed()? {
            self.beat.borrow_and_update();
            *looks = 0;
            return Ok(());
        }
        *looks = looks.saturating_add(1);
        let wait = match self.beat.borrow_and_update().pace {
            Pace::Steady => STEADY_INTERVAL,
            Pace::Hunt if *looks < HUNT_BURST => HUNT_INTERVAL,
            Pace::Close | Pace::Hunt => CLOSE_INTERVAL,
        };
        tokio::select! {
            biased;
            changed = self.beat.changed() => changed,
            () = sleep_until(began + wait) => Ok(()),
        }
    }
}
