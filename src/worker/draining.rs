//! Letting clients go although nothing is wrong with them: because the process is to end, or because
//! their connections are old.
//!
//! A client is closed at a safe point: all that it has sent is answered, and its connection holds
//! nothing that another one would lack. Best is the moment of a reply, because the end then arrives
//! together with it: who looks before sending its next command cannot miss it. Clients that say nothing
//! are closed some at a time, lest all come back at once.
//!
//! What arrives after the end was sent is read and forgotten, never executed. No answer could be sent
//! any more.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::shutdown::{Stage, Stages};

use super::Worker;
use super::dormant::has_passed;
use super::ending::Phase;
use super::labels::ClientEnd;
use super::session::Session;

/// How often a worker that drains looks at its clients.
const TICK: Duration = Duration::from_millis(50);
/// Who says nothing for this long is not likely to begin at the very moment it is closed; less, where
/// there is less time.
const QUIET: Duration = Duration::from_millis(500);
/// Clients that say nothing are closed at this pace, one by one, as far as there is time.
const PACE: Duration = Duration::from_millis(1);
/// How long what is in flight is waited for where the process is to end soon.
const FINISH_MAX: Duration = Duration::from_secs(5);
/// Before the time is over, what is still held is answered with an error; this is left to write it.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long a client's own end is waited for, while what it sends is read and forgotten: closed with
/// something unread, its connection would be reset, and it might lose what it has not read.
const PARTING_MAX: Duration = Duration::from_secs(1);
/// An old connection is kept longer by up to one part in so many, so that those made together do not end
/// together.
const JITTER: u32 = 10;
/// A client whose connection is old and that says nothing for this long is not waited for.
const AGED_QUIET: Duration = Duration::from_secs(1);

/// When a client is to be let go; each waits for less than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leave {
    /// Not at all.
    No,
    /// At the first safe point after its next reply.
    AfterReply,
    /// At the first safe point.
    AtSafePoint,
    /// As soon as all that it has sent is answered.
    AtRest,
    /// As that; it has lost something by it, which is counted.
    Lost,
}

impl Worker {
    /// Lets all clients go, as the stage of the moment says, and those who still come in from
    /// `newcomers`. Returns when nobody is left, or the time is over.
    pub(super) async fn drain(self: Rc<Self>, mut stages: Stages, newcomers: JoinHandle<()>) {
        let begun = Instant::now();
        let clients = self.counters.clients.load();
        while !(newcomers.is_finished() && self.sessions.borrow().is_empty()) {
            let stage = stages.now();
            let limit = self.limit(stage);
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break;
            }
            let last = left <= last_words(limit);
            if last && !self.gives_up.replace(true) {
                self.count_failed();
                self.wake_all();
            }
            match stage {
                Stage::Draining if !last => self.let_go(begun.elapsed(), clients, limit),
                _ => self.ask_all(|_| Leave::AtRest),
            }
            tokio::select! {
                () = stages.beyond(stage) => {}
                () = sleep(left.min(TICK)) => {}
            }
        }
        newcomers.abort();
        self.gives_up.set(true);
        for session in self.all() {
            session.count_cut();
            session.cut();
        }
    }

    /// How long clients get in all, from the beginning of the end.
    fn limit(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Draining => self.config.drain_timeout,
            Stage::Serving | Stage::Finishing => FINISH_MAX,
            Stage::Over => Duration::ZERO,
        }
    }

    /// Asks everybody to go after the next reply, and those who get none in their turn.
    fn let_go(&self, elapsed: Duration, clients: u64, limit: Duration) {
        let quiet = QUIET.min(limit / 4);
        let spread = spread(clients, limit);
        self.ask_all(|id| match elapsed < quiet + share(id, spread) {
            true => Leave::AfterReply,
            false => Leave::AtSafePoint,
        });
    }

    fn ask_all(&self, when: impl Fn(u64) -> Leave) {
        for session in self.all() {
            session.ask_to_leave(when(session.id));
        }
    }

    /// Counts those whose commands are answered with an error now.
    fn count_failed(&self) {
        let waits = |session: &Rc<Session>| {
            let held = session.intake.borrow().held_since().is_some();
            held || session.has_backlog()
        };
        let all = self.all();
        all.iter()
            .filter(|it| waits(it))
            .for_each(|it| it.count_cut());
    }
}

impl Session {
    /// Counts a client that loses something by the end, once, unless it was let go before.
    fn count_cut(&self) {
        if self.phase.get() != Phase::Parting && self.leave.replace(Leave::Lost) != Leave::Lost {
            self.worker.counters.cut_by_drain.add(1);
        }
    }

    /// Has the client let go at that point, if not sooner.
    fn ask_to_leave(&self, when: Leave) {
        let when = when.max(self.leave.replace(Leave::No));
        self.leave.set(when);
        if when >= Leave::AtSafePoint {
            self.task.wake();
        }
    }

    /// Asks a client to go whose connection is old.
    pub(super) fn leave_if_old(&self, look: u32) {
        let most = self.worker.config.max_connection_age;
        if most.is_zero() || !has_passed(most + share(self.id, most / JITTER), self.since, look) {
            return;
        }
        if self.leave.get() == Leave::No {
            self.worker.counters.aged.add(1);
            self.ask_to_leave(Leave::AfterReply);
        } else if has_passed(AGED_QUIET, self.heard.get(), look) {
            self.ask_to_leave(Leave::AtSafePoint);
        }
    }

    /// Whether what the client is told now may be the last, and so is not written before its task has
    /// looked at that.
    pub(super) fn keeps_last_word(&self) -> bool {
        let leave = self.leave.get();
        if leave == Leave::AfterReply {
            self.leave.set(Leave::AtSafePoint);
        }
        leave != Leave::No
    }

    /// Has the session end with what is in its outbox, if it was asked to and this is the point. What
    /// the client had sent by now is served first.
    pub(super) fn part_if_asked(&self) {
        if self.leave.get() < Leave::AtSafePoint || !self.may_part() {
            return;
        }
        if self.transport.borrow().has_unread() {
            return;
        }
        if self.worker.gives_up.get() && !self.is_between() {
            self.count_cut();
        }
        self.note_end(ClientEnd::Drain);
        self.phase.set(Phase::Parting);
        self.give_up_link();
        if self.is_congested() {
            self.transport.borrow().cork();
        }
    }

    fn may_part(&self) -> bool {
        let open = self.phase.get() == Phase::Open && !self.client_gone.get();
        let between = || self.leave.get() >= Leave::AtRest || self.is_between();
        open && self.is_answered() && between()
    }

    /// Whether the client is in the middle of nothing, and its connection holds nothing that it would
    /// have to do again.
    fn is_between(&self) -> bool {
        let intake = self.intake.borrow();
        let state = self.state.borrow();
        let free = !state.watching && state.transaction.is_none() && !state.expects_feed();
        free && intake.is_between() && intake.carry.is_empty()
    }

    /// Tells the client of the end, after the last word, and waits a moment for its own.
    pub(super) async fn part(&self) {
        self.transport.borrow().shutdown_write();
        if !self.client_gone.get() {
            // Who does not end in time is closed all the same, and at the latest when the time is over.
            let _ = timeout(PARTING_MAX, poll_fn(|cx| self.poll_rest(cx))).await;
        }
    }

    /// Forgets what the client sends until it ends.
    fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx);
        while !self.is_over() {
            let mut scratch = self.worker.scratch.borrow_mut();
            scratch.clear();
            match self.transport.borrow_mut().poll_read(cx, &mut *scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}

fn last_words(limit: Duration) -> Duration {
    LAST_WORDS.min(limit / 4)
}

/// Over how long the ends of `clients` that say nothing are spread.
fn spread(clients: u64, limit: Duration) -> Duration {
    let clients = u32::try_from(clients).unwrap_or(u32::MAX);
    PACE.saturating_mul(clients).min(limit / 2)
}

/// What part of `whole` falls to the client of this id: never the same for those that came one after
/// the other, and over all of it.
fn share(id: u64, whole: Duration) -> Duration {
    // Multiples of the golden ratio are spread evenly, wherever they begin.
    let part = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    whole.mul_f64(part as f64 / f64::from(1_u32 << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silent_clients_go_one_by_one_within_half_of_the_time() {
        assert_eq!(spread(100, 25 * SECOND), Duration::from_millis(100));
        assert_eq!(spread(1_000_000, 25 * SECOND), 25 * SECOND / 2);
        assert_eq!(spread(u64::MAX, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn each_tenth_of_the_time_has_its_share_of_clients() {
        let first = 1 << 52 | 0xABCD << 32;
        let mut tenths = [0; 10];
        for id in first..first + 1000 {
            let share = share(id, SECOND);
            assert!(share < SECOND);
            tenths[(share.as_millis() / 100) as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (80..=120).contains(n)), "{tenths:?}");
    }
}
