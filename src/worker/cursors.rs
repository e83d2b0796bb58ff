//! Cursors of SCAN and its kin: positions in one server's tables, which another has laid out
//! otherwise. A session remembers where its unfinished iterations were begun.
//!
//! It is told by the replies of one session. Who goes on with a cursor over another connection
//! than it came by is not noticed.

use crate::config::ScanOnFailover;
use crate::resp::{Args, Iteration, Peek, first_word};

use super::link::Link;
use super::session::Session;

/// What a client is told that goes on with a cursor of another node.
const OUTDATED: &[u8] = b"-ERR steadfast: this cursor belongs to the primary before the failover; \
start again at 0\r\n";

/// For each kind of iteration, the generation its last cursor came from; 0 for none.
#[derive(Debug, Default)]
pub(super) struct Cursors([u64; 4]);

impl Cursors {
    /// `reply` came from a primary of `generation`.
    pub(super) fn learn(&mut self, kind: Iteration, reply: &[u8], generation: u64) {
        let finished = first_word(reply) == Peek::Word(b"0");
        self.0[kind as usize] = if finished { 0 } else { generation };
    }

    fn is_of_another(&self, kind: Iteration, generation: u64) -> bool {
        let known = self.0[kind as usize];
        known != 0 && known != generation
    }
}

impl Session {
    /// The answer to an iteration that cannot go on on `link`; none where it may.
    pub(super) fn refuse_cursor(
        &self,
        kind: Iteration,
        frame: &[u8],
        link: &Link,
    ) -> Option<&'static [u8]> {
        let state = self.state.borrow();
        let outdated = state.cursors().is_some_and(|cursors| {
            cursors.is_of_another(kind, link.generation) && !begins(kind, frame)
        });
        if !outdated {
            return None;
        }
        self.worker.counters.outdated_cursors.add(1);
        match self.worker.config.scan_on_failover {
            ScanOnFailover::Error => Some(OUTDATED),
            ScanOnFailover::Pass => None,
        }
    }
}

/// Whether the cursor is the one to begin with.
fn begins(kind: Iteration, frame: &[u8]) -> bool {
    // Only SCAN names no key before it.
    let at = if kind == Iteration::Keys { 1 } else { 2 };
    Args::new(frame).nth(at).is_none_or(|cursor| cursor == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::login::command;

    #[test]
    fn an_unfinished_iteration_belongs_to_its_node() {
        let mut cursors = Cursors::default();
        let some = b"*2\r\n$2\r\n17\r\n*0\r\n";
        let last = b"*2\r\n$1\r\n0\r\n*0\r\n";
        cursors.learn(Iteration::Hash, some, 1);
        assert!(!cursors.is_of_another(Iteration::Hash, 1));
        assert!(cursors.is_of_another(Iteration::Hash, 2));
        assert!(!cursors.is_of_another(Iteration::Keys, 2));
        cursors.learn(Iteration::Hash, last, 1);
        assert!(!cursors.is_of_another(Iteration::Hash, 2), "it is finished");
    }

    #[test]
    fn a_beginning_is_allowed_anywhere() {
        let frame = |line: &str| command(line.split(' ').map(str::as_bytes));
        assert!(begins(Iteration::Keys, &frame("SCAN 0 COUNT 5")));
        assert!(!begins(Iteration::Keys, &frame("SCAN 17")));
        assert!(begins(Iteration::Set, &frame("SSCAN k 0")));
        assert!(!begins(Iteration::Set, &frame("SSCAN 0 17")));
        assert!(
            begins(Iteration::Set, &frame("SSCAN k")),
            "the server's to refuse"
        );
    }
}
