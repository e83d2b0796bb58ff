//! The load of one round: numbered writes, a job queue, a broadcast, all through one entrance.

use std::time::{Duration, Instant};

use super::actor::Actor;
use super::audience::{self, Hearing};
use super::entrance::Entrance;
use super::jobs::{self, STOP, Shift};
use super::pusher::{self, Pushes};
use crate::bed::{Node, wait_until};

/// Everybody must have got going by then.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Everybody must have gone on by then; longer than any hold.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);
/// Queued jobs must have been popped by then.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// Acknowledgements of each writer before the fault and after it.
const ENOUGH: usize = 50;
/// Two producers at this pace make 200 jobs a second.
const JOB_PACE: Duration = Duration::from_millis(10);

/// How many clients of each kind.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) pushers: usize,
    pub(super) producers: usize,
    pub(super) poppers: usize,
    pub(super) listeners: usize,
}

impl Size {
    /// The bed that every proxy was compared on.
    pub(super) const FULL: Self = Self {
        pushers: 8,
        producers: 2,
        poppers: 8,
        listeners: 2,
    };
    /// Numbered writes alone.
    pub(super) const WRITES: Self = Self {
        pushers: 4,
        producers: 0,
        poppers: 0,
        listeners: 0,
    };
}

/// A running load.
pub(super) struct Load {
    tag: &'static str,
    pushers: Vec<Actor<Pushes>>,
    producers: Vec<Actor<Shift>>,
    poppers: Vec<Actor<Shift>>,
    publisher: Option<Actor<Hearing>>,
    listeners: Vec<Actor<Hearing>>,
}

/// The books of a load that has ended.
pub(super) struct Books {
    pub(super) tag: &'static str,
    pub(super) pushers: Vec<Pushes>,
    pub(super) producers: Vec<Shift>,
    pub(super) poppers: Vec<Shift>,
    pub(super) publisher: Hearing,
    pub(super) listeners: Vec<Hearing>,
}

impl Load {
    /// Starts a load whose keys begin with `tag`, and waits until everybody is at work.
    #[track_caller]
    pub(super) fn start(entrance: &Entrance, tag: &'static str, size: Size) -> Self {
        let load = Self::begin(entrance, tag, size);
        load.wait_going();
        load
    }

    /// As [`Load::start`] for clients that have to wait until they are served.
    pub(super) fn begin(entrance: &Entrance, tag: &'static str, size: Size) -> Self {
        let channel = format!("{tag}:news");
        let queue = || queue(tag);
        let listener = |index: usize| {
            let protocol = if index.is_multiple_of(2) { "2" } else { "3" };
            audience::listen(entrance.clone(), index, channel.clone(), protocol)
        };
        let popper = |index: usize| {
            let timeout = if index.is_multiple_of(2) { "0" } else { "2" };
            jobs::pop(entrance.clone(), index, queue(), timeout)
        };
        let listeners: Vec<_> = (0..size.listeners).map(listener).collect();
        wait_until(START_LIMIT, "everybody has subscribed", || {
            let ready = |actor: &Actor<Hearing>| actor.look(|diary| diary.subscribed);
            listeners
                .iter()
                .all(|actor| ready(actor) || actor.is_over())
        });
        Self {
            tag,
            pushers: (0..size.pushers)
                .map(|index| pusher::start(entrance.clone(), index, list(tag, index)))
                .collect(),
            producers: (0..size.producers)
                .map(|index| jobs::produce(entrance.clone(), index, queue(), JOB_PACE))
                .collect(),
            poppers: (0..size.poppers).map(popper).collect(),
            publisher: (size.listeners > 0)
                .then(|| audience::publish(entrance.clone(), channel.clone())),
            listeners,
        }
    }

    #[track_caller]
    fn wait_going(&self) {
        let began = Instant::now();
        wait_until(START_LIMIT, "everybody is at work", || {
            self.all_beyond(began, ENOUGH)
        });
    }

    /// Waits until everybody whose connection is open has gone on after `since`.
    #[track_caller]
    pub(super) fn settle(&self, since: Instant) {
        wait_until(SETTLE_LIMIT, "everybody goes on", || {
            self.all_beyond(since, ENOUGH)
        });
    }

    fn all_beyond(&self, since: Instant, count: usize) -> bool {
        let pushed = |actor: &Actor<Pushes>| {
            let later = |diary: &Pushes| {
                let acks = diary.acks.iter().rev();
                acks.take(count).filter(|ack| ack.sent > since).count()
            };
            actor.is_over() || actor.look(later) >= count
        };
        let produced = |actor: &Actor<Shift>| {
            actor.is_over() || actor.look(|shift| shift.last.is_some_and(|at| at > since))
        };
        let heard =
            |actor: &Actor<Hearing>| actor.is_over() || actor.look(|diary| diary.went_on(since));
        self.pushers.iter().all(pushed)
            && self.producers.iter().all(produced)
            && self.listeners.iter().all(heard)
            && self.publisher.iter().all(heard)
    }

    /// Ends everybody: producers first, poppers when `primary` has no jobs left.
    pub(super) fn stop(self, primary: &Node) -> Books {
        let all = |actors: Vec<Actor<Shift>>| actors.into_iter().map(Actor::stop).collect();
        let pushers = self.pushers.into_iter().map(Actor::stop).collect();
        let producers = all(self.producers);
        let publisher = self.publisher.map(Actor::stop).unwrap_or_default();
        for _ in &self.poppers {
            primary.command(&["RPUSH", &queue(self.tag), STOP]);
        }
        let asked = Instant::now();
        // One that does not come back is in the books as left waiting.
        while asked.elapsed() < DRAIN_LIMIT && !self.poppers.iter().all(Actor::is_over) {
            std::thread::sleep(Duration::from_millis(10));
        }
        Books {
            tag: self.tag,
            pushers,
            producers,
            poppers: all(self.poppers),
            publisher,
            listeners: self.listeners.into_iter().map(Actor::stop).collect(),
        }
    }
}

/// The list of writer `index`.
pub(super) fn list(tag: &str, index: usize) -> String {
    format!("{tag}:written:{index}")
}

/// The queue.
pub(super) fn queue(tag: &str) -> String {
    format!("{tag}:jobs")
}
