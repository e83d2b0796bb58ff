//! Pairs what a link reads with the commands it answers, and hands each reply to its session.
//!
//! Ordinary replies are passed on in runs, straight from the read buffer, as they come. A frame
//! whose meaning depends on its content (a confirmation of SUBSCRIBE, the answer to HELLO, what a
//! subscriber or a monitor receives) is gathered until it can be told (`verdict`). This file keeps
//! the queue of what is in flight; `frames` walks what was read.

mod fault;
mod frames;
mod large;
mod owing;
mod run;
mod timing;

use std::rc::Rc;

use bytes::BytesMut;

use crate::resp::{Class, Commands, ReplyScanner};

use super::case::Case;
use super::flight::{Flight, KEPT_MAX, Reads, Remains};
use super::outbox::Spare;
use super::refusing::Refused;
use super::session::Session;
use super::slot::{Kind, Slot};

pub(crate) use fault::Fault;

use owing::Owing;
use timing::{PassedOn, Timed};

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The client gets it.
    pub(super) deliver: bool,
    /// It answers the oldest command in flight.
    pub(super) reply: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// At a frame's start.
    Start,
    /// The verdict is known; bytes go through as they come.
    Passing(Verdict),
    /// More of the frame is needed for a verdict.
    Gathering,
}

/// Bytes kept on a link that is shared.
const SHARED_KEPT_MAX: usize = 4 * KEPT_MAX;

/// The reading half of a link.
#[derive(Debug)]
pub(crate) struct Router {
    /// Whose all commands are; none where each slot has an owner of its own.
    pub(super) owner: Option<Rc<Session>>,
    /// None while nothing is in flight.
    flight: Option<Box<Flight>>,
    pub(super) replies: ReplyScanner,
    mode: Mode,
    /// The beginning of a frame that is not understood yet; or, once it is, of a short reply whose
    /// rest has not come: what the client has not got can still be asked for again.
    gathered: Vec<u8>,
    /// A part of the frame at hand has gone to the client.
    in_delivery: bool,
    /// Replies from the first on that proved that its command was not executed.
    pub(super) refused: Option<Box<Refused>>,
    /// What is due on a link that is shared.
    owing: Owing,
    timed: Option<Timed>,
    passed_on: Option<PassedOn>,
}

impl Router {
    pub(super) fn new(owner: Option<Rc<Session>>) -> Self {
        Self {
            owner,
            flight: None,
            replies: ReplyScanner::new(),
            mode: Mode::Start,
            gathered: Vec::new(),
            in_delivery: false,
            refused: None,
            owing: Owing::default(),
            timed: None,
            passed_on: None,
        }
    }

    /// Lets go of all sessions.
    pub(super) fn release(&mut self) {
        self.timed = None;
        self.flight = None;
        self.refused = None;
        self.owner = None;
    }

    /// What was in flight, oldest first, of which the last `unwritten` bytes never left.
    pub(super) fn take_cases(&mut self, unwritten: usize) -> Vec<Case> {
        self.timed = None;
        let refused = self.refused.take().map_or_else(Vec::new, |it| it.cases);
        let flight = self
            .flight
            .take()
            .map_or_else(Vec::new, |flight| flight.dismantle(unwritten));
        refused
            .into_iter()
            .chain(flight.into_iter().map(Case::unanswered))
            .collect()
    }

    /// Whether a part of a frame has gone to the client already.
    pub(super) fn is_in_delivery(&self) -> bool {
        self.in_delivery
    }

    /// Whether the reply at hand is one the client has asked to be spared.
    pub(super) fn is_muting(&self) -> bool {
        let muted = Verdict {
            deliver: false,
            reply: true,
        };
        self.mode == Mode::Passing(muted)
    }

    /// The oldest command as it was sent, where it is kept.
    pub(super) fn front_frame(&self) -> Option<&[u8]> {
        self.flight.as_ref()?.front_frame()
    }

    /// Notes a command as in flight, for which `len` bytes are sent in the same turn.
    pub(super) fn expect(&mut self, owner: &Rc<Session>, kind: Kind, len: usize) {
        self.count_on(owner);
        self.flight(owner).push(owner, kind, len);
    }

    /// As [`Router::expect`], for what cannot be sent again.
    pub(super) fn expect_unkept(&mut self, owner: &Rc<Session>, kind: Kind, len: usize) {
        self.count_on(owner);
        self.flight(owner).push_unkept(owner, kind, len);
    }

    /// As [`Router::expect_unkept`], for a command of `class` that is sent as it comes.
    pub(super) fn expect_streamed(&mut self, owner: &Rc<Session>, kind: Kind, class: Class) {
        self.count_on(owner);
        self.flight(owner).push_streamed(owner, kind, class);
    }

    /// The class of the oldest command.
    pub(super) fn front_class(&self) -> Class {
        let flight = self.flight.as_ref();
        flight.map_or(Class::Unknown, |flight| flight.front_class())
    }

    fn count_on(&mut self, owner: &Session) {
        if self.owner.is_none() {
            self.owing.add();
            owner.count_on();
        }
    }

    fn flight(&mut self, owner: &Rc<Session>) -> &mut Flight {
        self.flight
            .get_or_insert_with(|| owner.worker.flights.take())
    }

    /// Keeps what is sent for the commands noted last.
    pub(super) fn keep(&mut self, sent: &[u8]) {
        let most = match self.owner {
            Some(_) => KEPT_MAX,
            None => SHARED_KEPT_MAX,
        };
        if let Some(flight) = &mut self.flight {
            flight.keep(sent, most);
        }
    }

    /// More of the command noted last is sent, and not kept.
    pub(super) fn extend_unkept(&mut self, n: usize) {
        if let Some(flight) = &mut self.flight {
            flight.extend_unkept(n);
        }
    }

    /// Takes back what was noted last.
    pub(super) fn unexpect(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.unpush();
        }
    }

    /// The oldest command in flight.
    pub(super) fn head(&self) -> Option<&Slot> {
        self.flight.as_ref()?.front()
    }

    /// The oldest command in flight.
    pub(super) fn head_mut(&mut self) -> Option<&mut Slot> {
        self.flight.as_mut()?.front_mut()
    }

    /// What is known of the oldest command; its slot remains, for its reply to be counted.
    pub(super) fn front_remains(&mut self) -> Option<Remains> {
        self.flight.as_mut()?.front_remains()
    }

    /// Takes the oldest entry out.
    pub(super) fn take_front(&mut self) -> Option<Remains> {
        let remains = self.front_remains();
        self.pop();
        remains
    }

    /// The oldest command is answered.
    fn pop(&mut self) {
        self.come_closer();
        let Some(flight) = &mut self.flight else {
            return;
        };
        if let (None, Some(head)) = (&self.owner, flight.front()) {
            self.owing.settle();
            if head.kind != Kind::Abandoned {
                head.owner.count_off();
            }
        }
        flight.pop();
        if !flight.is_empty() {
            return;
        }
        match &self.owner {
            None => flight.rest(),
            Some(owner) => {
                let done = self.flight.take();
                done.into_iter().for_each(|it| owner.worker.flights.put(it));
            }
        }
    }

    /// Gives up waiting for what only reads, and says whose that was; not in the middle of a reply.
    pub(super) fn abandon_reads(
        &mut self,
        commands: &Commands,
        may_go: impl Fn(&Rc<Session>) -> bool,
    ) -> Vec<Reads> {
        let Some(flight) = self.flight.as_mut().filter(|_| self.refused.is_none()) else {
            return Vec::new();
        };
        let mut readers = flight.readers(commands);
        readers.retain(|(session, _)| may_go(session));
        readers
            .iter()
            .for_each(|(session, _)| flight.abandon(session));
        readers
    }

    /// Gives up what one of those who share the link has in flight: nobody waits for it any more.
    pub(super) fn take_all_of(&mut self, session: &Rc<Session>) -> Vec<Box<[u8]>> {
        let flight = self.flight.as_mut();
        flight.map_or_else(Vec::new, |flight| flight.take_all_of(session))
    }

    /// Whose the frame at hand is.
    fn client(&self) -> Option<&Rc<Session>> {
        let head = || Some(&self.head()?.owner);
        self.owner.as_ref().or_else(head)
    }

    /// Bytes of replies to be expected on a shared link.
    pub(super) fn due(&self) -> u64 {
        self.owing.due()
    }

    /// Bytes that are kept of what is in flight.
    pub(super) fn kept(&self) -> usize {
        self.flight.as_ref().map_or(0, |flight| flight.kept())
    }

    /// Whether nothing has come that is not dealt with.
    pub(super) fn is_at_rest(&self) -> bool {
        self.slots() == 0
            && self.mode == Mode::Start
            && self.gathered.is_empty()
            && !self.is_refused()
    }

    /// Whether a MULTI is in flight behind the oldest command.
    pub(super) fn has_later_multi(&self) -> bool {
        let flight = self.flight.as_ref();
        flight.is_some_and(|flight| flight.has_later(&Kind::Multi))
    }

    /// Commands in flight whose bytes are not kept.
    pub(super) fn unkept(&self) -> u64 {
        self.flight.as_ref().map_or(0, |flight| flight.unkept())
    }

    /// Distinct runs of commands in flight.
    pub(super) fn slots(&self) -> usize {
        self.flight.as_ref().map_or(0, |flight| flight.len())
    }

    /// Bytes of a reply body that can be passed on unseen.
    pub(super) fn passing_body_left(&self) -> usize {
        match self.mode {
            // What is kept of the frame goes first.
            Mode::Passing(_) if !self.gathered.is_empty() => 0,
            // The line end after the body is the scanner's to check.
            Mode::Passing(_) => self.replies.body_left().saturating_sub(2),
            Mode::Start | Mode::Gathering => 0,
        }
    }

    /// Passes on a part of a large body, all of which belongs to the frame at hand.
    pub(super) fn pass_body(&mut self, buffer: BytesMut, spare: &Spare) {
        self.owing.read(buffer.len());
        let skipped = self.replies.skip_body(buffer.len());
        debug_assert!(skipped, "no more was read than the body has");
        match (self.mode, self.client()) {
            (Mode::Passing(Verdict { deliver: true, .. }), Some(client)) => {
                // Its next one shall not be in the way of others.
                client.note_bulk();
                client.deliver_buffer(buffer);
            }
            _ => spare.put(buffer),
        }
    }

    /// Whether the oldest command may have no reply for ever, or the stream has no end.
    pub(super) fn waits_for_blocked(&self) -> bool {
        let endless = |owner: &Rc<Session>| owner.state.borrow().is_listening();
        match self.head() {
            Some(head) => {
                matches!(head.kind, Kind::Blocking(_) | Kind::Wait) || endless(&head.owner)
            }
            None => self.owner.as_ref().is_some_and(endless),
        }
    }

    pub(super) fn owner_is_congested(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| owner.is_congested())
    }

    pub(super) fn owner_is_half_closed(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| owner.is_half_closed())
    }

    pub(super) fn wake_owner(&self) {
        if let Some(owner) = &self.owner {
            owner.wake();
        }
    }
}
