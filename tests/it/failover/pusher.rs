//! Numbered writes: each writer appends a rising number to a list of its own over one connection
//! that it never replaces.

use std::thread;
use std::time::{Duration, Instant};

use super::actor::{Actor, Answer, Desk, ask};
use super::entrance::Entrance;

/// Between two writes, so that a writer leaves the machine to the others.
const PAUSE: Duration = Duration::from_millis(2);

/// One acknowledged write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Push {
    /// What was appended.
    pub(super) number: u64,
    /// When it was sent.
    pub(super) sent: Instant,
    /// When it was acknowledged.
    pub(super) at: Instant,
}

/// What a writer saw.
#[derive(Debug, Default, Clone)]
pub(super) struct Pushes {
    /// Writes that were acknowledged.
    pub(super) acks: Vec<Push>,
    /// Error replies.
    pub(super) errors: Vec<(Instant, String)>,
    /// When and how its connection ended, if it did.
    pub(super) closed: Option<(Instant, String)>,
}

/// Starts writer `index`, which appends to `list`.
pub(super) fn start(entrance: Entrance, index: usize, list: String) -> Actor<Pushes> {
    Actor::start(move |desk| run(desk, &entrance, index, &list))
}

fn run(desk: &Desk<Pushes>, entrance: &Entrance, index: usize, list: &str) {
    let mut client = match entrance.open(index) {
        Ok(client) => client,
        Err(error) => return close(desk, error.to_string()),
    };
    for number in 0.. {
        if desk.stopping() {
            return;
        }
        let sent = Instant::now();
        let answer = ask(desk, &mut client, &["RPUSH", list, &number.to_string()]);
        let at = Instant::now();
        match answer {
            Answer::Reply(_) => desk.note(|diary| diary.acks.push(Push { number, sent, at })),
            Answer::Refusal(text) => desk.note(|diary| diary.errors.push((at, text))),
            Answer::Closed(text) => return close(desk, text),
            Answer::Stopped => return,
        }
        thread::sleep(PAUSE);
    }
}

fn close(desk: &Desk<Pushes>, text: String) {
    desk.note(|diary| diary.closed = Some((Instant::now(), text)));
}

impl Pushes {
    /// The longest time without an acknowledgement that ended at `since` or later: when it began
    /// and when it ended.
    pub(super) fn longest_pause(&self, since: Instant) -> Option<(Instant, Instant)> {
        let pairs = self.acks.windows(2).map(|pair| (pair[0].at, pair[1].at));
        pairs
            .filter(|(_, end)| *end >= since)
            .max_by_key(|(start, end)| *end - *start)
    }
}
