//! Which commands may travel on a shared link, alone or as a whole transaction, and which leave on any
//! link what nobody could repeat.

use std::ops::Range;

use crate::resp::{Args, Class, Commands, RequestScanner, Scanned, Special, special};
use crate::worker::backlog::{Backlog, Item};
use crate::worker::intake::Intake;
use crate::worker::read_only::own_word;
use crate::worker::session::Session;
use crate::worker::slot::Kind;
use crate::worker::streaming::STREAM_MIN;

/// Bytes of a transaction that goes on a shared link: what waits there for replies is kept, and there
/// is room for no more than this beyond what makes others wait (`KEPT_FULL`, `SHARED_KEPT_MAX`).
const RUN_MAX: usize = 1024 * 1024;

impl Session {
    /// Notes a command that goes on a link of the session's own: what may leave a trace that nobody
    /// knows how to repeat or take away ties the session to it.
    pub(in crate::worker) fn note_traces(&self, frame: &[u8]) {
        if self.shares() && leaves_trace(&self.worker.topology.borrow().commands, frame) {
            self.pinned.set(true);
        }
    }
}

impl Intake {
    /// Whether a transaction that goes on a shared link as a whole has begun and not ended.
    pub(in crate::worker) fn is_in_run(&self) -> bool {
        self.run_left > 0
    }

    /// Whether the command that the scanner has just found may travel on a shared link, or goes nowhere
    /// because the endpoint is `read_only`.
    pub(in crate::worker) fn may_share(
        &mut self,
        commands: &Commands,
        buffer: &[u8],
        frame: Range<usize>,
        read_only: bool,
    ) -> bool {
        if self.run_left > 0 {
            self.run_left -= 1;
            return true;
        }
        if read_only {
            let frame = buffer.get(frame.clone()).unwrap_or_default();
            if own_word(commands, self.scanner.name(), frame).is_some() {
                return true;
            }
        }
        if frame.len() > STREAM_MIN {
            return false;
        }
        if self.scanner.name() == b"MULTI" {
            let after = buffer.get(frame.end..).unwrap_or_default();
            let multi = buffer.get(frame).unwrap_or_default();
            self.run_left = transaction_len(commands, multi, after, read_only);
            return self.run_left > 0;
        }
        if matches!(
            special(self.scanner.name()),
            Special::Quit | Special::Refused | Special::Http
        ) {
            // Answered here, in its turn; nothing of it is sent.
            return true;
        }
        let frame = buffer.get(frame).unwrap_or_default();
        is_shareable(commands, self.scanner.name(), frame)
    }
}

/// How many commands the transaction has that `multi` begins, its EXEC included; 0 where not all of
/// it is at hand, or not all of it may travel there: begun, it cannot go on anywhere else.
fn transaction_len(commands: &Commands, multi: &[u8], mut rest: &[u8], read_only: bool) -> usize {
    if Args::new(multi).nth(1).is_some() {
        return 0;
    }
    let mut scanner = RequestScanner::new();
    let (mut count, mut bytes) = (0, multi.len());
    while let Ok(Scanned::Command { len }) = scanner.scan(rest) {
        count += 1;
        let Some((frame, after)) = rest.split_at_checked(len) else {
            return 0;
        };
        bytes += len;
        if len > STREAM_MIN || bytes > RUN_MAX {
            return 0;
        }
        match scanner.name() {
            b"EXEC" if scanner.argc() == 1 => return count,
            // The server has to hear of it in the right place.
            name if read_only && own_word(commands, name, frame).is_some() => return 0,
            name if is_shareable(commands, name, frame) => {}
            _ => return 0,
        }
        rest = after;
    }
    0
}

impl Backlog {
    /// Whether all that waits may be sent on a shared link.
    pub(in crate::worker) fn is_shareable(&self, commands: &Commands) -> bool {
        self.items().all(|item| match item {
            Item::Command { apart: true, .. } => false,
            Item::Command { kind, frame, .. } => {
                matches!(kind, Kind::Plain | Kind::Scan(_)) && is_shareable_frame(commands, frame)
            }
            Item::Answer(_) | Item::End => true,
        })
    }
}

fn is_shareable_frame(commands: &Commands, frame: &[u8]) -> bool {
    let mut scanner = RequestScanner::new();
    let whole = matches!(scanner.scan(frame), Ok(Scanned::Command { .. }));
    whole && is_shareable(commands, scanner.name(), frame)
}

/// Whether a command may travel on a shared link: it leaves no trace there, and nothing is to be done
/// about its reply. Scripts and functions have links of their own, for they can say whatever they
/// like: an error in a server's words would have all who share the link taken off it.
fn is_shareable(commands: &Commands, name: &[u8], frame: &[u8]) -> bool {
    let ordinary = matches!(special(name), Special::Plain | Special::Scan { .. });
    let runs_code = matches!(name, b"FCALL" | b"FCALL_RO");
    ordinary && !runs_code && commands.shareable(name, frame)
}

/// Whether a command may leave something on its connection that is not followed; or, as WAIT, is
/// about what was written on it before.
fn leaves_trace(commands: &Commands, frame: &[u8]) -> bool {
    if commands.class(frame) == Class::Unknown {
        return !is_shareable_frame(commands, frame);
    }
    let mut args = Args::new(frame);
    let mut next = || args.next().unwrap_or_default().to_ascii_uppercase();
    match next().as_slice() {
        b"ASKING" | b"WAIT" | b"WAITAOF" => true,
        b"CLIENT" => next() == b"CAPA",
        b"SCRIPT" => next() == b"DEBUG",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(lines: &[&str]) -> Vec<u8> {
        let command =
            |line: &&str| crate::worker::login::command(line.split(' ').map(str::as_bytes));
        lines.iter().flat_map(command).collect()
    }

    #[test]
    fn a_transaction_is_shareable_as_a_whole_or_not_at_all() {
        let multi = frames(&["MULTI"]);
        let len =
            |lines: &[&str]| transaction_len(&Commands::BUILT_IN, &multi, &frames(lines), false);
        let reading =
            |lines: &[&str]| transaction_len(&Commands::BUILT_IN, &multi, &frames(lines), true);
        assert_eq!(reading(&["GET a", "EXEC"]), 2);
        assert_eq!(reading(&["GET a", "SET a 1", "EXEC"]), 0);
        assert_eq!(len(&["SET a 1", "incr b", "EXEC", "GET a"]), 3);
        assert_eq!(len(&["EXEC"]), 1);
        assert_eq!(len(&["SET a 1"]), 0, "its end is not there");
        assert_eq!(len(&["SET a 1", "SELECT 3", "EXEC"]), 0);
        assert_eq!(len(&["MULTI", "EXEC"]), 0);
        assert_eq!(len(&["EXEC now"]), 0);
        let large = format!("SET a {}", "v".repeat(STREAM_MIN));
        assert_eq!(len(&[&large, "EXEC"]), 0, "it goes on no shared link");
        let some = format!("SET a {}", "v".repeat(STREAM_MIN / 2));
        let mut many = vec![some.as_str(); RUN_MAX / some.len()];
        many.push("EXEC");
        assert_eq!(len(&many), many.len());
        many.insert(0, &some);
        assert_eq!(len(&many), 0, "nor do many that are too large together");
        let whole = frames(&["SET a 1", "EXEC"]);
        let cut = whole.get(..whole.len() - 1).unwrap_or_default();
        assert_eq!(transaction_len(&Commands::BUILT_IN, &multi, cut, false), 0);
        assert_eq!(
            transaction_len(&Commands::BUILT_IN, &frames(&["MULTI now"]), &whole, false),
            0
        );
    }

    #[test]
    fn what_nobody_can_take_back_leaves_a_trace() {
        for line in [
            "MODULE.X y",
            "asking",
            "client capa redirect",
            "SCRIPT DEBUG yes",
        ] {
            assert!(
                leaves_trace(&Commands::BUILT_IN, &frames(&[line])),
                "{line}"
            );
        }
        for line in [
            "BLPOP a 0",
            "client setname x",
            "SELECT 1",
            "SCRIPT LOAD x",
            "EVAL x 0",
        ] {
            assert!(
                !leaves_trace(&Commands::BUILT_IN, &frames(&[line])),
                "{line}"
            );
        }
    }
}
