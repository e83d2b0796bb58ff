//! When files are read again: every so often, and at once when somebody asks, as SIGHUP does.
//!
//! What came of it is noted in a [`Record`], for whoever watches.
//!
//! Reads nothing. Whoever uses files has a [`Schedule`], and compares what they hold with what it
//! knows: on an [`Occasion::Asked`] it says so where nothing is new, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    let (asks, heard) = watch::channel(0);
    let users = Arc::new(Users::default());
    let asker = Asker {
        asks,
        users: users.clone(),
    };
    let asked = Asked {
        heard,
        users,
        record: Arc::default(),
    };
    (asker, asked)
}

/// Asks for all files to be read again.
#[derive(Debug)]
pub struct Asker {
    /// How often that was.
    asks: watch::Sender<u64>,
    users: Arc<Users>,
}

/// Up to which ask each of those who use files has done what was asked.
#[derive(Debug, Default)]
struct Users(Mutex<Vec<watch::Receiver<u64>>>);

impl Users {
    fn all(&self) -> MutexGuard<'_, Vec<watch::Receiver<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asker {
    /// Asks; what is asked before it could be done is done once.
    pub fn ask(&self) {
        self.asks.send_modify(|asks| *asks += 1);
    }

    /// Completes once all that was asked for so far is done, by everybody who uses files.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn finished(&self) {
        let asked = *self.asks.borrow();
        let users = self.users.all().clone();
        for mut user in users {
            // Whoever is gone does nothing any more.
            let _ = user.wait_for(|done| *done >= asked).await;
        }
    }
}

/// Where it is heard; without its [`Asker`] files are still read every so often.
#[derive(Debug, Clone)]
pub struct Asked {
    heard: watch::Receiver<u64>,
    users: Arc<Users>,
    record: Arc<Record>,
}

impl Asked {
    /// For one who waits. What was asked before is heard by it, what others did about that is not.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (done, seen) = watch::channel(0);
        self.users.all().push(seen);
        Schedule {
            ticks,
            asked: self.heard.clone(),
            record: self.record.clone(),
            doing: None,
            done,
        }
    }

    /// What came of it so far.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        self.record.clone()
    }
}

/// When one who uses files is to read them again.
#[derive(Debug)]
pub struct Schedule {
    ticks: Interval,
    asked: watch::Receiver<u64>,
    record: Arc<Record>,
    /// The ask that was last heard, until the next time is waited for.
    doing: Option<u64>,
    done: watch::Sender<u64>,
}

impl Schedule {
    /// Where it is noted what came of it.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        self.record.clone()
    }

    /// Completes when the files are to be read again, and says why. Whoever calls it again has done so.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn due(&mut self) -> Occasion {
        if let Some(asked) = self.doing.take() {
            self.done.send_replace(asked);
        }
        tokio::select! {
            biased;
            Ok(()) = self.asked.changed() => {
                self.doing = Some(*self.asked.borrow());
                Occasion::Asked
            }
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
    async fn it_is_finished_when_all_who_use_files_have_come_back() {
        let (asker, asked) = channel();
        asker.finished().await;
        let (mut quick, mut slow) = (asked.schedule(), asked.schedule());
        drop(asked.schedule());
        asker.ask();
        let begun = Instant::now();
        let uses = async {
            assert_eq!(quick.due().await, Occasion::Asked);
            assert_eq!(slow.due().await, Occasion::Asked);
            let quick = quick.due();
            let slow = async {
                tokio::time::sleep(PERIOD / 2).await;
                slow.due().await
            };
            tokio::join!(quick, slow)
        };
        tokio::select! {
            () = asker.finished() => assert_eq!(begun.elapsed(), PERIOD / 2),
            _ = uses => panic!("it was finished before"),
        }
        asker.finished().await;
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
