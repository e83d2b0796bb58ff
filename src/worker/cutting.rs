//! Cuts a client's input into commands and passes them on.
//!
//! Complete commands go to the link in runs, straight from the read buffer. What is incomplete, or
//! held because nothing may be sent now, is kept in the intake and looked at again later; a frame
//! too large to be kept is streamed (`streaming`).

use std::rc::Rc;

use tokio::time::Instant;

use crate::resp::{ProtocolError, RequestScanner, Scanned, inline};

use super::intake::{Intake, Streaming};
use super::lobby::bounded;
use super::permit::Permit;
use super::session::{Route, Session};
use super::slot::Kind;

/// Positions in the buffer at hand: `run..frame` is ready to be sent, `frame..scan` is what the
/// scanner has seen of the next frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    pub(super) run: usize,
    pub(super) frame: usize,
    pub(super) scan: usize,
}

impl Cursor {
    /// At the beginning of a frame, with nothing before it left to be sent.
    const fn at(position: usize) -> Self {
        Self {
            run: position,
            frame: position,
            scan: position,
        }
    }
}

impl Session {
    /// Whether more input would find room and be of use.
    pub(super) fn may_take_more(self: &Rc<Self>) -> bool {
        let mut intake = self.intake.borrow_mut();
        if intake.done {
            // Read and forgotten: how else would the client's end be noticed.
            return true;
        }
        if intake.is_streaming() {
            return matches!(self.permit(&mut intake), Permit::Send(_));
        }
        intake.held_off = self.is_held_off(&intake);
        let most = self.worker.config.max_held_bytes_per_client;
        !intake.held_off && (!intake.is_waiting() || intake.carry.len() < most)
    }

    /// Takes in what was read from the client.
    pub(super) fn take_in(self: &Rc<Self>, chunk: &[u8]) {
        let mut intake = self.intake.borrow_mut();
        if intake.done {
            return;
        }
        if intake.carry.is_empty() {
            intake.note_outage(&self.worker);
            let end = self.work_off(&mut intake, chunk, 0);
            intake.keep(chunk, end.frame, end.scan - end.frame);
        } else {
            intake.note_outage(&self.worker);
            intake.carry.extend_from_slice(chunk);
            self.work_off_carry(&mut intake);
        }
        self.weigh(&mut intake);
    }

    /// Goes on with input that was kept, if anything of it can be acted on.
    pub(super) fn resume(self: &Rc<Self>) {
        self.pursue_feed();
        let mut intake = self.intake.borrow_mut();
        if !self.work_off_backlog(&mut intake) {
            return self.weigh(&mut intake);
        }
        self.close_if_silent();
        self.serve_held(&mut intake);
        if intake.is_waiting() || intake.is_streaming() {
            intake.note_outage(&self.worker);
            self.work_off_carry(&mut intake);
        }
        self.weigh(&mut intake);
    }

    fn work_off_carry(self: &Rc<Self>, intake: &mut Intake) {
        let mut carry = std::mem::take(&mut intake.carry);
        let end = self.work_off(intake, &carry, intake.scanned);
        if end.frame == carry.len() {
            carry = Vec::new();
        } else {
            carry.drain(..end.frame);
        }
        // Whatever was put in front meanwhile stays in front.
        let front = std::mem::replace(&mut intake.carry, carry);
        if !front.is_empty() {
            intake.carry.splice(..0, front);
        }
        intake.scanned = end.scan - end.frame;
        intake.held_len = intake.held_len.saturating_sub(end.frame);
    }

    /// Acts on every command in `buffer` of which the scanner has seen `scanned` bytes, as far as
    /// it may; what is left begins at the returned cursor's frame.
    fn work_off(self: &Rc<Self>, intake: &mut Intake, buffer: &[u8], scanned: usize) -> Cursor {
        let mut at = Cursor::at(0);
        at.scan = scanned;
        let mut permit = self.permit(intake);
        if intake.is_streaming() && matches!(permit, Permit::Refuse) {
            // Its beginning is with a node that is out of reach: the rest has nowhere to go.
            self.give_up_streaming(intake);
            self.end_after_answers(intake, &permit);
        }
        while at.scan < buffer.len() && !intake.done {
            if matches!(permit, Permit::Wait) || !intake.carry.is_empty() {
                break;
            }
            let mut scanned = intake.scanner.scan(&buffer[at.scan..]);
            if matches!(permit, Permit::Login) {
                scanned = scanned.and_then(|it| bounded(&intake.scanner, &buffer[at.frame..], it));
            }
            if intake.reads_only
                && !intake.only_reads(
                    &self.worker,
                    &buffer[at.frame..],
                    at.scan - at.frame,
                    &scanned,
                )
            {
                permit = self.hold_back(intake, buffer, &mut at, &permit);
                break;
            }
            permit = self.take_step(intake, buffer, &mut at, permit, scanned);
        }
        self.flush(buffer, &mut at, &permit);
        if intake.streaming == Streaming::No && (at.frame > 0 || scanned == 0) {
            intake.begun = self.worker.looks.count();
        }
        if intake.done {
            at = Cursor::at(buffer.len());
        }
        let waits = matches!(permit, Permit::Wait) && at.scan < buffer.len();
        // Who waits for its replies, or for a link of its own, waits for no primary; and an outage
        // holds nothing of what only comes after a call that waits.
        let shares = intake.wants_own || matches!(&*self.route.borrow(), Route::Shared(_));
        let elsewhere = (shares && self.worker.gate_is_open()) || self.awaits_pop(intake);
        intake.set_held(&self.worker, waits && !elsewhere);
        at
    }

    /// The frame at hand has to wait, although what came before it had not.
    fn hold_back(
        &self,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: &Permit,
    ) -> Permit {
        self.flush(buffer, at, permit);
        intake.scanner = RequestScanner::new();
        intake.waiting_since.get_or_insert_with(Instant::now);
        at.scan = at.frame;
        Permit::Wait
    }

    /// Acts on what the scanner has just found; the permit may be another one afterwards.
    fn take_step(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: Permit,
        scanned: Result<Scanned, ProtocolError>,
    ) -> Permit {
        match scanned {
            Ok(Scanned::More) => {
                at.scan = buffer.len();
                let len = at.scan - at.frame + intake.scanner.body_left();
                match self.part_on_shared(intake, buffer, at, permit, len) {
                    Ok(permit) => {
                        self.stream(intake, buffer, at, &permit);
                        permit
                    }
                    Err(permit) => permit,
                }
            }
            Ok(Scanned::Nothing { len }) => {
                self.flush(buffer, at, &permit);
                *at = Cursor::at(at.scan + len);
                permit
            }
            Ok(Scanned::Command { len }) => {
                at.scan += len;
                match self.on_shared(intake, buffer, at, permit) {
                    Ok(permit)
                        if self.asks_in_vain(intake, &permit, &buffer[at.frame..at.scan]) =>
                    {
                        self.flush(buffer, at, &permit);
                        *at = Cursor::at(at.scan);
                        permit
                    }
                    Ok(permit) => {
                        self.count_command(intake.scanner.name());
                        match self.refuses(intake, &permit, &buffer[at.frame..at.scan]) {
                            None => self.command(intake, buffer, at, permit),
                            Some(word) => {
                                self.flush(buffer, at, &permit);
                                self.answer_read_only(intake, &permit, word);
                                *at = Cursor::at(at.scan);
                                permit
                            }
                        }
                    }
                    Err(permit) => permit,
                }
            }
            Ok(Scanned::Inline { .. }) if permit.is_for_shared() => {
                self.off_shared(intake, buffer, at, permit)
            }
            Ok(Scanned::Inline { len }) => {
                self.flush(buffer, at, &permit);
                at.scan += len;
                let line = at.frame..at.scan;
                self.count_command(first_word_of(&buffer[line.clone()]));
                let held = intake.was_held(line.start);
                *at = Cursor::at(at.scan);
                self.inline(intake, &buffer[line], permit, held)
            }
            Err(error) => {
                self.flush(buffer, at, &permit);
                self.reject(intake, &permit, &error);
                permit
            }
        }
    }

    /// A multibulk command is complete: `at.frame..at.scan`, or the end of a streamed one.
    fn command(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: Permit,
    ) -> Permit {
        match std::mem::replace(&mut intake.streaming, Streaming::No) {
            Streaming::No => {}
            Streaming::ToLink => {
                at.frame = at.scan;
                Self::flush_streamed(buffer, at, &permit);
                return self.permit(intake);
            }
            Streaming::Nowhere => {
                *at = Cursor::at(at.scan);
                return permit;
            }
        }
        if let Permit::Send(link) = &permit
            && !link.is_shared()
        {
            self.note_traces(&buffer[at.frame..at.scan]);
        }
        if let Permit::Send(link) = &permit
            && let Some(kind) = intake.ordinary(&buffer[at.frame..at.scan])
        {
            let kind = match kind {
                Kind::Plain | Kind::Queued => kind,
                _ => {
                    let frame = &buffer[at.frame..at.scan];
                    let (kind, prelude) = self.prelude(link, kind, frame);
                    let answered = matches!(kind, Kind::Local(_));
                    if answered || !prelude.is_empty() {
                        self.flush(buffer, at, &permit);
                    }
                    if let Kind::Local(reply) = kind {
                        self.answer(&permit, &reply);
                        *at = Cursor::at(at.scan);
                        return permit;
                    }
                    prelude.into_iter().for_each(|own| own.ask(link, self));
                    kind
                }
            };
            intake.awaits_pop = matches!(kind, Kind::Blocking(_));
            link.expect(self, kind, at.scan - at.frame);
            self.time(intake, link, &buffer[at.frame..at.scan]);
            at.frame = at.scan;
            if !self.awaits_answer(intake) {
                return permit;
            }
            self.flush(buffer, at, &permit);
            return Permit::Wait;
        }
        self.flush(buffer, at, &permit);
        let held = intake.was_held(at.frame);
        let permit = self.act(intake, &buffer[at.frame..at.scan], permit, held);
        *at = Cursor::at(at.scan);
        permit
    }

    /// An inline command, which the server gets in its canonical form.
    fn inline(
        self: &Rc<Self>,
        intake: &mut Intake,
        line: &[u8],
        permit: Permit,
        held: bool,
    ) -> Permit {
        let mut frame = Vec::with_capacity(line.len() * 2);
        let mut scanner = RequestScanner::new();
        match inline::encode(line, &mut frame) {
            Ok(false) => permit,
            Ok(true) => {
                // Scanned again for its name; our own encoding is always one whole command.
                let _ = scanner.scan(&frame);
                let outer = std::mem::replace(&mut intake.scanner, scanner);
                let permit = if let Some(word) = self.refuses(intake, &permit, &frame) {
                    self.answer_read_only(intake, &permit, word);
                    permit
                } else {
                    self.note_traces(&frame);
                    self.act(intake, &frame, permit, held)
                };
                intake.scanner = outer;
                permit
            }
            Err(error) => {
                self.reject(intake, &permit, &error);
                permit
            }
        }
    }

    /// Sends the complete commands that have been gathered.
    pub(super) fn flush(&self, buffer: &[u8], at: &mut Cursor, permit: &Permit) {
        if let Permit::Send(link) = permit
            && at.run < at.frame
        {
            link.send(&buffer[at.run..at.frame]);
        }
        at.run = at.frame;
    }
}

/// The first word of an inline command.
fn first_word_of(line: &[u8]) -> &[u8] {
    let mut words = line.split(u8::is_ascii_whitespace);
    words.find(|word| !word.is_empty()).unwrap_or_default()
}
