//! What a round did to the application: the books of its clients against what the final primary
//! holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::jobs::{STOP, Shift};
use super::load::{Books, list, queue};
use super::pusher::Pushes;
use crate::bed::{Node, withheld_since};

/// When what happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    /// The fault was there, or the failover had been asked for.
    pub(super) fault: Instant,
    /// The first Sentinel named another primary; none where that was not to be.
    pub(super) named: Option<Instant>,
}

/// The outcome of one round.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Connections that ended, and how.
    pub(super) closed: Vec<String>,
    /// UNCERTAIN replies.
    pub(super) uncertain: usize,
    /// The most UNCERTAIN replies that one client got.
    pub(super) most_uncertain: usize,
    /// MASTERDOWN replies.
    pub(super) masterdown: usize,
    /// Any other error reply, and replies to nobody's question.
    pub(super) other: Vec<String>,
    /// Acknowledged writes that the final primary does not have.
    pub(super) missing: usize,
    /// Those among them that were sent after the fault.
    pub(super) missing_after_fault: usize,
    /// Writes that the final primary has twice, or in another order than they were made.
    pub(super) twice: usize,
    /// Acknowledged jobs that nobody got and that are not queued.
    pub(super) jobs_lost: usize,
    /// Jobs that somebody got more than once.
    pub(super) jobs_twice: usize,
    /// The longest pause of each writer since the fault, and when it ended.
    pub(super) pauses: Vec<(Duration, Instant)>,
    /// The longest blocking call of 2 s that came back empty.
    pub(super) longest_nil: Duration,
    /// For each subscriber: published messages it did not hear.
    pub(super) missed: Vec<usize>,
    /// Messages heard twice or out of order.
    pub(super) disorder: usize,
    /// Acknowledged writes in all.
    pub(super) written: usize,
    /// How much of the time since the fault the machine withheld from this process.
    pub(super) withheld: Duration,
    named: Option<Instant>,
}

impl Outcome {
    /// Compares.
    pub(super) fn of(books: &Books, primary: &Node, moments: Moments) -> Self {
        let mut outcome = Self {
            named: moments.named,
            withheld: withheld_since(moments.fault),
            ..Self::default()
        };
        for (index, pushes) in books.pushers.iter().enumerate() {
            let kept = kept(primary, &list(books.tag, index));
            outcome.count_writes(pushes, &kept, moments.fault);
            outcome.count_client("writer", index, &pushes.errors, pushes.closed.as_ref());
        }
        for (kind, shifts) in [("producer", &books.producers), ("popper", &books.poppers)] {
            for (index, shift) in shifts.iter().enumerate() {
                outcome.count_client(kind, index, &shift.errors, shift.closed.as_ref());
                outcome.longest_nil = outcome.longest_nil.max(shift.longest_nil);
            }
        }
        outcome.count_jobs(books, &kept(primary, &queue(books.tag)));
        for (index, heard) in books.listeners.iter().enumerate() {
            outcome.count_client("subscriber", index, &heard.errors, heard.closed.as_ref());
            outcome.missed.push(heard.missed(&books.publisher));
            outcome.disorder += heard.disorder();
        }
        let publisher = &books.publisher;
        outcome.count_client("publisher", 0, &publisher.errors, publisher.closed.as_ref());
        outcome
    }

    fn count_writes(&mut self, pushes: &Pushes, kept: &[String], fault: Instant) {
        let mut times = BTreeMap::new();
        let numbers: Vec<u64> = kept.iter().filter_map(|text| text.parse().ok()).collect();
        for number in &numbers {
            *times.entry(*number).or_insert(0_usize) += 1;
        }
        self.twice += numbers.windows(2).filter(|pair| pair[1] <= pair[0]).count();
        let gone = |ack: &&super::pusher::Push| !times.contains_key(&ack.number);
        self.missing += pushes.acks.iter().filter(gone).count();
        let later = pushes.acks.iter().filter(|ack| ack.sent >= fault);
        self.missing_after_fault += later.filter(gone).count();
        self.written += pushes.acks.len();
        if let Some((start, end)) = pushes.longest_pause(fault) {
            self.pauses.push((end - start, end));
        }
    }

    fn count_client(
        &mut self,
        kind: &str,
        index: usize,
        errors: &[(Instant, String)],
        closed: Option<&(Instant, String)>,
    ) {
        let mut uncertain = 0;
        for (_, text) in errors {
            match text.split(' ').next() {
                Some("UNCERTAIN") => uncertain += 1,
                Some("MASTERDOWN") => self.masterdown += 1,
                _ => self.other.push(format!("{kind} {index}: {text}")),
            }
        }
        self.uncertain += uncertain;
        self.most_uncertain = self.most_uncertain.max(uncertain);
        if let Some((_, how)) = closed {
            self.closed.push(format!("{kind} {index}: {how}"));
        }
    }

    fn count_jobs(&mut self, books: &Books, queued: &[String]) {
        let mut got: BTreeMap<&str, usize> = BTreeMap::new();
        for job in books.poppers.iter().flat_map(|shift| &shift.jobs) {
            *got.entry(job).or_default() += 1;
        }
        self.jobs_twice = got.values().filter(|times| **times > 1).count();
        for job in queued.iter().filter(|job| *job != STOP) {
            *got.entry(job).or_default() += 1;
        }
        let made = books.producers.iter().flat_map(|shift: &Shift| &shift.jobs);
        self.jobs_lost = made.filter(|job| !got.contains_key(job.as_str())).count();
    }

    /// The longest pause of any writer.
    pub(super) fn longest_pause(&self) -> Duration {
        self.pauses
            .iter()
            .map(|pause| pause.0)
            .max()
            .unwrap_or_default()
    }

    /// When the first writer was acknowledged again.
    pub(super) fn resumed(&self) -> Option<Instant> {
        self.pauses.iter().map(|pause| pause.1).min()
    }

    /// From the first Sentinel's naming to the first acknowledgement; zero when that came earlier.
    pub(super) fn first_ack(&self) -> Option<Duration> {
        Some(self.resumed()?.saturating_duration_since(self.named?))
    }

    /// The figures, for people and for the file.
    pub(super) fn figures(&self) -> Json {
        json!({
            "written": self.written,
            "closed": self.closed.len(),
            "uncertain": self.uncertain,
            "masterdown": self.masterdown,
            "other": self.other.len(),
            "missing": self.missing,
            "missing_after_fault": self.missing_after_fault,
            "twice": self.twice,
            "jobs_lost": self.jobs_lost,
            "jobs_twice": self.jobs_twice,
            "pause_ms": ms(self.longest_pause()),
            "first_ack_ms": self.first_ack().map(ms),
            "missed": self.missed,
            "longest_nil_ms": ms(self.longest_nil),
            "withheld_ms": ms(self.withheld),
        })
    }
}

/// Milliseconds.
pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn kept(primary: &Node, list: &str) -> Vec<String> {
    let items = primary.command(&["LRANGE", list, "0", "-1"]);
    items
        .items()
        .iter()
        .map(crate::value::Value::text)
        .collect()
}
