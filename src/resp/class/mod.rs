//! What may become of a command whose connection was lost, told from the command alone.
//!
//! Says what a command is, not what to do: that also depends on what was sent, on what came back
//! and on the session. The tables hold names; the few commands whose class depends on an argument
//! are decided here. Arities are not checked: what a server refuses has no effect.

mod index;
mod subcommands;
mod table;

use super::args::Args;
use super::xread::Xread;

use index::Index;

pub(super) use subcommands::SUBCOMMANDS;
pub(super) use table::TABLE;

/// Longest name looked up, a subcommand's with its command's and a space.
const LOOKED_UP_LEN_MAX: usize = 32;

static COMMAND_INDEX: Index<1024> = Index::of(TABLE);
static SUBCOMMAND_INDEX: Index<512> = Index::of(SUBCOMMANDS);

/// What a command does, as far as recovery is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads, and changes nothing: resending it is always right.
    Read,
    /// Continues an iteration with a cursor that only the server it came from understands.
    Scan,
    /// Touches nothing but the connection it came on: asking again on a new one is right.
    Connection,
    /// Begins or ends subscriptions.
    Subscription,
    /// MULTI.
    Multi,
    /// EXEC.
    Exec,
    /// DISCARD.
    Discard,
    /// WATCH.
    Watch,
    /// UNWATCH.
    Unwatch,
    /// Takes something, and waits for it if there is nothing.
    Blocking,
    /// Waits for something to read and takes nothing.
    BlockingRead {
        /// Whether it waits for what comes after the moment it is asked, so that asking again
        /// later silently skips what came between. Also where that cannot be told.
        dollar: bool,
    },
    /// Waits for the earlier writes of its own connection: means nothing on another one.
    Wait,
    /// Runs a script or function that may do, and say, anything.
    Script,
    /// Acts on the node as such: never resent, never held.
    Node,
    /// Publishes a message.
    Publish,
    /// Changes something, or may: whether it did cannot be told once its reply is lost.
    Effect,
    /// As [`Effect`](Self::Effect), and even its errors prove nothing: a name not listed may be a
    /// module's, which can say anything after having done anything.
    Unknown,
}

/// The class of the command that is `frame`, one whole multibulk command.
///
/// Total: bytes that are no such command are [`Class::Unknown`].
#[must_use]
pub fn class(frame: &[u8]) -> Class {
    let mut args = Args::new(frame);
    let Some(name) = args.next() else {
        return Class::Unknown;
    };
    let mut key = Key::new();
    let fits = key.add(name);
    let entry = fits.then(|| COMMAND_INDEX.find(TABLE, key.name()));
    match entry.flatten() {
        Some(Entry::Is(class)) => class,
        Some(Entry::Family { bare }) => match args.next() {
            Some(subcommand) => of_subcommand(key, subcommand),
            None => bare,
        },
        Some(Entry::Cursor { at }) => of_cursor(Args::new(frame).nth(at)),
        Some(Entry::Xread) => of_xread(frame),
        Some(Entry::XreadGroup) => of_xreadgroup(frame),
        None => Class::Unknown,
    }
}

fn of_subcommand(mut key: Key, subcommand: &[u8]) -> Class {
    let whole = key.add(b" ") && key.add(subcommand);
    let class = whole.then(|| SUBCOMMAND_INDEX.find(SUBCOMMANDS, key.name()));
    class.flatten().unwrap_or(Class::Unknown)
}

/// A first call depends on no earlier one. Other spellings of zero are not recognised, nor used.
fn of_cursor(cursor: Option<&[u8]>) -> Class {
    match cursor {
        Some(b"0") => Class::Read,
        _ => Class::Scan,
    }
}

fn of_xread(frame: &[u8]) -> Class {
    // An option this does not know may make it wait.
    let Some(xread) = Xread::parse(frame) else {
        return Class::BlockingRead { dollar: true };
    };
    match xread.block {
        Some(_) => Class::BlockingRead {
            dollar: xread.ids().any(|id| id == b"$"),
        },
        None => Class::Read,
    }
}

/// It waits only for what is new: asked for anything else, it answers at once, BLOCK or not.
fn of_xreadgroup(frame: &[u8]) -> Class {
    let waits = Xread::parse(frame)
        .is_some_and(|xread| xread.block.is_some() && xread.ids().all(|id| id == b">"));
    match waits {
        true => Class::Blocking,
        false => Class::Effect,
    }
}

/// What the table says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Is(Class),
    /// The subcommand decides.
    Family {
        /// Its class without one.
        bare: Class,
    },
    /// The cursor decides.
    Cursor {
        /// Which argument that is, the name being 0.
        at: usize,
    },
    Xread,
    XreadGroup,
}

/// A name in upper case, of bounded length.
struct Key {
    bytes: [u8; LOOKED_UP_LEN_MAX],
    len: usize,
}

impl Key {
    const fn new() -> Self {
        Self {
            bytes: [0; LOOKED_UP_LEN_MAX],
            len: 0,
        }
    }

    /// Appends `word`; false if there is no room for it.
    fn add(&mut self, word: &[u8]) -> bool {
        let end = self.len.saturating_add(word.len());
        let Some(room) = self.bytes.get_mut(self.len..end) else {
            return false;
        };
        for (kept, byte) in room.iter_mut().zip(word) {
            *kept = byte.to_ascii_uppercase();
        }
        self.len = end;
        true
    }

    fn name(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
