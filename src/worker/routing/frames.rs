//! Frame by frame: the scanner finds where each ends, `verdict` says what it is, and it is passed on
//! at once, gathered until it can be told, or swallowed. What is due after it and needs no reply is
//! carried out in its turn.

use std::ops::Range;
use std::rc::Rc;

use crate::worker::link::Link;
use crate::worker::session::Session;
use crate::worker::slot::{Kind, Slot};

use super::run::Run;
use super::{Fault, Mode, Router, Verdict};

/// A reply that came in part is passed on whole if it is no longer than this.
const PARTIAL_MAX: usize = 16 * 1024;
/// A frame that has to be seen whole may be this long: a confirmation repeats a channel's name.
const GATHER_MAX: usize = 1024 * 1024;

impl Router {
    /// Takes in what was read: pairs each frame with its command and passes it on.
    ///
    /// # Errors
    /// When the stream makes no sense any more; the link must end.
    pub(in crate::worker) fn route(&mut self, chunk: &[u8], link: &Link) -> Result<(), Fault> {
        self.owing.read(chunk.len());
        self.note_read();
        let mut run = Run::default();
        let routed = self.route_frames(chunk, &mut run, link);
        // What came before a fault is the client's all the same.
        run.flush(chunk, self.client().map(AsRef::as_ref));
        routed
    }

    fn route_frames(&mut self, chunk: &[u8], run: &mut Run, link: &Link) -> Result<(), Fault> {
        let mut at = 0;
        while at < chunk.len() {
            if self.mode == Mode::Start {
                self.mode = self.begin(&chunk[at..], link);
            }
            let rest = &chunk[at..];
            let done = self.replies.scan(rest).map_err(Fault::Protocol)?;
            let piece = at..at + done.unwrap_or(rest.len());
            if self.owner.is_none() && done.is_none() {
                self.leave_out_large(piece.len());
            }
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
    fn begin(&mut self, frame: &[u8], link: &Link) -> Mode {
        let first = frame.first().copied().unwrap_or_default();
        if first == b'+' && self.may_be_mixed(frame) {
            return Mode::Gathering;
        }
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
            return run.flush(chunk, self.client().map(AsRef::as_ref));
        }
        if self.gathered.is_empty() && (whole || self.in_delivery || !self.keeps(piece.len())) {
            self.in_delivery |= !whole;
            return run.extend(piece);
        }
        run.flush(chunk, self.client().map(AsRef::as_ref));
        self.gathered.extend_from_slice(&chunk[piece]);
        if whole || !self.keeps(self.gathered.len()) {
            self.in_delivery |= !whole;
            let whole_so_far = std::mem::take(&mut self.gathered);
            let client = self.client().into_iter();
            client.for_each(|client| client.deliver(&whole_so_far));
        }
    }

    /// Whether a frame of which so much is there is kept until it is whole.
    fn keeps(&self, len: usize) -> bool {
        let known = len.saturating_add(self.replies.body_left());
        known <= PARTIAL_MAX || self.keeps_array(known)
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
            run.flush(chunk, self.client().map(AsRef::as_ref));
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
                    run.flush(chunk, self.client().map(AsRef::as_ref));
                    self.in_delivery = !whole;
                    let client = self.client().into_iter();
                    client.for_each(|client| client.deliver(&gathered));
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
            self.count_reply(chunk, run);
        }
        self.mode = Mode::Start;
        self.in_delivery = false;
        self.settle(chunk, run);
    }

    /// The frame at hand was the reply to the oldest command.
    fn count_reply(&mut self, chunk: &[u8], run: &mut Run) {
        if let Some(Slot {
            owner,
            kind: Kind::Blocking(_),
            ..
        }) = self.head()
        {
            owner.pop_answered();
        }
        if self.owner.is_none() {
            self.end_run(chunk, run);
        }
        self.pop();
    }

    /// What comes next on a shared link may be another client's.
    fn end_run(&self, chunk: &[u8], run: &mut Run) {
        let Some(flight) = &self.flight else { return };
        let Some(head) = flight.front().filter(|head| head.count == 1) else {
            return;
        };
        let goes_on = |next: &Slot| Rc::ptr_eq(&next.owner, &head.owner);
        if !flight.second().is_some_and(goes_on) {
            run.flush(chunk, Some(&head.owner));
        }
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
}

impl Session {
    /// Whether a MONITOR that is due now gets no reply at all; it still uses up a CLIENT REPLY SKIP.
    pub(in crate::worker) fn skips_monitor(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let skips = state.ignores_monitor();
        if skips {
            state.take_skip();
        }
        skips
    }
}
