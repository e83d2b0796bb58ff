//! The clients of the counter: batches of INCR and ECHO on connections they never replace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::wait_until;
use crate::client::{Client, command};
use crate::failover::actor::{Actor, Answer, Desk, answer};
use crate::value::Value;

/// What is counted.
pub(super) const KEY: &str = "counter";
/// Pairs of INCR and ECHO in one batch.
const PAIRS: usize = 4;
/// Between two batches of one client.
const PAUSE: Duration = Duration::from_millis(40);
/// Everybody must have gone on by then: longer than any hold.
const GOING_LIMIT: Duration = Duration::from_secs(70);

/// What a client was told.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    /// When each INCR was acknowledged.
    pub(super) acks: Vec<Instant>,
    /// INCRs that may or may not have been executed.
    pub(super) uncertain: u64,
    /// Commands that were not executed.
    pub(super) refused: u64,
    /// Replies that do not belong here.
    pub(super) wrong: Vec<String>,
    /// Connections that ended, and how.
    pub(super) closed: Vec<String>,
    /// When the last batch was complete.
    last: Option<Instant>,
}

/// All clients.
pub(super) struct Crowd {
    clients: Vec<Actor<Tally>>,
    resting: Arc<AtomicBool>,
}

impl Crowd {
    /// Connects everybody and waits until each has counted.
    #[track_caller]
    pub(super) fn gather(address: SocketAddr, count: usize) -> Self {
        let resting = Arc::new(AtomicBool::new(false));
        let start = |index: usize| {
            let resting = resting.clone();
            Actor::start(move |desk| count_up(desk, address, index, &resting))
        };
        let crowd = Self {
            clients: (0..count).map(start).collect(),
            resting,
        };
        crowd.wait_going(Instant::now());
        crowd
    }

    /// Waits until everybody who is connected has completed a batch after `since`.
    #[track_caller]
    pub(super) fn wait_going(&self, since: Instant) {
        wait_until(GOING_LIMIT, "everybody counts on", || {
            let going = |tally: &Tally| tally.last.is_some_and(|at| at > since);
            let mut clients = self.clients.iter();
            clients.all(|client| client.is_over() || client.look(going))
        });
    }

    /// Lets everybody be silent for `span`.
    pub(super) fn rest(&self, span: Duration) {
        self.resting.store(true, Ordering::Relaxed);
        thread::sleep(span);
        self.resting.store(false, Ordering::Relaxed);
    }

    /// Ends everybody and adds up what they were told.
    pub(super) fn disperse(self) -> Tally {
        let mut sum = Tally::default();
        for tally in self.clients.into_iter().map(Actor::stop) {
            sum.acks.extend(tally.acks);
            sum.uncertain += tally.uncertain;
            sum.refused += tally.refused;
            sum.wrong.extend(tally.wrong);
            sum.closed.extend(tally.closed);
        }
        sum
    }
}

fn count_up(desk: &Desk<Tally>, address: SocketAddr, index: usize, resting: &AtomicBool) {
    let mut client = match Client::try_connect(address) {
        Ok(client) => client,
        Err(error) => return close(desk, index, &error.to_string()),
    };
    for batch in 0.. {
        if desk.stopping() {
            return;
        }
        if let Err(how) = one_batch(desk, &mut client, index, batch) {
            return close(desk, index, &how);
        }
        thread::sleep(PAUSE);
        while resting.load(Ordering::Relaxed) && !desk.stopping() {
            thread::sleep(PAUSE);
        }
    }
}

fn one_batch(
    desk: &Desk<Tally>,
    client: &mut Client,
    index: usize,
    batch: usize,
) -> Result<(), String> {
    let tokens: Vec<_> = (0..PAIRS)
        .map(|pair| format!("{index}:{batch}:{pair}"))
        .collect();
    let pair = |token: &String| [command(&["INCR", KEY]), command(&["ECHO", token])].concat();
    let bytes: Vec<_> = tokens.iter().flat_map(pair).collect();
    client.send_raw(&bytes).map_err(|error| error.to_string())?;
    for token in &tokens {
        let counted = next(desk, client)?;
        let at = Instant::now();
        desk.note(|tally| tally.counted(counted, at, token));
        let echoed = next(desk, client)?;
        desk.note(|tally| tally.echoed(&echoed, token));
    }
    desk.note(|tally| tally.last = Some(Instant::now()));
    Ok(())
}

fn next(desk: &Desk<Tally>, client: &mut Client) -> Result<Value, String> {
    match answer(desk, client, false) {
        Answer::Reply(value) => Ok(value),
        Answer::Refusal(text) => Ok(Value::Error(text)),
        Answer::Closed(how) => Err(how),
        Answer::Stopped => Err("stopped".into()),
    }
}

fn close(desk: &Desk<Tally>, index: usize, how: &str) {
    desk.note(|tally| tally.closed.push(format!("client {index}: {how}")));
}

impl Tally {
    fn counted(&mut self, reply: Value, at: Instant, token: &str) {
        match reply {
            Value::Int(_) => self.acks.push(at),
            Value::Error(text) if text.starts_with("UNCERTAIN steadfast") => self.uncertain += 1,
            Value::Error(text) if text.starts_with("MASTERDOWN steadfast") => self.refused += 1,
            other => self.wrong.push(format!("INCR before {token}: {other:?}")),
        }
    }

    fn echoed(&mut self, reply: &Value, token: &str) {
        match reply.error() {
            Some(text) if text.starts_with("MASTERDOWN steadfast") => self.refused += 1,
            None if reply.text() == token => {}
            _ => self.wrong.push(format!("ECHO {token}: {reply:?}")),
        }
    }

    /// Acknowledgements within `span` before one of these moments.
    pub(super) fn acknowledged_just_before(&self, moments: &[Instant], span: Duration) -> u64 {
        let near = |at: &&Instant| moments.iter().any(|m| **at <= *m && *m - **at <= span);
        self.acks.iter().filter(near).count() as u64
    }

    /// The figures in a line.
    pub(super) fn summary(&self) -> String {
        let (acks, unsure, refused) = (self.acks.len(), self.uncertain, self.refused);
        let closed = self.closed.len();
        format!("acknowledged {acks}, uncertain {unsure}, refused {refused}, closed {closed}")
    }
}
