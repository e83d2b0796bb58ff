//! One child process that never outlives its owner.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A child in a process group of its own. Drop kills the group, also while a test panics and also
/// when it is stopped (SIGKILL does not need the process to run).
pub(crate) struct Process {
    child: Mutex<Child>,
    pid: Pid,
}

impl Process {
    /// Starts `command`.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        Ok(Self {
            child: Mutex::new(child),
            pid,
        })
    }

    /// Starts `command`, whose stderr is a pipe, and hands that over.
    pub(crate) fn spawn_with_stderr(command: &mut Command) -> io::Result<(Self, ChildStderr)> {
        let process = Self::spawn(command)?;
        let stderr = process.child().stderr.take();
        Ok((process, stderr.ok_or(io::ErrorKind::NotFound)?))
    }

    /// The process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends `signal` to the process; nothing happens when it has ended and was waited for.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.exited().is_none() {
            // A process that ends just now is as good as one that got the signal.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// The exit status, once it has ended.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Waits for the end; none when `limit` passes first.
    pub(crate) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.exited();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&self) {
        if self.exited().is_none() {
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.child().wait();
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
