//! What a client sends, cut into commands and passed on.
//!
//! Complete commands go to the link in runs, straight from the read buffer. What is incomplete, or
//! held because nothing may be sent now, is kept and looked at again later; a frame too large to be
//! kept is streamed. Nothing is sent unless the gate is open and its lease valid at that moment.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::resp::{RequestScanner, Scanned, inline, replies};

use super::Worker;
use super::link::Link;
use super::outbox::BULK_MIN;
use super::pool;
use super::session::{Route, Session};
use super::slot::Kind;

/// A frame longer than this is streamed to the link instead of being collected first.
const STREAM_MIN: usize = BULK_MIN;

/// A client's input that is not yet passed on.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(super) scanner: RequestScanner,
    /// Input that is incomplete or held; begins with a frame.
    carry: Vec<u8>,
    /// Bytes of `carry` the scanner has seen; `<= carry.len()`.
    scanned: usize,
    /// Bytes of `carry` that were kept while the gate was not open, or before a switch.
    held_len: usize,
    /// The generation whose gate was open when `carry` was last kept; none while it was shut.
    kept_in: Option<u64>,
    /// Where the rest of the frame at hand goes, if its beginning is gone already.
    streaming: Streaming,
    /// An answer must come before anything more may be sent.
    pub(super) blocked: bool,
    /// The client has presented what it must where Steadfast logs in for it.
    pub(super) admitted: bool,
    /// MULTI was sent and neither EXEC nor DISCARD nor RESET since.
    pub(super) in_multi: bool,
    /// A HELLO is part of the transaction: EXEC may change the RESP version.
    pub(super) hello_in_multi: bool,
    /// Nothing more is taken in: QUIT, or input that makes no sense.
    pub(super) done: bool,
    /// Since when commands wait for a link.
    waiting_since: Option<Instant>,
    /// How long those had waited that were last sent or refused.
    waited: Duration,
    held: bool,
}

/// A frame too large to be collected first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Streaming {
    /// There is none.
    No,
    /// Its beginning has gone to the link.
    ToLink,
    /// It was refused; the rest is read and forgotten.
    Nowhere,
}

/// What may be done with a command now.
#[derive(Debug)]
pub(super) enum Permit {
    /// Send it.
    Send(Rc<Link>),
    /// Answer that there is no primary.
    Refuse,
    /// Only logging in is possible.
    Login,
    /// Keep it.
    Wait,
}

/// Positions in the buffer at hand: `run..frame` is ready to be sent, `frame..scan` is what the
/// scanner has seen of the next frame.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    run: usize,
    frame: usize,
    scan: usize,
}

impl Intake {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            scanner: RequestScanner::new(),
            carry: Vec::new(),
            scanned: 0,
            held_len: 0,
            kept_in: None,
            streaming: Streaming::No,
            blocked: false,
            admitted: config.client_password.is_none(),
            in_multi: false,
            hello_in_multi: false,
            done: false,
            waiting_since: None,
            waited: Duration::ZERO,
            held: false,
        }
    }

    /// Whether input is kept that could be acted on if the situation allowed it.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.done && self.scanned < self.carry.len()
    }

    fn end_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited = since.elapsed();
        }
    }

    /// How long there has been no primary for the command at hand.
    pub(super) fn outage(&self, worker: &Worker) -> Duration {
        // With the gate open it is the dials that failed, or a hold that has just ended.
        match worker.gate_is_open() {
            true => self.waited,
            false => worker.outage_so_far(),
        }
    }

    /// Notes what of the input at hand an outage has held.
    fn note_outage(&mut self, worker: &Worker) {
        let now = worker.gate_is_open().then(|| worker.generation());
        if now.is_none() || now != self.kept_in {
            self.held_len = self.carry.len();
        }
        self.kept_in = now;
    }

    /// Whether input is kept that an outage has held, or holds.
    pub(crate) fn is_held(&self, worker: &Worker) -> bool {
        let now = worker.gate_is_open().then(|| worker.generation());
        self.is_waiting() && (self.held_len > 0 || now.is_none() || now != self.kept_in)
    }

    /// Whether a frame that begins at `at` was held by an outage.
    fn was_held(&self, at: usize) -> bool {
        at < self.held_len
    }

    /// Whether half of a frame has gone to the link.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming == Streaming::ToLink
    }

    /// Body bytes of the streamed frame that can be passed on unseen.
    pub(crate) fn streamed_body_left(&self) -> usize {
        if self.is_streaming() && self.carry.is_empty() {
            // The line end after the body is the scanner's to check.
            self.scanner.body_left().saturating_sub(2)
        } else {
            0
        }
    }

    /// So many body bytes were passed on unseen.
    pub(crate) fn skip_body(&mut self, n: usize) {
        let skipped = self.scanner.skip_body(n);
        debug_assert!(skipped, "no more was read than the body has");
    }

    /// Nothing is sent before the node has said what it is.
    pub(crate) fn await_role(&mut self) {
        self.blocked = true;
    }

    /// The answer that was waited for has come.
    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Keeps the count of sessions whose commands wait.
    pub(crate) fn set_held(&mut self, worker: &Worker, held: bool) {
        match (self.held, held) {
            (false, true) => worker.counters.held.add(1),
            (true, false) => worker.counters.held.sub(1),
            _ => {}
        }
        self.held = held;
    }

    /// Has a rewritten command looked at next, in place of the one at hand.
    pub(super) fn replace_by(&mut self, frame: Vec<u8>) {
        self.carry = frame;
    }

    /// Keeps what is left of `buffer`, of which the scanner has seen `scanned` bytes.
    fn keep(&mut self, buffer: &[u8], from: usize, scanned: usize) {
        self.carry.extend_from_slice(&buffer[from..]);
        self.scanned = scanned;
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
        !intake.is_waiting() || intake.carry.len() < self.worker.config.max_held_bytes_per_client
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
    }

    /// Goes on with input that was kept, if anything of it can be acted on.
    pub(super) fn resume(self: &Rc<Self>) {
        let mut intake = self.intake.borrow_mut();
        if intake.is_waiting() || intake.is_streaming() {
            intake.note_outage(&self.worker);
            self.work_off_carry(&mut intake);
        }
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
        let mut at = Cursor {
            run: 0,
            frame: 0,
            scan: scanned,
        };
        let mut commands = 0;
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
            match intake.scanner.scan(&buffer[at.scan..]) {
                Ok(Scanned::More) => {
                    at.scan = buffer.len();
                    self.stream(intake, buffer, &mut at, &permit);
                }
                Ok(Scanned::Nothing { len }) => {
                    self.flush(buffer, &mut at, &permit);
                    at = Cursor {
                        run: at.scan + len,
                        frame: at.scan + len,
                        scan: at.scan + len,
                    };
                }
                Ok(Scanned::Command { len }) => {
                    at.scan += len;
                    commands += 1;
                    permit = self.command(intake, buffer, &mut at, permit);
                }
                Ok(Scanned::Inline { len }) => {
                    self.flush(buffer, &mut at, &permit);
                    at.scan += len;
                    commands += 1;
                    let held = intake.was_held(at.frame);
                    permit = self.inline(intake, &buffer[at.frame..at.scan], permit, held);
                    at.frame = at.scan;
                    at.run = at.scan;
                }
                Err(error) => {
                    self.flush(buffer, &mut at, &permit);
                    tracing::debug!(event = "protocol_error", %error);
                    self.give_up_streaming(intake);
                    self.answer(&permit, &replies::protocol_error(&error));
                    self.end_after_answers(intake, &permit);
                }
            }
        }
        self.flush(buffer, &mut at, &permit);
        self.worker.counters.commands.add(commands);
        if intake.done {
            at = Cursor {
                run: buffer.len(),
                frame: buffer.len(),
                scan: buffer.len(),
            };
        }
        intake.set_held(
            &self.worker,
            matches!(permit, Permit::Wait) && at.scan < buffer.len(),
        );
        at
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
                return permit;
            }
            Streaming::Nowhere => {
                *at = Cursor {
                    run: at.scan,
                    frame: at.scan,
                    scan: at.scan,
                };
                return permit;
            }
        }
        if let Permit::Send(link) = &permit
            && let Some(kind) = intake.ordinary()
        {
            link.expect(self, kind);
            at.frame = at.scan;
            return permit;
        }
        self.flush(buffer, at, &permit);
        let held = intake.was_held(at.frame);
        let permit = self.act(intake, &buffer[at.frame..at.scan], permit, held);
        at.frame = at.scan;
        at.run = at.scan;
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
                let permit = self.act(intake, &frame, permit, held);
                intake.scanner = outer;
                permit
            }
            Err(error) => {
                self.answer(&permit, &replies::protocol_error(&error));
                self.end_after_answers(intake, &permit);
                permit
            }
        }
    }

    /// The frame at hand is incomplete. If it is large, what is there of it goes on now.
    fn stream(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: &Permit,
    ) {
        let large = intake.scanner.body_left().max(at.scan - at.frame) > STREAM_MIN;
        match (intake.streaming, permit) {
            (Streaming::No, _) if !large => return,
            (Streaming::No, Permit::Send(link)) if !intake.must_be_whole() => {
                self.flush(buffer, at, permit);
                intake.streaming = Streaming::ToLink;
                link.expect(self, intake.streamed_kind());
            }
            (Streaming::No, Permit::Refuse) => {
                self.refuse(intake, permit);
                intake.streaming = Streaming::Nowhere;
            }
            (Streaming::No, _) => {
                self.flush(buffer, at, permit);
                self.answer(permit, replies::TOO_BIG);
                self.end_after_answers(intake, permit);
            }
            (Streaming::ToLink | Streaming::Nowhere, _) => {}
        }
        at.frame = at.scan;
        if intake.streaming == Streaming::ToLink {
            self.flush(buffer, at, permit);
        } else {
            at.run = at.scan;
        }
    }

    /// Sends the complete commands that have been gathered.
    fn flush(&self, buffer: &[u8], at: &mut Cursor, permit: &Permit) {
        if let Permit::Send(link) = permit
            && at.run < at.frame
        {
            link.send(&buffer[at.run..at.frame]);
        }
        at.run = at.frame;
    }

    /// Whether commands may be sent now, and where; asks the pool for a link if that is missing.
    pub(super) fn permit(self: &Rc<Self>, intake: &mut Intake) -> Permit {
        if intake.blocked {
            return Permit::Wait;
        }
        if !intake.admitted {
            return Permit::Login;
        }
        let live = self.worker.is_live_now();
        let mut route = self.route.borrow_mut();
        match &*route {
            Route::Attached(link) if live && self.worker.generation() == link.generation => {
                if link.has_ended() {
                    return Permit::Wait;
                }
                intake.end_wait();
                return Permit::Send(link.clone());
            }
            Route::None if live && !self.has_waited_enough(intake) => {
                *route = Route::Connecting;
                pool::connect(self);
            }
            Route::None if live => {
                intake.end_wait();
                return Permit::Refuse;
            }
            _ => {}
        }
        if self.worker.outage_has_outlasted_hold() {
            intake.end_wait();
            return Permit::Refuse;
        }
        intake.waiting_since.get_or_insert_with(Instant::now);
        Permit::Wait
    }

    /// Whether dials have failed for as long as a command is held.
    fn has_waited_enough(&self, intake: &Intake) -> bool {
        let hold = self.worker.topology().hold_timeout;
        intake
            .waiting_since
            .is_some_and(|since| since.elapsed() >= hold)
    }

    /// Answers the command at hand ourselves, after everything still due before it.
    pub(super) fn answer(self: &Rc<Self>, permit: &Permit, reply: &[u8]) {
        match self.link_with_work(permit) {
            Some(link) => link.expect(self, Kind::Local(reply.into())),
            None => self.deliver_local(reply),
        }
    }

    /// Takes in no more and ends the session once everything before is answered.
    pub(super) fn end_after_answers(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        intake.done = true;
        match self.link_with_work(permit) {
            Some(link) => link.expect(self, Kind::Close),
            None => self.close_after_flush(),
        }
    }

    /// The rest of the frame at hand will never be sent, so no reply to it is waited for. The link
    /// has to end with the session: the server still waits for that rest.
    fn give_up_streaming(&self, intake: &mut Intake) {
        if intake.is_streaming()
            && let Route::Attached(link) = &*self.route.borrow()
        {
            link.unexpect();
        }
        intake.streaming = Streaming::No;
    }

    fn link_with_work(&self, permit: &Permit) -> Option<Rc<Link>> {
        let link = match (permit, &*self.route.borrow()) {
            (Permit::Send(link), _) | (_, Route::Attached(link)) => link.clone(),
            _ => return None,
        };
        (link.slots() > 0).then_some(link)
    }
}
