//! A job queue: producers push numbered jobs at a steady pace, poppers wait for them in BLPOP, each
//! over one connection that it never replaces.

use std::thread;
use std::time::{Duration, Instant};

use super::actor::{Actor, Answer, Desk, ask, wait};
use super::entrance::Entrance;
use crate::value::Value;

/// The job that ends the popper who gets it.
pub(super) const STOP: &str = "stop";

/// What a producer or a popper saw.
#[derive(Debug, Default, Clone)]
pub(super) struct Shift {
    /// Jobs whose push was acknowledged, or jobs that were received.
    pub(super) jobs: Vec<String>,
    /// Jobs of which it was said that they may or may not be there.
    pub(super) unsure: Vec<String>,
    /// Error replies.
    pub(super) errors: Vec<(Instant, String)>,
    /// When and how its connection ended, if it did.
    pub(super) closed: Option<(Instant, String)>,
    /// The longest call that came back empty.
    pub(super) longest_nil: Duration,
    /// When the last job came or went.
    pub(super) last: Option<Instant>,
}

/// Starts producer `index`: one job every `pace`, named after it.
pub(super) fn produce(
    entrance: Entrance,
    index: usize,
    list: String,
    pace: Duration,
) -> Actor<Shift> {
    Actor::start(move |desk| {
        let Ok(mut client) = entrance.open(index) else {
            return close(desk, "connect".into());
        };
        let mut due = Instant::now();
        for number in 0.. {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += pace;
            if desk.stopping() {
                return;
            }
            let job = format!("job:{index}:{number}");
            match ask(desk, &mut client, &["RPUSH", &list, &job]) {
                Answer::Reply(_) => desk.note(|shift| shift.got(job)),
                Answer::Refusal(text) => desk.note(|shift| {
                    if text.starts_with("UNCERTAIN") {
                        shift.unsure.push(job);
                    }
                    shift.errors.push((Instant::now(), text));
                }),
                Answer::Closed(text) => {
                    desk.note(|shift| shift.unsure.push(job));
                    return close(desk, text);
                }
                Answer::Stopped => return,
            }
        }
    })
}

/// Starts popper `index`, whose every call waits for `timeout` seconds (0 is for ever).
pub(super) fn pop(
    entrance: Entrance,
    index: usize,
    list: String,
    timeout: &'static str,
) -> Actor<Shift> {
    Actor::start(move |desk| {
        let Ok(mut client) = entrance.open(index) else {
            return close(desk, "connect".into());
        };
        loop {
            let asked = Instant::now();
            match wait(desk, &mut client, &["BLPOP", &list, timeout]) {
                Answer::Reply(Value::Null) => desk.note(|shift| {
                    shift.longest_nil = shift.longest_nil.max(asked.elapsed());
                }),
                Answer::Reply(reply) if reply.at(1) == STOP => return,
                Answer::Reply(reply) => desk.note(|shift| shift.got(reply.at(1))),
                Answer::Refusal(text) => {
                    desk.note(|shift| shift.errors.push((Instant::now(), text)));
                }
                Answer::Closed(text) => return close(desk, text),
                Answer::Stopped => return close(desk, "left waiting".into()),
            }
        }
    })
}

fn close(desk: &Desk<Shift>, text: String) {
    desk.note(|shift| shift.closed = Some((Instant::now(), text)));
}

impl Shift {
    fn got(&mut self, job: String) {
        self.jobs.push(job);
        self.last = Some(Instant::now());
    }
}
