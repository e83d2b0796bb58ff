//! When files are read again: every so often, and at once when somebody asks, as SIGHUP does.
//!
//! Reads nothing. Whoever uses files has a [`Schedule`], and compares what they hold with what it
//! knows: on an [`Occasion::Asked`] it says so where nothing is new, too.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often files are read again without being asked.
const PERIOD: Duration = Duration::from_secs(10);

/// Why files are to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It was time.
    Period,
    /// Somebody wants to know.
    Asked,
}

impl Occasion {
    /// For logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Period => "period",
            Self::Asked => "asked",
        }
    }
}

/// A pair of which the first half asks whoever waits by the second.
#[must_use]
pub fn channel() -> (Asker, Asked) {
    let (asker, asked) = watch::channel(());
    (Asker(asker), Asked(asked))
}

/// Asks for all files to be read again.
#[derive(Debug)]
pub struct Asker(watch::Sender<()>);

impl Asker {
    /// Asks; what is asked before it could be done is done once.
    pub fn ask(&self) {
        self.0.send_replace(());
    }
}

/// Where it is heard; without its [`Asker`] files are still read every so often.
#[derive(Debug, Clone)]
pub struct Asked(watch::Receiver<()>);

impl Asked {
    /// For one who waits. What was asked before is heard by it, what others did about that is not.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Schedule {
            ticks,
            asked: self.0.clone(),
        }
    }
}

/// When one who uses files is to read them again.
#[derive(Debug)]
pub struct Schedule {
    ticks: Interval,
    asked: watch::Receiver<()>,
}

impl Schedule {
    /// Completes when the files are to be read again, and says why.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn due(&mut self) -> Occasion {
        tokio::select! {
            biased;
            Ok(()) = self.asked.changed() => Occasion::Asked,
            _ = self.ticks.tick() => Occasion::Period,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_hear_at_once_and_then_in_time_again() {
        let (asker, asked) = channel();
        let mut all = [asked.schedule(), asked.schedule()];
        let begun = Instant::now();
        asker.ask();
        asker.ask();
        for schedule in &mut all {
            assert_eq!(schedule.due().await, Occasion::Asked);
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for schedule in &mut all {
            assert_eq!(schedule.due().await, Occasion::Period);
        }
        assert_eq!(begun.elapsed(), PERIOD);
        drop(asker);
        assert_eq!(all[0].due().await, Occasion::Period);
        assert_eq!(begun.elapsed(), 2 * PERIOD);
    }
}
