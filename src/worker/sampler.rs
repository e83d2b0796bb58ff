//! Which commands are looked at more closely: one in [`SAMPLED_OF`] is counted by its name and timed.
//! What all commands cost for that is a number that is counted down.
//!
//! The distance from one to the next is drawn anew each time: clients send the same few commands in the
//! same order, and every 64th would ever be the same of them.

use std::cell::Cell;

use tokio::time::Instant;

use crate::resp::Class;

use super::intake::Intake;
use super::labels::RequestClass;
use super::link::Link;
use super::session::Session;

/// One command in so many is looked at, on average.
const SAMPLED_OF: u32 = 64;
/// Where drawing begins; any number but 0 does.
const SEED: u32 = 0x9e37_79b9;

/// What a worker remembers of it.
#[derive(Debug)]
pub(super) struct Sampler {
    /// Commands until the next one that is looked at.
    until: Cell<u32>,
    /// The next one that can be timed is.
    times_next: Cell<bool>,
    drawn: Cell<u32>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self {
            until: Cell::new(0),
            times_next: Cell::new(false),
            drawn: Cell::new(SEED),
        }
    }
}

impl Sampler {
    /// Whether the command that has just come is one of those.
    fn is_due(&self) -> bool {
        match self.until.get().checked_sub(1) {
            Some(left) => {
                self.until.set(left);
                false
            }
            None => {
                self.until.set(self.draw());
                self.times_next.set(true);
                true
            }
        }
    }

    /// How many are passed over: 0 to twice as many as on average (xorshift32; Marsaglia 2003).
    fn draw(&self) -> u32 {
        let mut x = self.drawn.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.drawn.set(x);
        x % (2 * SAMPLED_OF - 1)
    }
}

impl Session {
    /// Counts one more command that was received, and its name where that is looked at; in whatever case.
    pub(super) fn count_command(&self, name: &[u8]) {
        let counters = &self.worker.counters;
        counters.commands.add(1);
        if self.worker.sampler.is_due() {
            counters.names.note(name);
        }
    }

    /// Has the command that was just noted on `link`, which is `frame`, timed if it is one of those.
    pub(super) fn time(&self, intake: &Intake, link: &Link, frame: &[u8]) {
        if self.worker.sampler.times_next.take() {
            let class = request_class(self.worker.class(frame));
            let mut router = link.router.borrow_mut();
            router.time(intake.held_since(), Instant::now(), class);
        }
    }
}

fn request_class(class: Class) -> RequestClass {
    match class {
        Class::Read | Class::Scan => RequestClass::Read,
        Class::Effect => RequestClass::Write,
        Class::Blocking | Class::BlockingRead { .. } | Class::Wait => RequestClass::Blocking,
        Class::Publish => RequestClass::Publish,
        _ => RequestClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_looked_at_and_then_one_in_so_many_on_average() {
        const COMMANDS: u32 = 1_000_000;
        let sampler = Sampler::default();
        assert!(sampler.is_due());
        let due = (0..COMMANDS).filter(|_| sampler.is_due()).count();
        let expected = (COMMANDS / SAMPLED_OF) as usize;
        assert!(
            due.abs_diff(expected) < expected / 20,
            "{due}, not {expected}"
        );
    }

    #[test]
    fn of_commands_that_take_turns_each_has_its_share() {
        const KINDS: usize = 8;
        let sampler = Sampler::default();
        let mut due = [0_u32; KINDS];
        for command in 0..800_000 {
            due[command % KINDS] += u32::from(sampler.is_due());
        }
        let (least, most) = (due.iter().min(), due.iter().max());
        let (least, most) = (least.expect("some"), most.expect("some"));
        assert!(*least * 10 > *most * 8, "{due:?}");
    }
}
