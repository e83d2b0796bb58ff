//! Carries out a plan on one side and records every byte that comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::bed::{Node, eventually, wait_until};

use super::plan::{Plan, Step, Who};

/// How long one step may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// One cut in so many is followed by a pause, so that the two parts arrive apart.
const PAUSE_EVERY: usize = 24;
const PAUSE: Duration = Duration::from_micros(100);
/// The name by which the server finds the subject.
pub(super) const SUBJECT: &str = "the-subject";

/// What came back.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) subject: Vec<u8>,
    pub(super) helper: Vec<u8>,
    /// The step at which nothing happened any more.
    pub(super) stuck: Option<String>,
}

/// Carries out `plan` with the subject connected to `entrance`, an address of `server` or one
/// that leads there.
pub(super) fn run(plan: &Plan, entrance: SocketAddr, server: &Node) -> Record {
    let subject = Wire::connect(entrance);
    let helper = Wire::connect(server.addr());
    let wire = |who: Who| {
        if who == Who::Subject {
            &subject
        } else {
            &helper
        }
    };
    let mut stuck = None;
    for (at, step) in plan.steps.iter().enumerate() {
        let done = match step {
            Step::Write { who, bytes, cuts } => {
                wire(*who).write(bytes, cuts);
                true
            }
            Step::Seen { who, text, times } => wire(*who).seen(text, *times),
            Step::Blocked(count) => {
                let all = count.to_string();
                wait_until(PATIENCE, "clients block", || {
                    server.info("blocked_clients") == all
                });
                true
            }
            Step::OnSubject(command) => on_subject(server, command),
            Step::HalfClose => {
                let _ = subject.stream.shutdown(Shutdown::Write);
                true
            }
            Step::Closed => subject.wait(|inbox| inbox.closed),
        };
        if !done {
            stuck = Some(format!("step {at}: {}", brief(step)));
            break;
        }
    }
    Record {
        subject: subject.end(),
        helper: helper.end(),
        stuck,
    }
}

fn brief(step: &Step) -> String {
    let mut text = format!("{step:?}");
    text.truncate(text.floor_char_boundary(200));
    text
}

fn on_subject(server: &Node, command: &[String]) -> bool {
    let mut control = server.connect();
    let id = eventually(PATIENCE, "the subject is known to the server", || {
        let list = control.call(&["CLIENT", "LIST"]).text();
        let line = list
            .lines()
            .find(|line| line.contains(&format!(" name={SUBJECT} ")))?;
        line.strip_prefix("id=")?
            .split(' ')
            .next()
            .map(str::to_owned)
    });
    let args: Vec<_> = command
        .iter()
        .map(|arg| if arg == "SELF" { id.as_str() } else { arg })
        .collect();
    control.call(&args).error().is_none()
}

#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    closed: bool,
}

/// One connection, read by a thread of its own so that neither side's buffers ever stop a write.
struct Wire {
    stream: TcpStream,
    shared: Arc<(Mutex<Inbox>, Condvar)>,
    reader: JoinHandle<()>,
}

impl Wire {
    #[track_caller]
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let shared = Arc::new((Mutex::new(Inbox::default()), Condvar::new()));
        let reader = {
            let (stream, shared) = (stream.try_clone().unwrap(), shared.clone());
            thread::spawn(move || read(stream, &shared))
        };
        Self {
            stream,
            shared,
            reader,
        }
    }

    /// A failing write is no news: what matters is what comes back.
    fn write(&self, bytes: &[u8], cuts: &[usize]) {
        let mut from = 0;
        for (at, cut) in cuts.iter().chain([&bytes.len()]).enumerate() {
            if (&self.stream).write_all(&bytes[from..*cut]).is_err() {
                return;
            }
            from = *cut;
            if at % PAUSE_EVERY == PAUSE_EVERY - 1 {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Waits for a text; a connection that ended before is as far as it gets.
    fn seen(&self, text: &[u8], times: usize) -> bool {
        let (mut from, mut count) = (0, 0);
        self.wait(|inbox| {
            while let Some(at) = find(&inbox.bytes[from..], text) {
                count += 1;
                from += at + text.len();
            }
            from = from.max(inbox.bytes.len().saturating_sub(text.len()));
            count >= times || inbox.closed
        })
    }

    fn wait(&self, mut done: impl FnMut(&Inbox) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut inbox = lock(&self.shared.0);
        while !done(&inbox) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.shared.1.wait_timeout(inbox, left);
            inbox = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Ends the connection and hands over what came.
    fn end(self) -> Vec<u8> {
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.reader.join();
        std::mem::take(&mut lock(&self.shared.0).bytes)
    }
}

fn read(mut stream: TcpStream, shared: &(Mutex<Inbox>, Condvar)) {
    let mut scratch = vec![0; 256 * 1024];
    loop {
        let read = match stream.read(&mut scratch) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // A reset and an orderly end are the same to a client that has its replies.
            other => other.unwrap_or(0),
        };
        let mut inbox = lock(&shared.0);
        inbox.bytes.extend_from_slice(&scratch[..read]);
        inbox.closed = read == 0;
        shared.1.notify_all();
        if read == 0 {
            return;
        }
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
