//! Which commands a session must do something about, beyond passing them on.
//!
//! The table of `class` has the answers. This knows names only: what the arguments of CLIENT or
//! XREAD mean is for whoever acts on the answer.

use super::class::{TABLE, find};

/// The kind of channel a subscription command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// SUBSCRIBE: channels by name.
    Channel,
    /// PSUBSCRIBE: patterns.
    Pattern,
    /// SSUBSCRIBE: shard channels.
    Shard,
}

/// What a cursor is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iteration {
    /// SCAN: the keys of a database.
    Keys,
    /// HSCAN: the fields of a hash.
    Hash,
    /// SSCAN: the members of a set.
    Set,
    /// ZSCAN: the members of a sorted set.
    SortedSet,
}

/// What is special about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Nothing: it is passed on.
    Plain,
    /// Changes the identity of the connection.
    Auth,
    /// May change protocol version, identity and name.
    Hello,
    /// CLIENT, whose subcommands read or change the connection.
    Client,
    /// Asks for `+OK` and the end.
    Quit,
    /// Takes the connection back to its beginning, even inside MULTI.
    Reset,
    /// Begins subscriptions.
    Subscribe {
        /// What to.
        kind: Channels,
    },
    /// Ends subscriptions.
    Unsubscribe {
        /// What from.
        kind: Channels,
    },
    /// Turns the connection into a stream of lines.
    Monitor,
    /// Success sets something on the connection: SELECT and the like.
    Setting,
    /// Watches keys for the next transaction.
    Watch,
    /// Ends that.
    Unwatch,
    /// May wait at the server before it answers.
    Blocking,
    /// Uses a script, or changes which ones the server has.
    Script,
    /// Goes on with a cursor, which belongs to the node it came from.
    Scan {
        /// What it is about.
        kind: Iteration,
    },
    /// Begins a transaction.
    Multi,
    /// Ends a transaction, whatever the reply.
    Exec,
    /// Drops a transaction.
    Discard,
    /// Acts on the node as such: never sent to another than the one it was meant for.
    Unheld,
    /// Would turn the connection into a replication link; never passed on.
    Refused,
    /// Begins an HTTP request or one of its headers, which somebody may have tricked a browser into;
    /// never passed on.
    Http,
}

/// What is special about the command `name`, given in upper case.
#[must_use]
#[inline]
pub fn special(name: &[u8]) -> Special {
    if !may_be_listed(name) {
        return Special::Plain;
    }
    find(name).map_or(Special::Plain, |(_, entry)| entry.special)
}

/// For each length, the set of first letters of those that are special, as bits from A; what makes a lookup
/// of GET or SET cost one load.
static FIRST_LETTERS: [u32; NAMES_LEN_END] = first_letters();

/// One more than the longest of their names.
const NAMES_LEN_END: usize = "PUNSUBSCRIBE".len() + 1;

const fn first_letters() -> [u32; NAMES_LEN_END] {
    let mut sets = [0; NAMES_LEN_END];
    let mut at = 0;
    // Indexing is checked when this is evaluated, at compile time.
    while at < TABLE.len() {
        let name = TABLE[at].name.as_bytes();
        if !matches!(TABLE[at].special, Special::Plain) {
            sets[name.len()] |= 1 << (name[0] - b'A');
        }
        at += 1;
    }
    sets
}

fn may_be_listed(name: &[u8]) -> bool {
    let letters = FIRST_LETTERS.get(name.len());
    let first = name.first().filter(|byte| byte.is_ascii_uppercase());
    match (letters, first) {
        (Some(letters), Some(first)) => letters & (1 << (first - b'A')) != 0,
        _ => false,
    }
}
