//! A broadcast: one publisher of numbered messages, and subscribers that only listen.

use std::thread;
use std::time::{Duration, Instant};

use super::actor::{Actor, Answer, Desk, answer, ask};
use super::entrance::Entrance;
use crate::value::Value;

/// Between two messages.
const PACE: Duration = Duration::from_millis(5);

/// What a publisher or a subscriber saw.
#[derive(Debug, Default, Clone)]
pub(super) struct Hearing {
    /// Messages, and when they were heard (or acknowledged as published).
    pub(super) messages: Vec<(u64, Instant)>,
    /// Error replies, and replies that are no messages.
    pub(super) errors: Vec<(Instant, String)>,
    /// When and how its connection ended, if it did.
    pub(super) closed: Option<(Instant, String)>,
    /// Whether the subscription was confirmed.
    pub(super) subscribed: bool,
}

/// Starts a publisher.
pub(super) fn publish(entrance: Entrance, channel: String) -> Actor<Hearing> {
    Actor::start(move |desk| {
        let Ok(mut client) = entrance.open(0) else {
            return close(desk, "connect".into());
        };
        let mut due = Instant::now();
        for number in 0.. {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += PACE;
            if desk.stopping() {
                return;
            }
            match ask(
                desk,
                &mut client,
                &["PUBLISH", &channel, &number.to_string()],
            ) {
                Answer::Reply(_) => desk.note(|diary| diary.heard(number)),
                Answer::Refusal(text) => {
                    desk.note(|diary| diary.errors.push((Instant::now(), text)));
                }
                Answer::Closed(text) => return close(desk, text),
                Answer::Stopped => return,
            }
        }
    })
}

/// Starts a subscriber that speaks RESP `protocol`.
pub(super) fn listen(
    entrance: Entrance,
    index: usize,
    channel: String,
    protocol: &'static str,
) -> Actor<Hearing> {
    Actor::start(move |desk| {
        let subscribed = entrance.open(index).and_then(|mut client| {
            client.try_call(&["HELLO", protocol])?;
            client.try_call(&["SUBSCRIBE", &channel])?;
            Ok(client)
        });
        let Ok(mut client) = subscribed else {
            return close(desk, "connect".into());
        };
        desk.note(|diary| diary.subscribed = true);
        loop {
            match answer(desk, &mut client, true) {
                Answer::Reply(message) => desk.note(|diary| diary.hear(&message)),
                Answer::Refusal(text) => {
                    desk.note(|diary| diary.errors.push((Instant::now(), text)));
                }
                Answer::Closed(text) => return close(desk, text),
                Answer::Stopped => return,
            }
        }
    })
}

fn close(desk: &Desk<Hearing>, text: String) {
    desk.note(|diary| diary.closed = Some((Instant::now(), text)));
}

impl Hearing {
    fn heard(&mut self, number: u64) {
        self.messages.push((number, Instant::now()));
    }

    /// Only messages may come; a confirmation of what Steadfast subscribed to again may not.
    fn hear(&mut self, value: &Value) {
        match (value.at(0).as_str(), value.at(2).parse()) {
            ("message", Ok(number)) => self.heard(number),
            _ => self.errors.push((Instant::now(), format!("{value:?}"))),
        }
    }

    /// Whether something was heard after `since`.
    pub(super) fn went_on(&self, since: Instant) -> bool {
        self.messages.last().is_some_and(|(_, at)| *at > since)
    }

    /// Messages that came more than once or out of order.
    pub(super) fn disorder(&self) -> usize {
        let pairs = self.messages.windows(2);
        pairs.filter(|pair| pair[1].0 <= pair[0].0).count()
    }

    /// How many of the messages that `publisher` had acknowledged are missing here between the
    /// first and the last that were heard.
    pub(super) fn missed(&self, publisher: &Self) -> usize {
        let (Some((first, _)), Some((last, _))) = (self.messages.first(), self.messages.last())
        else {
            return publisher.messages.len();
        };
        let heard: std::collections::BTreeSet<_> = self.messages.iter().map(|m| m.0).collect();
        let span = publisher.messages.iter().map(|m| m.0);
        span.filter(|number| (first..=last).contains(&number) && !heard.contains(number))
            .count()
    }
}
