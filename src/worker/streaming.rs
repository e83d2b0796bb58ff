//! Commands too large to be collected first: what is there of one goes on at once, and the rest as it
//! comes. Such a command is not kept, so it cannot be sent again.

use std::rc::Rc;

use tokio::time::Instant;

use crate::resp::{Class, ProtocolError, Scanned, Special, replies, special};

use super::Worker;
use super::cutting::Cursor;
use super::identity::may_name_clients;
use super::intake::{Intake, Streaming};
use super::outbox::BULK_MIN;
use super::permit::Permit;
use super::session::{Route, Session};
use super::slot::Kind;

/// A frame longer than this is streamed to the link instead of being collected first.
pub(super) const STREAM_MIN: usize = BULK_MIN;

impl Session {
    /// The frame at hand is incomplete. If it is large, what is there of it goes on now.
    pub(super) fn stream(
        self: &Rc<Self>,
        intake: &mut Intake,
        buffer: &[u8],
        at: &mut Cursor,
        permit: &Permit,
    ) {
        let large = intake.scanner.body_left().max(at.scan - at.frame) > STREAM_MIN
            || self.is_for_server_alone(intake, &buffer[at.frame..at.scan], permit);
        if intake.streaming == Streaming::No && large {
            intake.begun = self.worker.looks.count();
        }
        if large && let Some(word) = self.refuses(intake, permit, &buffer[at.frame..at.scan]) {
            self.flush(buffer, at, permit);
            self.answer_read_only(intake, permit, word);
            intake.streaming = Streaming::Nowhere;
            (at.run, at.frame) = (at.scan, at.scan);
            return;
        }
        match (intake.streaming, permit) {
            (Streaming::No, _) if !large => return,
            (Streaming::No, _) if intake.is_part_of_hopeless() => {
                self.flush(buffer, at, permit);
                self.queue_in_vain(intake, permit);
                intake.streaming = Streaming::Nowhere;
            }
            (Streaming::No, Permit::Send(link))
                if !intake.must_be_whole(&buffer[at.frame..at.scan]) =>
            {
                self.flush(buffer, at, permit);
                self.note_traces(&buffer[at.frame..at.scan]);
                intake.streaming = Streaming::ToLink;
                // By what is there of it: its name, and mostly its first arguments.
                let class = self.worker.class(&buffer[at.frame..at.scan]);
                let kind = intake.streamed_kind();
                intake.awaits_pop = matches!(kind, Kind::Blocking(_));
                link.begin_streamed(self, kind, class);
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
            Self::flush_streamed(buffer, at, permit);
        } else {
            at.run = at.scan;
        }
    }

    /// Whether the server is to see this beginning of a command at once, because it may refuse it before
    /// the rest is there; once its name is, for what the reply will mean depends on that.
    fn is_for_server_alone(&self, intake: &Intake, beginning: &[u8], permit: &Permit) -> bool {
        let collected = intake.streaming == Streaming::No;
        collected
            && matches!(permit, Permit::Send(_))
            && self.is_beyond_login(intake)
            && !intake.scanner.name().is_empty()
            && !intake.must_be_whole(beginning)
    }

    /// Sends what has come of a command too large to be kept.
    pub(super) fn flush_streamed(buffer: &[u8], at: &mut Cursor, permit: &Permit) {
        if let Permit::Send(link) = permit
            && at.run < at.frame
        {
            link.send_streamed(&buffer[at.run..at.frame]);
        }
        at.run = at.frame;
    }

    /// The rest of the frame at hand will never be sent, so no reply to it is waited for. The link
    /// has to end with the session: the server still waits for that rest.
    pub(super) fn give_up_streaming(&self, intake: &mut Intake) {
        if intake.is_streaming()
            && let Route::Attached(link) = &*self.route.borrow()
        {
            link.unexpect();
        }
        intake.streaming = Streaming::No;
    }
}

impl Intake {
    /// Whether what was found only reads, or may still turn out to: `frame` begins with it, and the
    /// scanner had seen `before` bytes of it already.
    pub(super) fn only_reads(
        &self,
        worker: &Worker,
        frame: &[u8],
        before: usize,
        found: &Result<Scanned, ProtocolError>,
    ) -> bool {
        match found {
            // Of one that was refused already.
            _ if self.streaming != Streaming::No => true,
            Ok(Scanned::Command { len }) => {
                let whole = frame.get(..before + len).unwrap_or_default();
                self.ordinary(whole) == Some(Kind::Plain) && worker.class(whole) == Class::Read
            }
            Ok(Scanned::More) => self.scanner.body_left().max(frame.len()) <= STREAM_MIN,
            Ok(Scanned::Inline { .. }) => false,
            Ok(Scanned::Nothing { .. }) | Err(_) => true,
        }
    }

    /// Whether the command that `beginning` is of cannot be streamed, because all of it has to be
    /// seen first.
    fn must_be_whole(&self, beginning: &[u8]) -> bool {
        match special(self.scanner.name()) {
            _ if self.hopeless => true,
            Special::Auth | Special::Hello | Special::Quit => true,
            Special::Refused | Special::Http => true,
            Special::Client => may_name_clients(beginning),
            Special::Subscribe { .. } | Special::Unsubscribe { .. } => self.in_multi,
            _ => false,
        }
    }

    /// The slot of a command of which only the beginning is there.
    fn streamed_kind(&mut self) -> Kind {
        let names = self.scanner.argc().saturating_sub(1);
        match special(self.scanner.name()) {
            Special::Exec => {
                self.in_multi = false;
                Kind::Exec
            }
            _ if self.in_multi => Kind::Queued,
            Special::Blocking => Kind::Blocking(Instant::now()),
            Special::Subscribe { kind } => Kind::Subscribe(kind, names),
            Special::Unsubscribe { kind } => Kind::Unsubscribe(kind, Some(names)),
            Special::Watch => Kind::Watch,
            Special::Unwatch => Kind::Unwatch,
            Special::Scan { kind } => Kind::Scan(kind),
            Special::Plain | Special::Script | Special::Unheld => Kind::Plain,
            // Most of these are refused with so much to say. Should one succeed, nobody knows what it
            // has set, and its client keeps its link.
            Special::Setting | Special::Client | Special::Monitor | Special::Reset => Kind::Setting,
            Special::Multi | Special::Discard => Kind::Setting,
            // Never streamed.
            Special::Auth | Special::Hello | Special::Quit => Kind::Setting,
            Special::Refused | Special::Http => Kind::Setting,
        }
    }
}
