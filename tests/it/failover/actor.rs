//! A thread with a diary that others may read while it works. What it does is its caller's matter.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{Client, is_close};
use crate::value::Value;

/// How often a waiting actor looks whether it should end.
const SLICE: Duration = Duration::from_millis(100);
/// A reply later than this is none: longer than any hold.
const PATIENCE: Duration = Duration::from_secs(90);

/// What an actor and its owner share.
pub(super) struct Desk<T> {
    diary: Mutex<T>,
    stop: AtomicBool,
}

impl<T> Desk<T> {
    /// Changes or reads the diary.
    pub(super) fn note<R>(&self, note: impl FnOnce(&mut T) -> R) -> R {
        note(&mut self.lock())
    }

    /// Whether the actor should end.
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that works until it is stopped.
pub(super) struct Actor<T> {
    desk: Arc<Desk<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Default + Clone + Send + 'static> Actor<T> {
    /// Starts `work`.
    pub(super) fn start(work: impl FnOnce(&Desk<T>) + Send + 'static) -> Self {
        let desk = Arc::new(Desk {
            diary: Mutex::new(T::default()),
            stop: AtomicBool::new(false),
        });
        let own = desk.clone();
        Self {
            thread: Some(thread::spawn(move || work(&own))),
            desk,
        }
    }

    /// Reads the diary.
    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.desk.note(|diary| look(diary))
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends it and hands over its diary.
    pub(super) fn stop(mut self) -> T {
        self.end();
        self.look(T::clone)
    }
}

impl<T> Actor<T> {
    fn end(&mut self) {
        self.desk.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Actor<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// What became of one command.
pub(super) enum Answer {
    /// A reply that is no error.
    Reply(Value),
    /// An error reply.
    Refusal(String),
    /// The connection ended, for this reason.
    Closed(String),
    /// The actor was stopped first, and may be: it waits for something that need not come.
    Stopped,
}

/// Sends one command and waits for its reply; an actor that should end waits on.
pub(super) fn ask<T>(desk: &Desk<T>, client: &mut Client, args: &[&str]) -> Answer {
    match client.send(args) {
        Ok(()) => answer(desk, client, false),
        Err(error) => Answer::Closed(error.to_string()),
    }
}

/// As [`ask`] for a command that may wait for ever: being stopped ends the wait.
pub(super) fn wait<T>(desk: &Desk<T>, client: &mut Client, args: &[&str]) -> Answer {
    match client.send(args) {
        Ok(()) => answer(desk, client, true),
        Err(error) => Answer::Closed(error.to_string()),
    }
}

/// The next reply.
pub(super) fn answer<T>(desk: &Desk<T>, client: &mut Client, may_stop: bool) -> Answer {
    let asked = Instant::now();
    loop {
        match client.reply_within(SLICE) {
            Ok(Value::Error(text)) => return Answer::Refusal(text),
            Ok(value) => return Answer::Reply(value),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                if may_stop && desk.stopping() {
                    return Answer::Stopped;
                }
                if !may_stop && asked.elapsed() > PATIENCE {
                    return Answer::Closed(format!("no reply within {PATIENCE:?}"));
                }
            }
            Err(error) => return Answer::Closed(describe(&error)),
        }
    }
}

fn describe(error: &io::Error) -> String {
    if is_close(error) {
        "closed by the other side".into()
    } else {
        error.to_string()
    }
}
