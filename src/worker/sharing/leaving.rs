//! The moment a session finds that what its client sent is not for the shared link it is on.

use std::rc::Rc;

use crate::resp::{Class, RequestScanner};
use crate::worker::cutting::Cursor;
use crate::worker::intake::{Intake, Streaming};
use crate::worker::permit::Permit;
use crate::worker::session::Session;
use crate::worker::streaming::STREAM_MIN;

/// Bytes one client sends before it is seen whether a shared link has room for more.
const TURN_MAX: usize = STREAM_MIN;

impl Permit {
    /// Whether it is one to send on a shared link.
    pub(in crate::worker) fn is_for_shared(&self) -> bool {
        matches!(self, Self::Send(link) if link.is_shared())
    }
}

impl Session {
    /// Looks at a whole command, `at.frame..at.scan`: `Ok` when it may go with this permit. Otherwise
    /// it is not taken in yet, and the permit is another one.
    pub(in crate::worker) fn on_shared(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: Permit,
    ) -> Result<Permit, Permit> {
        if !permit.is_for_shared() || intake.streaming != Streaming::No {
            return Ok(permit);
        }
        if !intake.is_in_run() && (self.has_all_it_may() || at.frame - at.run > TURN_MAX) {
            at.scan = at.frame;
            self.flush(buffer, at, &permit);
            // The link may be full by now, and what comes next a transaction that goes as a whole.
            return Err(match self.has_all_it_may() {
                true => Permit::Wait,
                false => self.permit(intake),
            });
        }
        let topology = self.worker.topology.borrow();
        let read_only = self.worker.config.read_only;
        if intake.may_share(&topology.commands, buffer, at.frame..at.scan, read_only) {
            return Ok(permit);
        }
        drop(topology);
        Err(self.off_shared(intake, buffer, at, permit))
    }

    /// Whether `frame` only reads, on a shared link, and nobody is there any more to hear the answer:
    /// clients that ask for much and go are not to keep others waiting.
    pub(in crate::worker) fn asks_in_vain(
        &self,
        intake: &Intake,
        permit: &Permit,
        frame: &[u8],
    ) -> bool {
        let gone = self.client_gone.get() && permit.is_for_shared();
        let alone = intake.streaming == Streaming::No && !intake.is_in_run();
        gone && alone && self.worker.class(frame) == Class::Read
    }

    /// As [`Session::on_shared`], for a command of at least `len` bytes of which only a part is there.
    pub(in crate::worker) fn part_on_shared(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: Permit,
        len: usize,
    ) -> Result<Permit, Permit> {
        let small = len <= STREAM_MIN || intake.streaming != Streaming::No;
        match small || !permit.is_for_shared() {
            true => Ok(permit),
            false => Err(self.off_shared(intake, buffer, at, permit)),
        }
    }

    /// What is at hand is not for the shared link of this permit: what came before it goes, and it is
    /// looked at again with a permit for another link.
    pub(in crate::worker) fn off_shared(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: Permit,
    ) -> Permit {
        self.flush(buffer, at, &permit);
        intake.scanner = RequestScanner::new();
        intake.run_left = 0;
        at.scan = at.frame;
        self.set_apart(intake)
    }
}
