//! What is counted of clients and links where more than a number has to be known: where a client came
//! in, why it left, how long its commands took, and what only a look at all sessions tells.
//!
//! Nothing here decides anything, and no command costs anything: `sampler` looks at some of them.

use std::io;

use tokio::time::Instant;

use crate::net::Transport;
use crate::resp::{RequestScanner, Scanned};

use super::Worker;
use super::backlog::Item;
use super::counters::DoorCounters;
use super::intake::Intake;
use super::labels::{ClientEnd, DialEnd, Entrance, HoldEnd, Pinned};
use super::session::{Route, Session};

/// Looks, a second apart, for which sessions are counted after somebody asked, and after the start.
pub(super) const GAUGED_LOOKS: u32 = 60;

/// Commands looked for at one look: of more that are kept, so many are counted. Finding them costs some
/// milliseconds.
const COUNTED_MAX: usize = 64 * 1024;

impl Session {
    fn door(&self) -> &DoorCounters {
        let entrance = match &*self.transport.borrow() {
            Transport::Tls(_) => Entrance::Tls,
            Transport::Unix { .. } => Entrance::Unix,
            _ => Entrance::Tcp,
        };
        entrance.of(&self.worker.counters.doors)
    }

    /// A client has come.
    pub(super) fn count_in(&self) {
        self.worker.counters.clients.add(1);
        self.worker.counters.clients_total.add(1);
        let door = self.door();
        door.open.add(1);
        door.total.add(1);
    }

    /// It has left.
    pub(super) fn count_out(&self) {
        self.worker.counters.clients.sub(1);
        let door = self.door();
        door.open.sub(1);
        let why = self.end.get().unwrap_or(ClientEnd::Other);
        why.of(&door.ended).add(1);
    }

    /// Why the client leaves; the first reason counts.
    pub(super) fn note_end(&self, why: ClientEnd) {
        if self.end.get().is_none() {
            self.end.set(Some(why));
        }
    }

    /// The client's socket failed like this.
    pub(super) fn note_failure(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidData {
            self.worker.counters.tls_failed.add(1);
        }
        self.note_end(ClientEnd::Io);
    }

    /// So much came from the client.
    pub(super) fn count_received(&self, bytes: usize) {
        self.door().received.add(bytes as u64);
    }

    /// So much is for the client.
    pub(super) fn count_sent(&self, bytes: usize) {
        self.door().sent.add(bytes as u64);
    }

    /// Commands that are kept for want of a primary, or to be sent again; looked for as long as there is
    /// `budget`.
    fn held_commands(&self, budget: &mut usize) -> u64 {
        let is_command = |item: &&Item| matches!(item, Item::Command { .. });
        let again = self.backlog.borrow().items().filter(is_command).count();
        let intake = self.intake.borrow();
        let whole = intake.held_since().is_some() && !intake.is_streaming();
        let kept = if whole { intake.carry.as_slice() } else { &[] };
        again as u64 + commands_in(kept, budget)
    }

    fn pinned(&self) -> Pinned {
        let state = self.state.borrow();
        let intake = self.intake.borrow();
        match () {
            () if state.monitor => Pinned::Monitor,
            () if state.is_subscribed() => Pinned::Pubsub,
            () if intake.awaits_pop => Pinned::Blocking,
            () if intake.in_multi || state.watching || state.transaction.is_some() => {
                Pinned::Transaction
            }
            () if state.has_tracking() => Pinned::Tracking,
            () => Pinned::Other,
        }
    }
}

/// Whole commands in `bytes`, which begin with one, as far as `budget` goes.
fn commands_in(bytes: &[u8], budget: &mut usize) -> u64 {
    let mut scanner = RequestScanner::new();
    let (mut rest, mut found) = (bytes, 0);
    while !rest.is_empty() && *budget > 0 {
        *budget -= 1;
        let len = match scanner.scan(rest) {
            Ok(Scanned::Command { len } | Scanned::Inline { len }) => {
                found += 1;
                len
            }
            Ok(Scanned::Nothing { len }) => len,
            Ok(Scanned::More) | Err(_) => break,
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    found
}

impl Intake {
    /// Since when commands of this client wait for a primary.
    pub(super) fn held_since(&self) -> Option<Instant> {
        self.held
    }

    /// Keeps the count of sessions whose commands wait.
    pub(super) fn set_held(&mut self, worker: &Worker, held: bool) {
        match (self.held.is_some(), held) {
            (false, true) => {
                worker.counters.held.add(1);
                worker.counters.held_total.add(1);
                self.held = Some(Instant::now());
            }
            (true, false) if worker.outage_has_outlasted_hold() => {
                self.end_hold(worker, HoldEnd::Timeout);
            }
            (true, false) => self.end_hold(worker, HoldEnd::Resumed),
            _ => {}
        }
    }

    /// Nothing of this client waits any more, if anything did.
    pub(super) fn end_hold(&mut self, worker: &Worker, how: HoldEnd) {
        if let Some(since) = self.held.take() {
            worker.counters.held.sub(1);
            how.of(&worker.counters.holds).observe(since.elapsed());
        }
    }
}

impl Worker {
    /// A dial that was begun at `started` has ended.
    pub(super) fn count_dial(&self, started: Instant, outcome: Result<(), &io::Error>) {
        use io::ErrorKind::{ConnectionRefused, InvalidData, PermissionDenied, TimedOut};
        let end = match outcome.map_err(io::Error::kind) {
            Ok(()) => DialEnd::Ok,
            Err(ConnectionRefused) => DialEnd::Refused,
            Err(TimedOut) => DialEnd::Timeout,
            Err(PermissionDenied) => DialEnd::Auth,
            Err(InvalidData) => DialEnd::Tls,
            Err(_) => DialEnd::Error,
        };
        end.of(&self.counters.dials).add(1);
        if end == DialEnd::Ok {
            self.counters.dial.observe(started.elapsed());
        }
    }

    /// Counts, at a look at all sessions, what only that tells, while somebody wants to know.
    pub(super) fn gauge(&self) {
        let looks = match self.counters.is_asked() {
            true => GAUGED_LOOKS,
            false => self.gauged_looks.get(),
        };
        self.gauged_looks.set(looks.saturating_sub(1));
        if looks == 0 {
            return;
        }
        let (mut output, mut in_flight, mut held) = (0, 0, 0);
        let mut budget = COUNTED_MAX;
        let mut pinned = [0_u64; Pinned::ALL.len()];
        for (_, session) in self.sessions.borrow().iter() {
            output += session.outbox.borrow().len();
            held += session.held_commands(&mut budget);
            match &*session.route.borrow() {
                Route::Attached(link) => {
                    in_flight += link.router.borrow().in_flight();
                    pinned[session.pinned() as usize] += 1;
                }
                Route::Shared(_) => in_flight += u64::from(session.outstanding.get()),
                Route::None | Route::Connecting => {}
            }
        }
        let gauges = &self.counters.gauges;
        gauges.output_bytes.set(output as u64);
        gauges.in_flight.set(in_flight);
        gauges.held_commands.set(held);
        for (gauge, count) in gauges.pinned.iter().zip(pinned) {
            gauge.set(count);
        }
        gauges.links_pinned.set(pinned.iter().sum());
        self.gauge_links();
    }

    fn gauge_links(&self) {
        let gauges = &self.counters.gauges;
        let dialling = super::pool::DIALS_MAX - self.dials.available_permits();
        gauges.links_connecting.set(dialling as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_up_to_the_first_that_is_not_whole_and_within_the_budget() {
        let kept = b"*1\r\n$4\r\nPING\r\n\r\nGET a\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPI";
        let mut budget = 10;
        assert_eq!(commands_in(kept, &mut budget), 3);
        assert_eq!(budget, 5);
        assert_eq!(commands_in(kept, &mut 3), 2);
        assert_eq!(commands_in(b"*x\r\n", &mut 10), 0);
    }
}
