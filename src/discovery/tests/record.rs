//! What happened when: the gate's states, the Sentinels' events, and the writes of somebody who only
//! writes while the gate is open.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bed::{ANSWER, Bed, LIMIT, PATIENCE, ask, until};
use super::stall::Start;
use crate::discovery::connection::{Connection, Reply};
use crate::discovery::message::text;
use crate::net::HostPort;
use crate::topology::{Gate, Handle, Topology};

/// One state of the gate.
pub(super) type State = (u64, Gate);

/// A pause of this process from which on discovery may have found that it did not run, and have shut
/// the gate where it would have had it quiesce; with a margin, because others pause as well.
const PAUSE: Duration = Duration::from_millis(400);

/// Part of the time that is withheld from a process on a machine too busy for it.
const STARVED_PERCENT: u128 = 10;

/// One state seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    state: State,
    began: Instant,
    /// The topology's own word.
    gate_since: Instant,
}

/// Looks at the gate from a thread of its own.
pub(super) struct GateRecord {
    states: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<()>,
    started: Start,
}

impl GateRecord {
    pub(super) fn start(handle: Handle) -> Self {
        let record = Self {
            states: Arc::default(),
            stop: Arc::new(()),
            started: Start::now(),
        };
        let (states, alive) = (record.states.clone(), Arc::downgrade(&record.stop));
        // The present state is in it, however late the thread begins.
        note(&states, &handle.load());
        std::thread::spawn(move || {
            while alive.upgrade().is_some() {
                note(&states, &handle.load());
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        record
    }

    /// Whether this process was paused or starved since, so that discovery may have seen less than
    /// there was to see; it says so then.
    pub(super) fn was_disturbed(&self) -> bool {
        let (paused, withheld) = (
            self.started.longest_pause(),
            self.started.withheld_percent(),
        );
        let disturbed = paused >= PAUSE || withheld >= STARVED_PERCENT;
        if disturbed {
            let states = self.states();
            eprintln!("not run for {paused:?}, {withheld} % of the time withheld: {states:?}");
        }
        disturbed
    }

    /// Without the moment in which subscribers are restored, which is too short to be seen surely.
    pub(super) fn states(&self) -> Vec<State> {
        let states = self.states.lock().expect("nobody panics");
        let states = states.iter().map(|seen| seen.state);
        states
            .filter(|(_, gate)| *gate != Gate::Restoring)
            .collect()
    }

    /// Asserts that these were the states. Where this process itself did not run for a while, the
    /// gate may have been shut in place of quiescing; then it must have been open, and not open, in
    /// the same order.
    #[track_caller]
    pub(super) fn assert_states(&self, expected: &[State]) {
        let states = self.states();
        if noticeable(&states) != noticeable(expected) && self.was_disturbed() {
            return assert_eq!(openness(&states), openness(expected), "{states:?}");
        }
        assert_eq!(noticeable(&states), noticeable(expected), "{states:?}");
    }

    /// Asserts that the last states were these, in the same way.
    #[track_caller]
    pub(super) fn assert_states_end(&self, expected: &[State]) {
        let states = self.states();
        let (seen, wanted) = (noticeable(&states), noticeable(expected));
        if !seen.ends_with(&wanted) && self.was_disturbed() {
            let (seen, wanted) = (openness(&states), openness(expected));
            return assert!(seen.ends_with(&wanted), "{states:?}");
        }
        assert!(seen.ends_with(&wanted), "{states:?}");
    }

    /// Waits until `state` is the last one seen: the record is kept by another task.
    pub(super) async fn last(&self, state: State) {
        until("it is recorded", async || {
            self.states().last() == Some(&state)
        })
        .await;
    }

    /// When this state began, or, where nothing tells that, was first seen.
    pub(super) fn first(&self, state: State) -> Instant {
        let states = self.states.lock().expect("nobody panics");
        let found = states.iter().find(|seen| seen.state == state);
        found
            .unwrap_or_else(|| panic!("{state:?} in {states:?}"))
            .began
    }

    /// Since when the gate of this generation was not open.
    pub(super) fn not_open_since(&self, generation: u64) -> Instant {
        let states = self.states.lock().expect("nobody panics");
        let is_held = |(of, gate): State| of == generation && gate != Gate::Open;
        let found = states.iter().find(|seen| is_held(seen.state));
        found
            .unwrap_or_else(|| panic!("always open: {states:?}"))
            .gate_since
    }
}

/// When the state of the gate began: it says so itself, unless it goes on not being open.
fn began(now: &Topology) -> Instant {
    match now.gate {
        Gate::Open | Gate::Quiescing => now.gate_since,
        Gate::Restoring | Gate::Shut => Instant::now(),
    }
}

fn note(states: &Mutex<Vec<Seen>>, now: &Topology) {
    let state = (now.generation, now.gate);
    let mut states = states.lock().expect("nobody panics");
    if states.last().is_none_or(|last| last.state != state) {
        states.push(Seen {
            state,
            began: began(now),
            gate_since: now.gate_since,
        });
    }
}

/// Without the shut gate of a switch, which lasts but a moment where it was not shut before.
fn noticeable(states: &[State]) -> Vec<State> {
    let next = states.iter().skip(1).map(Some).chain([None]);
    let pairs = states.iter().zip(next);
    let ends = |(state, next): &(&State, Option<&State>)| {
        state.1 == Gate::Shut && next.is_some_and(|next| next.0 > state.0)
    };
    let kept = pairs.filter(|pair| !ends(pair));
    kept.map(|(state, _)| *state).collect()
}

/// The same states, told apart only by whether the gate was open, each change once.
fn openness(states: &[State]) -> Vec<(u64, bool)> {
    let mut changes: Vec<_> = states
        .iter()
        .map(|(generation, gate)| (*generation, *gate == Gate::Open))
        .collect();
    changes.dedup();
    changes
}

/// Hears the events of all Sentinels.
pub(super) struct Events {
    heard: mpsc::UnboundedReceiver<(Instant, String)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Events {
    pub(super) async fn subscribe(bed: &Bed) -> Self {
        let (out, heard) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for sentinel in &bed.sentinels {
            let opened = Connection::open(&sentinel.address, None, None, ANSWER).await;
            let mut connection = opened.expect("a Sentinel");
            let all: &[&[u8]] = &[b"PSUBSCRIBE", b"*"];
            connection.request(all, ANSWER).await.expect("subscribed");
            let out = out.clone();
            tasks.push(tokio::spawn(async move {
                while let Ok(reply) = connection.receive().await {
                    let Reply::Array(parts) = reply else { continue };
                    let channel = parts.get(2).and_then(text).unwrap_or_default();
                    let _ = out.send((Instant::now(), channel.to_owned()));
                }
            }));
        }
        Self { heard, tasks }
    }

    /// When the next event came whose channel begins with `prefix`.
    pub(super) async fn next(&mut self, prefix: &str) -> Instant {
        self.next_of(&[prefix]).await.0
    }

    /// The same for several prefixes, and which of them it was.
    pub(super) async fn next_of<'a>(&mut self, prefixes: &[&'a str]) -> (Instant, &'a str) {
        let found = async {
            loop {
                let (at, channel) = self.heard.recv().await.expect("Sentinels run");
                let mut fitting = prefixes
                    .iter()
                    .filter(|prefix| channel.starts_with(**prefix));
                if let Some(prefix) = fitting.next() {
                    return (at, *prefix);
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("none of {prefixes:?} in time"))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

const KEY: &str = "writes";

/// Writes to the primary while the gate is open; a reply counts unless the gate is shut by then.
pub(super) struct Writer {
    acknowledged: Arc<Mutex<Vec<u64>>>,
    task: JoinHandle<()>,
}

impl Writer {
    pub(super) async fn start(handle: Handle) -> Self {
        let acknowledged: Arc<Mutex<Vec<u64>>> = Arc::default();
        let task = tokio::spawn(write(handle, acknowledged.clone()));
        let writer = Self { acknowledged, task };
        until("writes", async || writer.count() > 10).await;
        writer
    }

    pub(super) fn count(&self) -> usize {
        self.acknowledged.lock().expect("nobody panics").len()
    }

    /// Ends it; the acknowledged writes that `node` lacks.
    pub(super) async fn missing_at(&self, node: &HostPort) -> Vec<u64> {
        self.task.abort();
        let Some(Reply::Array(found)) = ask(node, &["LRANGE", KEY, "0", "-1"]).await else {
            panic!("the list can be read");
        };
        let number = |reply: &Reply| text(reply).and_then(|text| text.parse::<u64>().ok());
        let found: std::collections::BTreeSet<_> = found.iter().filter_map(number).collect();
        let acknowledged = self.acknowledged.lock().expect("nobody panics");
        acknowledged
            .iter()
            .copied()
            .filter(|n| !found.contains(n))
            .collect()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(handle: Handle, acknowledged: Arc<Mutex<Vec<u64>>>) {
    let mut link: Option<(u64, Connection)> = None;
    for number in 0_u64.. {
        let now = handle.load().clone();
        let usable = now.gate == Gate::Open && now.lease_valid(Instant::now());
        let Some(primary) = now.primary.as_ref().filter(|_| usable) else {
            tokio::time::sleep(Duration::from_micros(500)).await;
            continue;
        };
        let mut connection = match link.take() {
            Some((generation, connection)) if generation == now.generation => connection,
            _ => match Connection::open(&primary.address, None, None, LIMIT).await {
                Ok(connection) => connection,
                Err(_) => continue,
            },
        };
        // Dialling took its time.
        if handle.load().gate != Gate::Open || handle.load().generation != now.generation {
            continue;
        }
        let text = number.to_string();
        let push: &[&[u8]] = &[b"RPUSH", KEY.as_bytes(), text.as_bytes()];
        if connection.request(push, LIMIT).await.is_ok() {
            let then = handle.load();
            if then.generation == now.generation && then.gate != Gate::Shut {
                acknowledged.lock().expect("nobody panics").push(number);
            }
            link = Some((now.generation, connection));
        }
    }
}
