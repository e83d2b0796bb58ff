//! What a client has sent and is not yet passed on: an incomplete command, or what is held because
//! nothing may be sent now. `cutting` works it off; a session with nothing to keep holds no memory
//! here.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::resp::RequestScanner;

use super::Worker;
use super::budget::Budget;

/// A client's input that is not yet passed on.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(super) scanner: RequestScanner,
    /// Input that is incomplete or held; begins with a frame.
    pub(super) carry: Vec<u8>,
    /// Bytes of `carry` the scanner has seen; `<= carry.len()`.
    pub(super) scanned: usize,
    /// Bytes of `carry` that were kept while the gate was not open, or before a switch.
    pub(super) held_len: usize,
    /// The generation whose gate was open when `carry` was last kept; none while it was shut.
    kept_in: Option<NonZeroU64>,
    /// Where the rest of the frame at hand goes, if its beginning is gone already.
    pub(super) streaming: Streaming,
    /// An answer must come before anything more may be sent.
    pub(super) blocked: bool,
    /// A blocking call was sent, or is being streamed, and is not answered. It may have to be asked
    /// again elsewhere, and what its client sent after it would have been executed by then.
    pub(super) awaits_pop: bool,
    /// The look after which the command began of which only a part is there.
    pub(super) begun: u32,
    /// The client has presented what it must where Steadfast logs in for it.
    pub(super) admitted: bool,
    /// MULTI was sent and neither EXEC nor DISCARD nor RESET since.
    pub(super) in_multi: bool,
    /// The transaction being sent cannot be executed any more: the rest of it is answered here.
    pub(super) hopeless: bool,
    /// What the link has queued is not what its client sent: it has to go before anything more is
    /// sent.
    pub(super) holed: bool,
    /// A WATCH was lost with its link: the next EXEC must not be executed.
    pub(super) watch_lost: bool,
    /// What the names of SUBSCRIBEs cost that may not be confirmed yet.
    pub(super) subscribing: usize,
    /// A MULTI was sent again, and what follows it waits for its answer.
    pub(super) awaits_multi: bool,
    /// The permit is for what only reads.
    pub(super) reads_only: bool,
    /// What comes next is not for a shared link.
    pub(super) wants_own: bool,
    /// How many commands follow of a transaction that goes on a shared link as a whole.
    pub(super) run_left: usize,
    /// Nothing more is taken in: QUIT, or input that makes no sense.
    pub(super) done: bool,
    /// Since when commands wait for a link.
    pub(super) waiting_since: Option<Instant>,
    /// How many seconds those had waited that were last sent or refused.
    waited_s: u32,
    /// Since when commands wait for a primary.
    pub(super) held: Option<Instant>,
    /// It is not read because the process keeps all that it may.
    pub(super) held_off: bool,
    /// Bytes counted as kept for it.
    charged: usize,
}

/// A frame too large to be collected first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streaming {
    /// There is none.
    No,
    /// Its beginning has gone to the link.
    ToLink,
    /// It was refused; the rest is read and forgotten.
    Nowhere,
}

impl Intake {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            scanner: RequestScanner::new(),
            carry: Vec::new(),
            scanned: 0,
            held_len: 0,
            kept_in: None,
            streaming: Streaming::No,
            blocked: false,
            awaits_pop: false,
            begun: 0,
            admitted: config.client_password.is_none(),
            in_multi: false,
            hopeless: false,
            holed: false,
            watch_lost: false,
            subscribing: 0,
            awaits_multi: false,
            reads_only: false,
            wants_own: false,
            run_left: 0,
            done: false,
            waiting_since: None,
            waited_s: 0,
            held: None,
            held_off: false,
            charged: 0,
        }
    }

    /// Whether input is kept that could be acted on if the situation allowed it.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.done && self.scanned < self.carry.len()
    }

    /// Whether nothing is kept but the beginning of a small command, if that, and none was the last.
    pub(super) fn flows(&self) -> bool {
        self.scanned == self.carry.len() && self.streaming == Streaming::No && !self.done
    }

    pub(super) fn end_wait(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited_s = u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX);
        }
    }

    /// How long there has been no primary for the command at hand.
    pub(super) fn outage(&self, worker: &Worker) -> Duration {
        // With the gate open it is the dials that failed, or a hold that has just ended.
        match worker.gate_is_open() {
            true => Duration::from_secs(self.waited_s.into()),
            false => worker.outage_so_far(),
        }
    }

    /// Notes what of the input at hand an outage has held.
    pub(super) fn note_outage(&mut self, worker: &Worker) {
        let now = open_generation(worker);
        if now.is_none() || now != self.kept_in {
            self.held_len = self.carry.len();
        }
        self.kept_in = now;
    }

    /// Whether input is kept that an outage has held, or holds.
    pub(crate) fn is_held(&self, worker: &Worker) -> bool {
        let now = open_generation(worker);
        self.is_waiting() && (self.held_len > 0 || now.is_none() || now != self.kept_in)
    }

    /// Whether a frame that begins at `at` was held by an outage.
    pub(super) fn was_held(&self, at: usize) -> bool {
        at < self.held_len
    }

    /// Whether half of a frame has gone to the link.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming == Streaming::ToLink
    }

    /// Body bytes of the streamed frame that can be passed on unseen.
    pub(crate) fn streamed_body_left(&self) -> usize {
        if self.is_streaming() && self.carry.is_empty() {
            // The line end after the body is the scanner's to check.
            self.scanner.body_left().saturating_sub(2)
        } else {
            0
        }
    }

    /// So many body bytes were passed on unseen.
    pub(crate) fn skip_body(&mut self, n: usize) {
        let skipped = self.scanner.skip_body(n);
        debug_assert!(skipped, "no more was read than the body has");
    }

    /// The answer that was waited for has come.
    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Whether commands of this client wait.
    pub(super) fn is_marked_held(&self) -> bool {
        self.held.is_some()
    }

    /// Has `bytes` counted as kept for this client.
    pub(super) fn charge(&mut self, held_bytes: &Budget, bytes: usize) {
        let before = std::mem::replace(&mut self.charged, bytes);
        if before != bytes {
            held_bytes.change(before, bytes);
        }
    }

    /// Has a rewritten command looked at next, in place of the one at hand.
    pub(super) fn replace_by(&mut self, frame: Vec<u8>) {
        self.carry = frame;
    }

    /// Keeps what is left of `buffer`, of which the scanner has seen `scanned` bytes.
    pub(super) fn keep(&mut self, buffer: &[u8], from: usize, scanned: usize) {
        self.carry.extend_from_slice(&buffer[from..]);
        self.scanned = scanned;
    }
}

/// The generation whose gate is open. Generation 0 has no primary, so its gate never is.
fn open_generation(worker: &Worker) -> Option<NonZeroU64> {
    let generation = worker.gate_is_open().then(|| worker.generation())?;
    NonZeroU64::new(generation)
}
