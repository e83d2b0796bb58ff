//! Sends again, or tells, what a lost link left behind, one after the other, as soon as it may; and
//! asks for a link where a client that listens needs one although it sends nothing.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::resp::{Args, blocking};

use super::backlog::Item;
use super::intake::Intake;
use super::link::Link;
use super::login;
use super::permit::Permit;
use super::pool;
use super::session::{Route, Session};
use super::slot::Kind;

/// Longest an alarm is set for: it outlives the session it was set for.
const ALARM_MAX: Duration = Duration::from_secs(60);

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
                ..
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
        // Denied by this node, it would have the rest executed one by one.
        intake.awaits_multi = kind == Kind::Multi;
        intake.blocked |= intake.awaits_multi;
        intake.awaits_pop = matches!(kind, Kind::Blocking(_));
        link.command(self, kind, &frame);
        intake.blocked |= logs_in && self.login_holds_back();
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
    pub(super) fn wake_at(self: &Rc<Self>, at: Instant) {
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
