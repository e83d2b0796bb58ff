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

use super::link::Link;
use super::outbox::Spare;
use super::session::Session;
use super::slot::{Kind, Slot, Slots};

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
    /// The node turned out to be no primary, or refused our login.
    Rejected,
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
            Self::Rejected => f.write_str("the node is no primary, or refused our login"),
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
    pub(super) slots: Slots,
    pub(super) replies: ReplyScanner,
    mode: Mode,
    gathered: Vec<u8>,
}

impl Router {
    pub(super) fn new(owner: Rc<Session>) -> Self {
        Self {
            owner: Some(owner),
            slots: Slots::default(),
            replies: ReplyScanner::new(),
            mode: Mode::Start,
            gathered: Vec::new(),
        }
    }

    /// Lets go of all sessions.
    pub(super) fn release(&mut self) {
        self.slots.clear();
        self.owner = None;
    }

    /// Notes a command as in flight.
    pub(super) fn expect(&mut self, owner: &Rc<Session>, kind: Kind) {
        if kind == Kind::Monitor && self.slots.len() == 0 && skips_monitor(owner) {
            return;
        }
        self.slots.push(owner, kind);
    }

    /// Distinct runs of commands in flight.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
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
                self.mode = self.begin(chunk[at]);
            }
            let rest = &chunk[at..];
            let done = self.replies.scan(rest).map_err(Fault::Protocol)?;
            let piece = at..at + done.unwrap_or(rest.len());
            match self.mode {
                Mode::Passing(verdict) => self.pass(chunk, run, piece.clone(), verdict),
                _ => self.gather(chunk, run, piece.clone(), done.is_some(), link)?,
            }
            if done.is_some() {
                self.finish_frame(chunk, run);
            }
            at = piece.end;
        }
        Ok(())
    }

    /// The common case is told by one byte: an ordinary reply to an ordinary command.
    fn begin(&mut self, first: u8) -> Mode {
        match self.slots.front() {
            Some(Slot {
                owner,
                kind: Kind::Plain | Kind::Blocking,
                ..
            }) if first != b'>' && owner.state.borrow().is_plain() => Mode::Passing(Verdict {
                deliver: true,
                reply: true,
            }),
            _ => Mode::Gathering,
        }
    }

    fn pass(&mut self, chunk: &[u8], run: &mut Run, piece: Range<usize>, verdict: Verdict) {
        if verdict.deliver {
            run.extend(piece);
        } else {
            run.flush(chunk, self.owner.as_deref());
        }
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
                    self.pass(chunk, run, piece, verdict);
                } else {
                    run.flush(chunk, self.owner.as_deref());
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
        let head = self.slots.front();
        head.is_some_and(|head| matches!(head.kind, Kind::Refusal(_)))
    }

    fn finish_frame(&mut self, chunk: &[u8], run: &mut Run) {
        if let Mode::Passing(Verdict { reply: true, .. }) = self.mode {
            self.slots.pop();
        }
        self.mode = Mode::Start;
        self.settle(chunk, run);
    }

    /// Carries out what is due now and needs no reply: our own answers, and ends.
    fn settle(&mut self, chunk: &[u8], run: &mut Run) {
        while let Some(Slot { owner, kind, .. }) = self.slots.front() {
            match kind {
                Kind::Local(reply) => {
                    run.flush(chunk, Some(owner));
                    owner.deliver_local(reply);
                }
                Kind::Close => {
                    run.flush(chunk, Some(owner));
                    owner.close_after_flush();
                }
                Kind::Monitor if skips_monitor(owner) => {}
                _ => return,
            }
            self.slots.pop();
        }
    }

    /// Whether the oldest command may have no reply for ever, or the stream has no end.
    pub(super) fn waits_for_blocked(&self) -> bool {
        let endless = |owner: &Rc<Session>| {
            let state = owner.state.borrow();
            state.is_subscribed() || state.monitor
        };
        match self.slots.front() {
            Some(head) => head.kind == Kind::Blocking || endless(&head.owner),
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

/// Whether a MONITOR that is due now gets no reply at all; it still uses up a CLIENT REPLY SKIP.
fn skips_monitor(owner: &Session) -> bool {
    let mut state = owner.state.borrow_mut();
    let skips = state.ignores_monitor();
    if skips {
        state.take_skip();
    }
    skips
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
