//! Pairs what a link reads with the commands it answers, and hands each reply to its session.
//!
//! Ordinary replies are passed on in runs, straight from the read buffer, as they come. A frame
//! whose meaning depends on its content (a confirmation of SUBSCRIBE, the answer to HELLO, what a
//! subscriber or a monitor receives) is gathered until it can be told (`verdict`).

use std::fmt;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use bytes::BytesMut;

use crate::resp::{ReplyError, ReplyScanner};

use super::flight::{Flight, Remains};
use super::link::Link;
use super::outbox::Spare;
use super::refusing::{Case, Refused};
use super::session::Session;
use super::slot::{Kind, Slot};

/// A reply that came in part is passed on whole if it is no longer than this.
const PARTIAL_MAX: usize = 16 * 1024;
/// A frame that has to be seen whole may be this long: a confirmation repeats a channel's name.
const GATHER_MAX: usize = 1024 * 1024;

/// Why a link is of no more use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// We ended it.
    Ended,
    /// The server closed it.
    Eof,
    /// The socket failed.
    Io(io::Error),
    /// The server sent what is no RESP.
    Protocol(ReplyError),
    /// A reply nobody asked for: pairing is lost.
    Unasked,
    /// A frame we must understand is longer than [`GATHER_MAX`].
    TooLong,
    /// The node turned out to be no primary, or refused what it would take as one.
    Rejected,
    /// The server does not let the client be what it was before: its password or rights were
    /// taken away.
    Revoked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("ended by us"),
            Self::Eof => f.write_str("closed by the server"),
            Self::Io(error) => write!(f, "{error}"),
            Self::Protocol(error) => write!(f, "not RESP: {error}"),
            Self::Unasked => f.write_str("a reply without a command"),
            Self::TooLong => f.write_str("a reply too long to be understood"),
            Self::Rejected => f.write_str("the node does not act as primary"),
            Self::Revoked => f.write_str("the client's login or rights are gone"),
        }
    }
}

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

/// The reading half of a link.
#[derive(Debug)]
pub(crate) struct Router {
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
}

impl Router {
    pub(super) fn new(owner: Rc<Session>) -> Self {
        Self {
            owner: Some(owner),
            flight: None,
            replies: ReplyScanner::new(),
            mode: Mode::Start,
            gathered: Vec::new(),
            in_delivery: false,
            refused: None,
        }
    }

    /// Lets go of all sessions.
    pub(super) fn release(&mut self) {
        self.flight = None;
        self.refused = None;
        self.owner = None;
    }

    /// What was in flight, oldest first, of which the last `unwritten` bytes never left.
    pub(super) fn take_cases(&mut self, unwritten: usize) -> Vec<Case> {
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
        self.flight(owner).push(owner, kind, len);
    }

    /// As [`Router::expect`], for what cannot be sent again.
    pub(super) fn expect_unkept(&mut self, owner: &Rc<Session>, kind: Kind, len: usize) {
        self.flight(owner).push_unkept(owner, kind, len);
    }

    fn flight(&mut self, owner: &Rc<Session>) -> &mut Flight {
        self.flight
            .get_or_insert_with(|| owner.worker.flights.take())
    }

    /// Keeps what is sent for the commands noted last.
    pub(super) fn keep(&mut self, sent: &[u8]) {
        if let Some(flight) = &mut self.flight {
            flight.keep(sent);
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
        let Some(flight) = &mut self.flight else {
            return;
        };
        flight.pop();
        if flight.is_empty()
            && let (Some(flight), Some(owner)) = (self.flight.take(), &self.owner)
        {
            owner.worker.flights.put(flight);
        }
    }

    /// Whether a MULTI is in flight behind the oldest command.
    pub(super) fn has_later_multi(&self) -> bool {
        let flight = self.flight.as_ref();
        flight.is_some_and(|flight| flight.has_later(&Kind::Multi))
    }

    /// Distinct runs of commands in flight.
    pub(super) fn slots(&self) -> usize {
        self.flight.as_ref().map_or(0, |flight| flight.len())
    }

    /// Bytes of a reply body that can be passed on unseen.
    pub(super) fn passing_body_left(&self) -> usize {
        match self.mode {
            // The line end after the body is the scanner's to check.
            Mode::Passing(_) => self.replies.body_left().saturating_sub(2),
            Mode::Start | Mode::Gathering => 0,
        }
    }

    /// Passes on a part of a large body, all of which belongs to the frame at hand.
    pub(super) fn pass_body(&mut self, buffer: BytesMut, spare: &Spare) {
        let skipped = self.replies.skip_body(buffer.len());
        debug_assert!(skipped, "no more was read than the body has");
        match (self.mode, &self.owner) {
            (Mode::Passing(Verdict { deliver: true, .. }), Some(owner)) => {
                owner.deliver_buffer(buffer)
            }
            _ => spare.put(buffer),
        }
    }

    /// Takes in what was read: pairs each frame with its command and passes it on.
    ///
    /// # Errors
    /// When the stream makes no sense any more; the link must end.
    pub(super) fn route(&mut self, chunk: &[u8], link: &Link) -> Result<(), Fault> {
        let mut run = Run::default();
        let routed = self.route_frames(chunk, &mut run, link);
        // What came before a fault is the client's all the same.
        run.flush(chunk, self.owner.as_deref());
        routed
    }

    fn route_frames(&mut self, chunk: &[u8], run: &mut Run, link: &Link) -> Result<(), Fault> {
        let mut at = 0;
        while at < chunk.len() {
            if self.mode == Mode::Start {
                self.mode = self.begin(chunk[at], link);
            }
            let rest = &chunk[at..];
            let done = self.replies.scan(rest).map_err(Fault::Protocol)?;
            let piece = at..at + done.unwrap_or(rest.len());
            match self.mode {
                Mode::Passing(verdict) => {
                    self.pass(chunk, run, piece.clone(), verdict, done.is_some());
                }
                _ => self.gather(chunk, run, piece.clone(), done.is_some(), link)?,
            }
            if done.is_some() {
                self.finish_frame(chunk, run);
                if self.has_refused_all() {
                    return Err(Fault::Rejected);
                }
            }
            at = piece.end;
        }
        Ok(())
    }

    /// The common case is told by one byte: an ordinary reply to an ordinary command.
    fn begin(&mut self, first: u8, link: &Link) -> Mode {
        match self.head() {
            Some(Slot {
                owner,
                kind: Kind::Plain | Kind::Blocking(_),
                ..
            }) if !matches!(first, b'>' | b'-')
                && self.refused.is_none()
                && !link.is_unblocked_by_us()
                && owner.state.borrow().is_plain() =>
            {
                Mode::Passing(Verdict {
                    deliver: true,
                    reply: true,
                })
            }
            _ => Mode::Gathering,
        }
    }

    fn pass(
        &mut self,
        chunk: &[u8],
        run: &mut Run,
        piece: Range<usize>,
        verdict: Verdict,
        whole: bool,
    ) {
        if !verdict.deliver {
            return run.flush(chunk, self.owner.as_deref());
        }
        if self.gathered.is_empty() && (whole || self.in_delivery || !self.is_short(piece.len())) {
            self.in_delivery |= !whole;
            return run.extend(piece);
        }
        run.flush(chunk, self.owner.as_deref());
        self.gathered.extend_from_slice(&chunk[piece]);
        if whole || !self.is_short(self.gathered.len()) {
            self.in_delivery |= !whole;
            let whole_so_far = std::mem::take(&mut self.gathered);
            self.owner
                .iter()
                .for_each(|owner| owner.deliver(&whole_so_far));
        }
    }

    /// Whether a frame of which so much is there may be kept until it is whole.
    fn is_short(&self, len: usize) -> bool {
        len.saturating_add(self.replies.body_left()) <= PARTIAL_MAX
    }

    fn gather(
        &mut self,
        chunk: &[u8],
        run: &mut Run,
        piece: Range<usize>,
        whole: bool,
        link: &Link,
    ) -> Result<(), Fault> {
        let here = self.gathered.is_empty();
        if !here {
            self.gathered.extend_from_slice(&chunk[piece.clone()]);
        }
        if self.answers_itself() {
            run.flush(chunk, self.owner.as_deref());
        }
        let gathered = std::mem::take(&mut self.gathered);
        let frame = if here {
            &chunk[piece.clone()]
        } else {
            &gathered
        };
        match self.verdict(frame, whole, link)? {
            Some(verdict) => {
                self.mode = Mode::Passing(verdict);
                if here || !verdict.deliver {
                    self.pass(chunk, run, piece, verdict, whole);
                } else {
                    run.flush(chunk, self.owner.as_deref());
                    self.in_delivery = !whole;
                    self.owner.iter().for_each(|owner| owner.deliver(&gathered));
                }
            }
            None if frame.len() > GATHER_MAX => return Err(Fault::TooLong),
            None => self.gathered = if here { frame.to_vec() } else { gathered },
        }
        Ok(())
    }

    /// Whether the verdict on the reply that is due may hand the client an answer of our own, which
    /// must not overtake the replies of this run.
    fn answers_itself(&self) -> bool {
        let head = self.head();
        head.is_some_and(|head| match head.kind {
            Kind::Refusal(_) | Kind::LostWatch => true,
            Kind::ClientId | Kind::RedirectTarget | Kind::Hello(_) | Kind::Wait => true,
            Kind::Exec => head.owner.state.borrow().queues_settings(),
            _ => false,
        })
    }

    fn finish_frame(&mut self, chunk: &[u8], run: &mut Run) {
        if let Mode::Passing(Verdict { reply: true, .. }) = self.mode {
            self.pop();
        }
        self.mode = Mode::Start;
        self.in_delivery = false;
        self.settle(chunk, run);
    }

    /// Carries out what is due now and needs no reply: our own answers, and ends.
    fn settle(&mut self, chunk: &[u8], run: &mut Run) {
        while let Some(Slot { owner, kind, .. }) = self.head() {
            match kind {
                Kind::Restored => {
                    run.flush(chunk, Some(owner));
                    owner.restored();
                }
                Kind::Local(_) | Kind::Close if self.refused.is_some() => {
                    self.hold_back_own();
                    continue;
                }
                Kind::Local(reply) => {
                    run.flush(chunk, Some(owner));
                    owner.deliver_local(reply);
                }
                Kind::Close => {
                    run.flush(chunk, Some(owner));
                    owner.close_after_flush();
                }
                Kind::Monitor if owner.skips_monitor() => {}
                _ => return,
            }
            self.pop();
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

impl Session {
    /// Whether a MONITOR that is due now gets no reply at all; it still uses up a CLIENT REPLY SKIP.
    pub(super) fn skips_monitor(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let skips = state.ignores_monitor();
        if skips {
            state.take_skip();
        }
        skips
    }
}

/// Neighbouring frames for one session, written to it in one go.
#[derive(Debug, Default)]
struct Run(Range<usize>);

impl Run {
    fn extend(&mut self, piece: Range<usize>) {
        if self.0.is_empty() {
            self.0 = piece;
        } else {
            self.0.end = piece.end;
        }
    }

    fn flush(&mut self, chunk: &[u8], owner: Option<&Session>) {
        let run = std::mem::take(&mut self.0);
        if let Some(owner) = owner
            && !run.is_empty()
        {
            owner.deliver(&chunk[run]);
        }
    }
}
