//! What a command is: what may become of it when its connection was lost, and whether it may travel
//! on one that others use too. Told from the command alone.
//!
//! Says what a command is, not what to do: that also depends on what was sent, on what came back
//! and on the session. The table holds names; the few commands that depend on an argument are
//! decided here. Arities are not checked: what a server refuses has no effect.

mod index;
mod key;
mod known;
mod overlay;
pub(super) mod said;
pub(super) mod table;

use super::args::Args;
use super::xread::Xread;

use key::Key;
use said::Limits;
use table::Shape;

pub use known::{Commands, Heard};

pub(super) use table::{TABLE, find};

/// The names of all commands and subcommands that are known, those as `CLIENT|ID`, in the order of their
/// places.
pub fn listed() -> impl ExactSizeIterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

/// The place of the command of this name, in whatever case; none of what is not known.
#[must_use]
pub fn place(name: &[u8]) -> Option<usize> {
    let mut key = Key::new();
    let whole = key.add(name);
    let found = whole.then(|| find(key.name())).flatten();
    // Nobody can send what is a subcommand's name here.
    let command = found.filter(|(_, entry)| entry.shape != Shape::Sub);
    command.map(|(at, _)| at)
}

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

impl Class {
    /// What is left of it when a server says more of the command than the table knows: nothing that
    /// would have it sent again.
    const fn limited(self, said: Limits) -> Self {
        const LASTING: Limits = Limits::OF_DATA.and(Limits::BLOCKING);
        match self {
            _ if said.any(Limits::MODULE) => Self::Unknown,
            Self::Read | Self::Scan | Self::BlockingRead { .. } | Self::Connection
                if said.any(LASTING) =>
            {
                Self::Effect
            }
            _ => self,
        }
    }
}

/// The class of the command that is `frame`, one whole multibulk command, by the table alone.
///
/// Total: bytes that are no such command are [`Class::Unknown`].
#[must_use]
pub fn class(frame: &[u8]) -> Class {
    Commands::BUILT_IN.class(frame)
}

/// What a command of this `class` is with the arguments it has.
fn of_arguments(class: Class, shape: Shape, frame: &[u8]) -> Class {
    match shape {
        Shape::Plain | Shape::Family | Shape::Sub => class,
        Shape::Cursor { at } => of_cursor(Args::new(frame).nth(at)),
        Shape::Xread => of_xread(frame),
        Shape::XreadGroup => of_xreadgroup(frame),
    }
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
