//! One direction of a simulated connection: bounded, in order, with a delay, as a kernel and a wire
//! would treat bytes.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::chance::Chance;

/// What is under way.
#[derive(Debug)]
enum Cargo {
    Bytes(Vec<u8>),
    /// Nothing more will come.
    Fin,
}

/// Where a connection breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Landed {
    Whole,
    /// The byte it was to break at has come.
    Broken,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    /// Arrived and not read.
    pub(super) ready: VecDeque<u8>,
    flying: VecDeque<(Instant, Cargo)>,
    flying_len: usize,
    /// Bytes that may be under way or unread.
    capacity: usize,
    pub(super) delay: Duration,
    last_due: Instant,
    /// Nothing arrives until this is lifted.
    pub(super) stalled: bool,
    /// The connection breaks when so many more bytes have arrived.
    pub(super) cut_after: Option<usize>,
    /// The writer has ended it.
    pub(super) fin_sent: bool,
    /// The reader knows.
    pub(super) fin_arrived: bool,
    /// The reader is gone: what arrives is lost, and breaks the connection.
    pub(super) deaf: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Lane {
    pub(super) fn new(capacity: usize, delay: Duration) -> Self {
        Self {
            ready: VecDeque::new(),
            flying: VecDeque::new(),
            flying_len: 0,
            capacity,
            delay,
            last_due: Instant::now(),
            stalled: false,
            cut_after: None,
            fin_sent: false,
            fin_arrived: false,
            deaf: false,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn room(&self) -> usize {
        self.capacity
            .saturating_sub(self.ready.len() + self.flying_len)
    }

    /// Sends what there is room for; says how much, and when it arrives. Now and then it comes in
    /// two parts.
    pub(super) fn send(&mut self, bytes: &[u8], chance: &mut Chance) -> (usize, Vec<Instant>) {
        let bytes = &bytes[..bytes.len().min(self.room())];
        let split = match chance.once_in(6) {
            true => chance.index(bytes.len() + 1),
            false => 0,
        };
        let (first, second) = bytes.split_at(split);
        let parts = [(first, 0), (second, chance.within(0, 3))];
        let arrivals = parts
            .into_iter()
            .filter(|(part, _)| !part.is_empty())
            .map(|(part, late)| {
                self.flying_len += part.len();
                self.launch(Cargo::Bytes(part.to_vec()), Duration::from_millis(late))
            })
            .collect();
        (bytes.len(), arrivals)
    }

    /// Ends this direction; says when the reader hears of it, unless that was done before.
    pub(super) fn send_fin(&mut self) -> Option<Instant> {
        (!std::mem::replace(&mut self.fin_sent, true))
            .then(|| self.launch(Cargo::Fin, Duration::ZERO))
    }

    fn launch(&mut self, cargo: Cargo, late: Duration) -> Instant {
        self.last_due = self.last_due.max(Instant::now() + self.delay + late);
        self.flying.push_back((self.last_due, cargo));
        self.last_due
    }

    /// Lets arrive what is due.
    pub(super) fn land(&mut self, now: Instant) -> Landed {
        while !self.stalled && self.flying.front().is_some_and(|(due, _)| *due <= now) {
            match self.flying.pop_front() {
                Some((_, Cargo::Bytes(bytes))) => {
                    self.flying_len -= bytes.len();
                    if self.arrive(&bytes) == Landed::Broken {
                        return Landed::Broken;
                    }
                }
                _ => self.fin_arrived = true,
            }
        }
        Landed::Whole
    }

    fn arrive(&mut self, bytes: &[u8]) -> Landed {
        if self.deaf {
            return Landed::Broken;
        }
        if let Some(left) = &mut self.cut_after {
            if bytes.len() >= *left {
                self.ready.extend(&bytes[..*left]);
                return Landed::Broken;
            }
            *left -= bytes.len();
        }
        self.ready.extend(bytes);
        Landed::Whole
    }
}
