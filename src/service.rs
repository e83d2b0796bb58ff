//! What the service manager is told (systemd, `Type=notify`), where there is one: that clients can
//! connect, who the primary is, that files are read again, that the process ends, and that it is alive.
//!
//! Who is not asked to tell anything (no NOTIFY_SOCKET) tells nothing; and nothing depends on being heard.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::front::Front;
use crate::shutdown::Lifecycle;
use crate::topology::{Gate, Topology};

/// How often it is looked whether there is anything new to tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells that clients can connect, and from then on how it goes. Never returns.
///
/// The manager's watchdog is answered while all workers show signs of life. Run it on the control
/// runtime, which so speaks for itself.
pub(crate) async fn tell(fronts: Arc<[Front]>, lifecycle: Arc<Lifecycle>) {
    let watchdog = sd_notify::watchdog_enabled();
    // Twice in the time the manager allows, as sd_watchdog_enabled(3) recommends.
    let pace = watchdog.map_or(LOOK_EVERY, |limit| LOOK_EVERY.min(limit / 2));
    let mut looks = interval(pace.max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = status(&fronts);
    let mut pulses = Pulses::default();
    say(&[NotifyState::Ready, NotifyState::Status(&told)]);
    loop {
        looks.tick().await;
        let ends = lifecycle.is_draining();
        let now = status(&fronts);
        if now != told && !ends {
            say(&[NotifyState::Status(&now)]);
            told = now;
        }
        // The first is discovery's, which takes more time than a manager may allow.
        let workers = fronts
            .iter()
            .flat_map(|front| front.topology.beats().skip(1));
        if watchdog.is_some() && pulses.have_moved(workers) {
            say(&[NotifyState::Watchdog]);
        }
    }
}

/// What workers have shown of being alive.
#[derive(Default)]
struct Pulses(Vec<Option<u64>>);

impl Pulses {
    /// Whether every worker has shown a sign of life since the last look, or has ended: the process says
    /// by itself whether that was right.
    fn have_moved(&mut self, now: impl Iterator<Item = Option<u64>>) -> bool {
        let before = std::mem::replace(&mut self.0, now.collect());
        let stands = |(before, now): (_, &Option<u64>)| now.is_some() && before == now;
        !before.iter().zip(&self.0).any(stands)
    }
}

/// Tells that files are read again.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(_) => say(&[NotifyState::Reloading]),
    }
}

/// Tells that they have been read.
pub fn reloaded() {
    say(&[NotifyState::Ready]);
}

/// Tells that the process ends, once `clients` have gone.
pub(crate) fn stopping(clients: u64) {
    let status = format!("draining {clients} clients");
    say(&[NotifyState::Stopping, NotifyState::Status(&status)]);
}

/// One line for people.
fn status(fronts: &[Front]) -> String {
    let one = |front: &Front| status_of(&front.topology.load(), &front.name);
    let all: Vec<_> = fronts.iter().map(one).collect();
    all.join("; ")
}

fn status_of(topology: &Topology, name: &str) -> String {
    match (&topology.primary, topology.gate) {
        (Some(primary), Gate::Open) => format!("serving {name} from {}", primary.address),
        (Some(primary), _) => format!("waiting for a primary of {name}, last {}", primary.address),
        (None, _) => format!("looking for the primary of {name}"),
    }
}

fn say(states: &[NotifyState<'_>]) {
    // A manager that is gone needs to hear nothing.
    let _ = sd_notify::notify(states);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_stands_still_is_enough() {
        let mut pulses = Pulses::default();
        let mut moved = |now: [Option<u64>; 2]| pulses.have_moved(now.into_iter());
        assert!(moved([Some(0), Some(0)]), "nothing was seen before");
        assert!(!moved([Some(0), Some(0)]));
        assert!(moved([Some(1), Some(1)]));
        assert!(!moved([Some(2), Some(1)]));
        assert!(moved([Some(3), None]), "that one has ended");
        assert!(moved([Some(4), None]));
        assert!(!moved([Some(4), None]));
    }
}
