//! What a lost link left behind and the next one gets, in order: commands to be sent again, and
//! answers that must not overtake them.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::resp::{Args, blocking};

use super::intake::Intake;
use super::link::Link;
use super::login;
use super::permit::Permit;
use super::pool;
use super::session::{Route, Session};
use super::slot::Kind;

/// Longest an alarm is set for: it outlives the session it was set for.
const ALARM_MAX: Duration = Duration::from_secs(60);

/// One thing to be done.
#[derive(Debug)]
pub(super) enum Item {
    /// To be sent again.
    Command {
        kind: Kind,
        frame: Box<[u8]>,
        /// It may have been executed, without any effect.
        maybe_executed: bool,
    },
    /// To be told to the client.
    Answer(Box<[u8]>),
    /// The session ends here.
    End,
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Command { frame: bytes, .. } | Self::Answer(bytes) => bytes_of(bytes),
            Self::End => bytes_of(&[]),
        }
    }
}

/// What keeping something of these bytes takes up.
pub(super) fn bytes_of(bytes: &[u8]) -> usize {
    bytes.len() + size_of::<Item>()
}

/// All of it; a session without one pays for a pointer.
#[derive(Debug, Default)]
pub(super) struct Backlog(Option<Box<Items>>);

#[derive(Debug, Default)]
struct Items {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Backlog {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of the commands and answers that wait.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |items| items.bytes)
    }

    pub(super) fn push_front(&mut self, item: Item) {
        let items = self.0.get_or_insert_default();
        items.bytes += item.bytes();
        items.items.push_front(item);
    }

    /// Takes over what a lost link leaves behind; nothing else may wait.
    pub(super) fn put(&mut self, items: VecDeque<Item>) {
        let bytes = items.iter().map(Item::bytes).sum();
        self.0 = (!items.is_empty()).then(|| Box::new(Items { items, bytes }));
    }

    /// Gives up all of it.
    pub(super) fn take(&mut self) -> VecDeque<Item> {
        self.0.take().map_or_else(VecDeque::new, |all| all.items)
    }

    fn front(&self) -> Option<&Item> {
        self.0.as_ref()?.items.front()
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let all = self.0.as_mut()?;
        let item = all.items.pop_front();
        all.bytes -= item.as_ref().map_or(0, Item::bytes);
        if all.items.is_empty() {
            self.0 = None;
        }
        item
    }
}

/// What becomes of the first item now.
enum Step {
    Sent,
    Wait,
}

impl Session {
    /// Whether commands of the client wait to be sent again.
    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.borrow().is_empty()
    }

    /// Tells the client what stands before anything that is still to be sent.
    pub(super) fn tell_at_once(self: &Rc<Self>) {
        loop {
            let mut backlog = self.backlog.borrow_mut();
            match backlog.front() {
                Some(Item::Answer(_) | Item::End) => {}
                _ => return,
            }
            let item = backlog.pop();
            drop(backlog);
            match item {
                Some(Item::Answer(reply)) => self.deliver_local(&reply),
                _ => self.close_after_flush(),
            }
        }
    }

    /// Sends what a lost link left behind, as far as it may; `true` when nothing is left of it.
    pub(super) fn work_off_backlog(self: &Rc<Self>, intake: &mut Intake) -> bool {
        if !self.has_backlog() {
            return true;
        }
        while self.has_backlog() {
            let permit = self.way(intake);
            match self.take_back(intake, &permit) {
                Step::Sent => {}
                Step::Wait => {
                    intake.set_held(&self.worker, true);
                    return false;
                }
            }
        }
        intake.set_held(&self.worker, false);
        true
    }

    fn take_back(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) -> Step {
        let mut backlog = self.backlog.borrow_mut();
        let now = Instant::now();
        if let Some(Item::Command { kind, frame, .. }) = backlog.front() {
            match (permit, deadline(kind, frame)) {
                (Permit::Send(_), _) => {}
                // Who asked to wait is not refused for having to.
                (_, Some(None)) => return Step::Wait,
                (_, Some(Some(at))) if at > now => {
                    self.wake_at(at);
                    return Step::Wait;
                }
                (_, Some(Some(_))) | (Permit::Refuse, None) => {}
                (_, None) => return Step::Wait,
            }
        }
        let item = backlog.pop();
        drop(backlog);
        match item {
            Some(Item::Answer(reply)) => self.answer(permit, &reply),
            Some(Item::End) => self.end_after_answers(intake, permit),
            Some(Item::Command {
                kind,
                frame,
                maybe_executed,
            }) => match permit {
                Permit::Send(link) => self.send_again(intake, link, kind, frame),
                _ => self.fail(intake, permit, &kind, &frame, maybe_executed),
            },
            None => {}
        }
        Step::Sent
    }

    fn send_again(
        self: &Rc<Self>,
        intake: &mut Intake,
        link: &Rc<Link>,
        kind: Kind,
        frame: Box<[u8]>,
    ) {
        let (kind, frame) = match self.renewed(kind, frame) {
            Ok(renewed) => renewed,
            Err(nil) => return self.answer(&Permit::Send(link.clone()), nil),
        };
        let logs_in = matches!(kind, Kind::Auth | Kind::Hello(true));
        let resets = kind == Kind::Reset;
        link.command(self, kind, &frame);
        intake.blocked |= logs_in && self.role_pending.get();
        if resets {
            login::renew(self, intake, link);
        }
    }

    /// What is to be sent in place of a command some time later; or its nil, when its own timeout
    /// has passed.
    fn renewed(&self, kind: Kind, frame: Box<[u8]>) -> Result<(Kind, Box<[u8]>), &'static [u8]> {
        match kind {
            Kind::Blocking(since) => {
                let now = Instant::now();
                match deadline(&Kind::Blocking(since), &frame) {
                    Some(Some(at)) if at <= now => {
                        Err(blocking::nil(&frame, self.state.borrow().resp3))
                    }
                    Some(Some(at)) => {
                        let left = blocking::with_remaining(&frame, at - now);
                        let frame = left.map_or(frame, Vec::into_boxed_slice);
                        Ok((Kind::Blocking(now), frame))
                    }
                    _ => Ok((Kind::Blocking(now), frame)),
                }
            }
            Kind::Subscribe(channels, left) => {
                let frame = without_confirmed(&frame, left);
                Ok((Kind::Subscribe(channels, left), frame))
            }
            Kind::Unsubscribe(channels, Some(left)) => {
                let frame = without_confirmed(&frame, left);
                let named = Args::new(&frame).nth(1).is_some();
                Ok((Kind::Unsubscribe(channels, named.then_some(left)), frame))
            }
            kind => Ok((kind, frame)),
        }
    }

    /// Has the session look at its situation at that time, or some time before.
    fn wake_at(self: &Rc<Self>, at: Instant) {
        let session = Rc::downgrade(self);
        let at = at.min(Instant::now() + ALARM_MAX);
        let set = self.note_trouble(|trouble| trouble.alarm);
        if set.is_some_and(|set| set <= at && set > Instant::now()) {
            return;
        }
        self.note_trouble(|trouble| trouble.alarm = Some(at));
        tokio::task::spawn_local(async move {
            tokio::time::sleep_until(at).await;
            if let Some(session) = session.upgrade() {
                session.wake();
            }
        });
    }

    /// Whether a link is wanted although no command waits for one.
    pub(super) fn pursue_feed(self: &Rc<Self>) {
        let linkless = matches!(&*self.route.borrow(), Route::None);
        if !linkless || !self.state.borrow().expects_feed() {
            return;
        }
        if !self.worker.may_send_now() {
            return self.pursue_feed_early();
        }
        let mut intake = self.intake.borrow_mut();
        let in_vain = matches!(self.way(&mut intake), Permit::Refuse);
        if in_vain && self.state.borrow().is_listening() {
            self.close_after_flush();
        } else if in_vain {
            // Nothing else would have us try again.
            self.way(&mut intake);
        }
    }

    /// Before the gate is opened to everybody.
    fn pursue_feed_early(self: &Rc<Self>) {
        if self.worker.may_listen_now() && self.is_trusted_again() {
            *self.route.borrow_mut() = Route::Connecting;
            pool::connect(self);
        }
    }
}

/// When a blocking call gives up by itself: `Some(None)` for never, `None` for any other command.
fn deadline(kind: &Kind, frame: &[u8]) -> Option<Option<Instant>> {
    let Kind::Blocking(since) = kind else {
        return None;
    };
    match blocking::timeout(frame)? {
        blocking::Timeout::Forever => Some(None),
        // Longer than a century is as good as for ever.
        blocking::Timeout::After(limit) if limit > Duration::from_secs(3_153_600_000) => Some(None),
        blocking::Timeout::After(limit) => Some(Some(*since + limit)),
    }
}

/// The command with only the last `left` of its names; all of them when none was confirmed.
fn without_confirmed(frame: &[u8], left: usize) -> Box<[u8]> {
    let args: Vec<_> = Args::new(frame).collect();
    let confirmed = args.len().saturating_sub(1).saturating_sub(left);
    if confirmed == 0 {
        return frame.into();
    }
    let kept: Vec<_> = args
        .iter()
        .take(1)
        .chain(args.iter().skip(1 + confirmed))
        .copied()
        .collect();
    login::command(kept.into_iter()).into()
}
