//! When files are read again: every so often, and at once when somebody asks, as SIGHUP does.
//!
//! What came of it is noted in a [`Record`], for whoever watches.
//!
//! Reads nothing. Whoever uses files has a [`Schedule`], and compares what they hold with what it
//! knows: on an [`Occasion::Asked`] it says so where nothing is new, too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

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
    (Asker(asker), Asked(asked, Arc::default()))
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
pub struct Asked(watch::Receiver<()>, Arc<Record>);

impl Asked {
    /// For one who waits. What was asked before is heard by it, what others did about that is not.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Schedule {
            ticks,
            asked: self.0.clone(),
            record: self.1.clone(),
        }
    }

    /// What came of it so far.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        self.1.clone()
    }
}

/// When one who uses files is to read them again.
#[derive(Debug)]
pub struct Schedule {
    ticks: Interval,
    asked: watch::Receiver<()>,
    record: Arc<Record>,
}

impl Schedule {
    /// Where it is noted what came of it.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        self.record.clone()
    }

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

/// What files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Certificates, keys and CAs.
    Tls,
    /// Passwords.
    Password,
}

impl Content {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tls, Self::Password];

    /// For labels.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Password => "password",
        }
    }
}

/// What came of files that were read again, where their content was new.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Entry>>);

/// The files of one setting.
#[derive(Debug)]
struct Entry {
    content: Content,
    files: String,
    is_good: bool,
    counts: Counts,
}

/// What came of all files of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Times that what was new was taken over.
    pub taken: u64,
    /// Times that it could not be used.
    pub refused: u64,
    /// Whether what is in all files now is in use.
    pub all_good: bool,
    /// When something new was last taken over.
    pub last_taken: Option<SystemTime>,
}

const NOTHING: Counts = Counts {
    taken: 0,
    refused: 0,
    all_good: true,
    last_taken: None,
};

impl Record {
    /// What is new in these `files`, however they are called, was taken over or could not be used.
    pub fn note(&self, content: Content, files: &str, taken: bool) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |entry: &Entry| entry.content == content && entry.files == files;
        let at = entries.iter().position(is_it).unwrap_or_else(|| {
            entries.push(Entry {
                content,
                files: files.to_owned(),
                is_good: true,
                counts: NOTHING,
            });
            entries.len() - 1
        });
        let entry = &mut entries[at];
        entry.is_good = taken;
        entry.counts.taken += u64::from(taken);
        entry.counts.refused += u64::from(!taken);
        if taken {
            entry.counts.last_taken = Some(SystemTime::now());
        }
    }

    /// All that was noted of files with this content.
    #[must_use]
    pub fn of(&self, content: Content) -> Counts {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = entries.iter().filter(|entry| entry.content == content);
        of_it.fold(NOTHING, |sum, entry| Counts {
            taken: sum.taken + entry.counts.taken,
            refused: sum.refused + entry.counts.refused,
            all_good: sum.all_good && entry.is_good,
            last_taken: sum.last_taken.max(entry.counts.last_taken),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_that_cannot_be_used_is_not_forgotten_for_another() {
        let record = Record::default();
        assert_eq!(record.of(Content::Tls), NOTHING);
        record.note(Content::Tls, "--a", false);
        record.note(Content::Tls, "--b", true);
        let counts = record.of(Content::Tls);
        assert_eq!(
            (counts.taken, counts.refused, counts.all_good),
            (1, 1, false)
        );
        record.note(Content::Tls, "--a", true);
        assert!(record.of(Content::Tls).all_good);
        assert_eq!(record.of(Content::Password), NOTHING);
    }

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
