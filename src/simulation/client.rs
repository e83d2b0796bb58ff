//! A client: sends pipelined commands, each with a number of its own, and checks that every reply is
//! its own, in order, and none missing. What it sends is composed in `composing`.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};

use super::composing::{Expect, compose};
use super::ledger::{Ledger, Outcome};
use super::verdict::judge;
use crate::net::Transport;

/// Commands without a reply, from which on it sends no more.
const UNANSWERED_MAX: usize = 12;
/// How long the end that a worker makes when it goes on may take to be heard of.
const AWAKE: Duration = Duration::from_millis(50);

/// How a client ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With all its answers.
    Stays,
    /// At once, after so many rounds.
    Leaves(u64),
    /// It sends no more, and reads what still comes.
    HalfCloses,
}

/// One client.
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) ledger: Rc<Ledger>,
    pub(super) stream: Transport,
    input: Vec<u8>,
    pub(super) expected: VecDeque<Expect>,
    closed: bool,
    /// The outage that holds what it sent last.
    held_in: Option<Instant>,
}

impl Client {
    pub(super) fn new(number: usize, ledger: &Rc<Ledger>, stream: Transport) -> Self {
        Self {
            number,
            ledger: ledger.clone(),
            stream,
            input: Vec::new(),
            expected: VecDeque::new(),
            closed: false,
            held_in: None,
        }
    }

    /// Talks until `stop`, then waits for what is missing.
    pub(super) async fn talk(mut self, stop: Instant, ending: Ending) {
        let mut rounds = 0;
        while Instant::now() < stop && !self.closed {
            if ending == Ending::Leaves(rounds) {
                return self.leave().await;
            }
            rounds += 1;
            self.send_round().await;
            let think = self.ledger.chance.borrow_mut().millis(0, 150);
            self.listen(Some(Instant::now() + think)).await;
        }
        if ending == Ending::HalfCloses && !self.closed {
            // What it sent is still answered if it is not held.
            self.stream.shutdown_write();
            self.expected.iter().for_each(|one| self.abandon(one));
        }
        self.listen(None).await;
    }

    async fn send_round(&mut self) {
        let (bytes, expected) = compose(&self.ledger, self.number);
        self.expected.extend(expected);
        let split = self.ledger.chance.borrow_mut().index(bytes.len() * 3);
        self.held_in = self.ledger.outage();
        let (first, second) = bytes.split_at(split.min(bytes.len()));
        let mut sent = self.stream.write_all(first).await;
        if !second.is_empty() {
            // Half a command may lie there for a while.
            self.ledger.pause(0, 30).await;
            sent = sent.and(self.stream.write_all(second).await);
        }
        if sent.is_err() {
            self.hear_end();
        }
    }

    /// Reads replies until `until` and few are missing, or until none is.
    async fn listen(&mut self, until: Option<Instant>) {
        while !self.closed {
            let missing = self.expected.len();
            let due = match until {
                None if missing == 0 => return,
                Some(until) if missing < UNANSWERED_MAX => Some(until),
                _ => None,
            };
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input) => match read {
                    Ok(1..) => self.take_replies(),
                    _ => self.hear_end(),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return,
            }
        }
    }

    fn take_replies(&mut self) {
        while let Ok(Some((reply, len))) = decode(&self.input) {
            self.input.drain(..len);
            self.take_reply(&reply);
        }
    }

    fn take_reply(&mut self, reply: &OwnedFrame) {
        let Some(expect) = self.expected.pop_front() else {
            let wrong = format!("client {} got {reply:?} unasked", self.number);
            return self.ledger.complain(wrong);
        };
        match judge(&expect, reply) {
            Ok(outcomes) => {
                for (token, outcome) in outcomes {
                    self.ledger.outcome(token, outcome);
                }
            }
            Err(why) => {
                let wrong = format!("client {}: {reply:?} to {expect:?}: {why}", self.number);
                self.ledger.complain(wrong);
            }
        }
    }

    /// The proxy closed the connection, which it may only within a reply.
    fn hear_end(&mut self) {
        self.closed = true;
        let left = self.expected.iter().any(|one| self.is_abandoned(one));
        if self.input.is_empty() && !left {
            let wrong = format!("client {} was closed", self.number);
            self.ledger.complain(wrong);
        }
        self.expected.iter().for_each(|one| self.abandon(one));
    }

    fn is_abandoned(&self, expect: &Expect) -> bool {
        let sent = self.ledger.sent.borrow();
        expect.tokens.iter().any(|token| sent[token].abandoned)
    }

    fn abandon(&self, expect: &Expect) {
        let mut all = self.ledger.sent.borrow_mut();
        for token in &expect.tokens {
            if let Some(sent) = all.get_mut(token) {
                sent.abandoned = true;
            }
        }
    }

    /// Goes without waiting for its answers. What was held all the time must not be executed.
    async fn leave(self) {
        let held_in = self.held_in;
        let round: Vec<_> = self
            .expected
            .iter()
            .flat_map(|one| one.tokens.clone())
            .collect();
        self.expected.iter().for_each(|one| self.abandon(one));
        let ledger = self.ledger.clone();
        ledger.fault(format!("client {} leaves", self.number));
        drop(self);
        // By then the proxy has heard of it.
        sleep(Duration::from_millis(10)).await;
        if held_in.is_some() && ledger.outage() == held_in {
            let mut network = ledger.network.lock();
            let tap = &mut network.wiretap;
            let held = round
                .into_iter()
                .filter(|token| !tap.passed.contains(token));
            let held: Vec<_> = held.collect();
            tap.forbidden.extend(held);
        }
    }
}

/// Hears what is published, from the first moment to the last.
pub(super) struct Subscriber {
    pub(super) number: usize,
    pub(super) ledger: Rc<Ledger>,
    pub(super) stream: Transport,
    pub(super) hold: Duration,
}

impl Subscriber {
    /// Listens until it has heard the message `last`.
    pub(super) async fn listen(mut self, last: &str) {
        let subscribe = super::words::bulks(&["SUBSCRIBE", "news"]);
        let mut input = Vec::new();
        let silence = Silence::watch(&self.ledger);
        let mut sent = self.stream.write_all(&subscribe).await;
        while sent.is_ok() {
            match self.stream.read_buf(&mut input).await {
                Ok(1..) => {}
                _ => sent = Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
            while let Ok(Some((message, len))) = decode(&input) {
                input.drain(..len);
                if is_last(&message, last) {
                    return;
                }
            }
        }
        // Who only listens is not left in silence for longer than a command is held.
        let too_long = silence.has_just_lasted(self.hold)
            || self.silences().any(|silence| silence >= self.hold);
        if input.is_empty() && !too_long {
            self.ledger
                .complain(format!("subscriber {} was closed", self.number));
        }
    }
}

impl Subscriber {
    /// How long nothing could be heard: in the outage of this moment, or in one that may be over, but
    /// whose end a worker was kept from seeing until just now.
    fn silences(&self) -> impl Iterator<Item = Duration> {
        let believed = self.ledger.believed.get();
        let just_now = believed.filter(|(_, woke)| woke.elapsed() <= AWAKE);
        let since = just_now.map(|(since, _)| since);
        self.ledger
            .outage()
            .into_iter()
            .chain(since)
            .map(|since| since.elapsed())
    }
}

/// How long there was no primary: the end of a connection that was closed for that is seen some time
/// after, and there may be one again by then.
struct Silence {
    /// Since when, and when that was still so.
    last: Rc<Cell<Option<(Instant, Instant)>>>,
    watching: tokio::task::JoinHandle<()>,
}

impl Silence {
    const LOOK_EVERY: Duration = Duration::from_millis(5);
    /// How long an end may be under way.
    const UNDER_WAY: Duration = Duration::from_millis(500);

    fn watch(ledger: &Rc<Ledger>) -> Self {
        let last = Rc::new(Cell::new(None));
        let (seen, ledger) = (last.clone(), ledger.clone());
        let watching = tokio::task::spawn_local(async move {
            loop {
                if let Some(since) = ledger.outage() {
                    seen.set(Some((since, Instant::now())));
                }
                sleep(Self::LOOK_EVERY).await;
            }
        });
        Self { last, watching }
    }

    fn has_just_lasted(&self, hold: Duration) -> bool {
        self.last.get().is_some_and(|(since, seen)| {
            seen - since + Self::LOOK_EVERY >= hold && seen.elapsed() < Self::UNDER_WAY
        })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn is_last(message: &OwnedFrame, last: &str) -> bool {
    let OwnedFrame::Array(parts) = message else {
        return false;
    };
    matches!(parts.last(), Some(OwnedFrame::BulkString(text)) if text == last.as_bytes())
}

impl Outcome {
    /// Whether the client knows that it was executed.
    pub(super) fn is_acknowledgement(&self) -> bool {
        matches!(self, Self::Acknowledged(_) | Self::Done)
    }
}
