//! The faults, each carried out on a bed under load until it is over.

use std::time::{Duration, Instant};

use super::load::Load;
use super::outcome::Moments;
use crate::bed::{Bed, FAILOVER_LIMIT, Node, Recorder, eventually};
use crate::rng::Rng;

/// A primary that wakes must have been left alone for this long before it is believed to stay.
pub(super) const QUIET: Duration = Duration::from_secs(2);
/// How long a frozen primary sleeps, in milliseconds.
pub(super) const SLEEP_MS: (usize, usize) = (500, 6000);
/// How long the old primary's writes are paused: it wakes before the round is over.
const PAUSE_MS: &str = "4000";
const PAUSED: Duration = Duration::from_millis(4200);

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `SENTINEL FAILOVER`, old primary alive and writable for ten seconds more.
    Planned,
    /// `SENTINEL FAILOVER name COORDINATED`.
    Coordinated,
    /// SIGKILL.
    Crash,
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
    /// `CLIENT PAUSE WRITE` on the primary, for longer than the failover that follows, as some
    /// charts do before they stop a pod.
    Paused,
}

impl Fault {
    /// Its name in figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Coordinated => "coordinated",
            Self::Crash => "crash",
            Self::Freeze => "freeze",
            Self::Paused => "paused",
        }
    }

    /// Strikes, waits until `load` has gone on, and says who is primary then, and when what was.
    #[track_caller]
    pub(super) fn strike<'a>(
        self,
        bed: &'a Bed,
        load: &Load,
        rng: &mut Rng,
    ) -> (&'a Node, Moments) {
        let recorder = bed.record();
        let old = bed.primary();
        let mut moments = Moments {
            fault: Instant::now(),
            named: None,
        };
        match self {
            Self::Planned => bed.begin_failover(0),
            Self::Coordinated => bed.begin_coordinated_failover(0),
            Self::Crash => old.kill(),
            Self::Freeze => old.freeze(),
            Self::Paused => {
                old.command(&["CLIENT", "PAUSE", PAUSE_MS, "WRITE"]);
                bed.begin_failover(0);
            }
        }
        if matches!(self, Self::Crash | Self::Freeze) {
            moments.fault = Instant::now();
        }
        if self == Self::Freeze {
            let nap = rng.within(SLEEP_MS.0, SLEEP_MS.1);
            std::thread::sleep(Duration::from_millis(u64::try_from(nap).unwrap()));
            old.thaw();
        }
        let new = if self == Self::Freeze {
            after_waking(bed, &recorder, old, &mut moments)
        } else {
            let named = recorder.first_named(old.addr(), 0);
            moments.named = Some(named.at);
            bed.server_at(named.address)
        };
        load.settle(moments.named.unwrap_or_else(Instant::now));
        if self == Self::Paused {
            let woken = moments.fault + PAUSED;
            std::thread::sleep(woken.saturating_duration_since(Instant::now()));
            load.settle(Instant::now());
        }
        (new, moments)
    }
}

/// A primary that woke in time keeps its place; otherwise there is a new one.
#[track_caller]
fn after_waking<'a>(
    bed: &'a Bed,
    recorder: &Recorder,
    old: &'a Node,
    moments: &mut Moments,
) -> &'a Node {
    let woke = Instant::now();
    eventually(FAILOVER_LIMIT, "it is clear who is primary", || {
        let mut named = recorder.named().into_iter();
        if let Some(new) = named.find(|named| named.address != old.addr()) {
            moments.named = Some(new.at);
            return Some(bed.server_at(new.address));
        }
        (woke.elapsed() > QUIET && bed.is_quiet()).then_some(old)
    })
}
