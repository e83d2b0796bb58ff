//! Clients that send nothing for long: closed after `--client-idle-timeout`, as a server with a
//! `timeout` does it, and sooner where they have yet to log in (`lobby`). And those whose connections
//! are older than `--max-connection-age`, which are asked to go (`draining`).
//!
//! No client has a timer. A worker looks at all of them once a second, and time is counted in looks:
//! what a client sends costs one store, and a process that was stopped for an hour finds nobody
//! overdue.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use super::ending::Phase;
use super::labels::ClientEnd;
use super::session::{Route, Session};

/// How often a worker looks at its clients.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The looks a worker has taken.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    count: Cell<u32>,
    last: Cell<Option<Instant>>,
}

impl Looks {
    /// How many there were.
    pub(super) fn count(&self) -> u32 {
        self.count.get()
    }

    /// The number of the next one, if it is time.
    fn next(&self, now: Instant) -> Option<u32> {
        let early = |last: Instant| now.saturating_duration_since(last) < LOOK_EVERY;
        if self.last.get().is_some_and(early) {
            return None;
        }
        self.last.set(Some(now));
        self.count.set(self.count.get().wrapping_add(1));
        Some(self.count.get())
    }
}

/// Whether no less than `limit` lies between two looks.
pub(super) fn has_passed(limit: Duration, then: u32, now: u32) -> bool {
    let looks = limit.as_millis().div_ceil(LOOK_EVERY.as_millis());
    // The one before may have been a moment earlier.
    u128::from(now.wrapping_sub(then)) > looks
}

impl Worker {
    /// Closes clients that are overdue, once in a while.
    pub(super) fn look_at_clients(&self, now: Instant) {
        let Some(look) = self.looks.next(now) else {
            return;
        };
        self.gauge();
        let limit = self.config.client_idle_timeout;
        let ages = !self.config.max_connection_age.is_zero();
        let floods = self.held_bytes.replies.is_reached();
        if limit.is_zero() && !ages && !floods && !self.may_have_strangers() {
            return;
        }
        let (mut idle, mut strangers) = (0_u32, 0_u32);
        for (_, session) in self.sessions.borrow().iter() {
            session.excuse(look);
            session.leave_if_old(look);
            // Who gets no more either is in the way of all others.
            session.close_if_flooded(session.unread());
            let overdue = if session.has_outstayed(look) {
                &mut strangers
            } else if !limit.is_zero() && has_passed(limit, session.heard.get(), look) {
                &mut idle
            } else {
                continue;
            };
            *overdue += 1;
            session.note_end(ClientEnd::Idle);
            session.close_after_flush();
        }
        if idle + strangers > 0 {
            tracing::info!(
                event = "clients_overdue",
                idle,
                not_logged_in = strangers,
                "closed, because they sent nothing for too long"
            );
        }
    }
}

impl Session {
    /// The client has sent something.
    pub(super) fn note_heard(&self) {
        self.heard.set(self.worker.looks.count());
    }

    /// Who waits is as good as heard.
    fn excuse(&self, look: u32) {
        if self.is_excused() {
            self.heard.set(look);
        }
    }

    /// Whether its client has a reason to send nothing: it waits for an answer, has one to read, is
    /// not read itself, or listens.
    fn is_excused(&self) -> bool {
        if self.phase.get() != Phase::Open || self.state.borrow().is_listening() {
            return true;
        }
        let intake = self.intake.borrow();
        match &*self.route.borrow() {
            // What is noted last on its link is what it has yet to send the rest of.
            Route::Attached(link) if intake.is_streaming() => {
                link.slots() > 1 || link.unwritten() > 0 || self.is_congested()
            }
            _ => intake.held_off || !self.is_at_rest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_a_second_apart_however_often_it_is_asked() {
        let (looks, start) = (Looks::default(), Instant::now());
        let at = |ms| looks.next(start + Duration::from_millis(ms));
        assert_eq!(at(0), Some(1));
        assert_eq!(at(999), None);
        assert_eq!(at(1000), Some(2));
        // However long it was stopped, it was one look.
        assert_eq!(at(3_600_000), Some(3));
    }

    #[test]
    fn nobody_is_overdue_before_the_whole_time_has_passed() {
        let two = Duration::from_secs(2);
        assert!(
            !has_passed(two, 7, 9),
            "it may have been but a little more than one"
        );
        assert!(has_passed(two, 7, 10));
        assert!(has_passed(two, u32::MAX, 2), "counts begin anew");
        assert!(!has_passed(Duration::from_millis(1500), 7, 9));
        assert!(has_passed(Duration::from_millis(1), 7, 9));
    }
}
