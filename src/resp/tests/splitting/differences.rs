//! Where a server is known to split otherwise than the scanner, as data: what is left out when streams are
//! compared with that server, why no client of Steadfast notices, and a stream that shows it.
//!
//! A server that no longer shows its difference fails the test: then its entry is to go.

use std::path::Path;

use super::{alone, newer};
use crate::resp::tests::server::Server;

/// One server's own way with one kind of line.
pub(super) struct Difference {
    /// The program, by the end of its path.
    pub(super) server: &'static str,
    /// What it makes of such a line, and why that is no client's affair.
    pub(super) why: &'static str,
    /// Whether this line, of which the scanner makes no command, is of that kind.
    pub(super) is_it: fn(&[u8]) -> bool,
    /// A stream with such a line, as the scanner splits it: one PING.
    pub(super) shown_by: &'static [u8],
    /// What this server's answer to it begins with, in place of `+PONG`.
    pub(super) answered: &'static [u8],
}

/// All that are known.
pub(super) const DIFFERENCES: &[Difference] = &[Difference {
    server: "valkey-server-8.0",
    why: "it takes what follows a line of white space for inline, whatever it is; no such line is ever \
          passed on, so that behind Steadfast such a client is served as by the other servers",
    is_it: is_white,
    shown_by: b" \r\n*1\r\n$4\r\nPING\r\n",
    answered: b"-ERR unknown command '*1'",
}];

/// Those of the server at `path`.
pub(super) fn of(path: &Path) -> impl Iterator<Item = &'static Difference> {
    DIFFERENCES.iter().filter(|one| path.ends_with(one.server))
}

/// Whether there is more to this line than its end, and still no word.
fn is_white(line: &[u8]) -> bool {
    !matches!(line, b"\n" | b"\r\n" | [b'*', ..])
}

/// A difference that is gone is to be taken out of the table.
#[test]
fn servers_differ_as_the_table_says_and_others_do_not() {
    for difference in DIFFERENCES {
        let names = ["valkey-server-8.0", "valkey-server-9.1"];
        let all = names.map(newer).into_iter().filter(|path| path.exists());
        for path in all.chain([Path::new("redis-server").to_owned()]) {
            let server = Server::start_binary(path.as_os_str());
            let said = alone(&server, difference.shown_by);
            let expected = match path.ends_with(difference.server) {
                true => difference.answered,
                false => b"+PONG\r\n",
            };
            let shown = said.escape_ascii();
            assert!(said.starts_with(expected), "{}: {shown}", path.display());
        }
    }
}
