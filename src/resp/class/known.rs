//! What is known of commands: the table, and what comes to be known only while the program runs.
//!
//! Nothing here makes a command more harmless than the table says. Only a name that is in no table,
//! or a module's, is taken for what the operator says it is, unless the server knows better.

use super::key::Key;
use super::said::Limits;
use super::table::{Entry, Shape, find};
use super::{Class, of_arguments};
use crate::resp::args::Args;
use crate::resp::xread::Xread;

/// What a server's word about a command changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: the table knows it all.
    AsListed,
    /// It is treated more carefully from now on.
    Stricter,
    /// Nothing: the table does not know the command, which says enough.
    Unlisted,
}

/// The table of commands, and what came to be known beyond it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// What the primary says of its commands beyond the table, by their places there; those behind
    /// the end have nothing.
    stricter: Vec<Limits>,
    /// Commands the operator vouches for, in upper case and sorted.
    declared: Vec<Box<[u8]>>,
}

impl Commands {
    /// The table and nothing else.
    pub const BUILT_IN: Self = Self {
        stricter: Vec::new(),
        declared: Vec::new(),
    };

    /// The table, and commands in neither it nor a server's own code, in upper case, of which the
    /// operator says that they need nothing of their connection and leave nothing there.
    #[must_use]
    pub fn declaring(names: &[String]) -> Self {
        let mut declared: Vec<_> = names.iter().map(|name| name.as_bytes().into()).collect();
        declared.sort_unstable();
        Self {
            stricter: Vec::new(),
            declared,
        }
    }

    /// Takes note of what the primary says of one command, or of one subcommand as `client|id`.
    /// The more restrictive reading wins, over the operator's word too.
    pub fn hear<'a>(
        &mut self,
        name: &[u8],
        flags: impl IntoIterator<Item = &'a [u8]>,
        categories: impl IntoIterator<Item = &'a [u8]>,
    ) -> Heard {
        let mut key = Key::new();
        if !key.add(name) {
            return Heard::Unlisted;
        }
        let said = Limits::said(flags, categories);
        match find(key.name()) {
            Some((at, entry)) => self.hear_listed(at, said.without(entry.limits)),
            None if said.any(Limits::ALL.without(Limits::OF_DATA.and(Limits::MODULE))) => {
                self.disown(key.name())
            }
            None => Heard::Unlisted,
        }
    }

    fn hear_listed(&mut self, at: usize, beyond: Limits) -> Heard {
        if beyond == Limits::NONE {
            return Heard::AsListed;
        }
        if self.stricter.len() <= at {
            self.stricter.resize(at.saturating_add(1), Limits::NONE);
        }
        if let Some(known) = self.stricter.get_mut(at) {
            *known = known.and(beyond);
        }
        Heard::Stricter
    }

    /// Forgets that the operator vouched for it.
    fn disown(&mut self, name: &[u8]) -> Heard {
        let before = self.declared.len();
        self.declared.retain(|declared| **declared != *name);
        match self.declared.len() < before {
            true => Heard::Stricter,
            false => Heard::Unlisted,
        }
    }

    /// Whether the operator's word is needed, and heard, for a command of this name, in upper case:
    /// the table does not know it, or knows a module's.
    #[must_use]
    pub fn may_be_declared(name: &str) -> bool {
        find(name.as_bytes()).is_none_or(|(_, entry)| entry.apart == Limits::MODULE)
    }

    /// The class of the command that is `frame`, one whole multibulk command.
    ///
    /// Total: bytes that are no such command are [`Class::Unknown`].
    #[must_use]
    pub fn class(&self, frame: &[u8]) -> Class {
        let mut args = Args::new(frame);
        let mut key = Key::new();
        let whole = args.next().is_some_and(|name| key.add(name));
        let Some((at, entry)) = whole.then(|| find(key.name())).flatten() else {
            return Class::Unknown;
        };
        match entry.shape {
            Shape::Plain => self.at_most(at, entry.class),
            Shape::Family => match args.next() {
                Some(subcommand) => self.class_of_subcommand(key, subcommand),
                None => self.at_most(at, entry.class),
            },
            // No command has such a name.
            Shape::Sub => Class::Unknown,
            shape => self.at_most(at, of_arguments(entry.class, shape, frame)),
        }
    }

    /// Whether the command that is `frame`, one whole multibulk command, may be sent to a replica: it
    /// only reads, or sets something on its own connection, or is no matter of data. Whatever cannot be
    /// shown to be so may not; and neither may what acts on the node as such, which would meet whichever
    /// replica its client happens to be led to.
    #[must_use]
    pub fn suits_replica(&self, frame: &[u8]) -> bool {
        match self.class(frame) {
            Class::Read | Class::Scan | Class::BlockingRead { .. } => true,
            Class::Connection | Class::Subscription | Class::Publish => true,
            Class::Multi | Class::Exec | Class::Discard | Class::Watch | Class::Unwatch => true,
            Class::Blocking | Class::Wait | Class::Script | Class::Node | Class::Unknown => false,
            // Of what has an effect only this is needed to read: for EVALSHA_RO.
            Class::Effect => is_script_load(frame),
        }
    }

    fn class_of_subcommand(&self, mut key: Key, subcommand: &[u8]) -> Class {
        let whole = key.add_subcommand(subcommand);
        let found = whole.then(|| find(key.name())).flatten();
        found.map_or(Class::Unknown, |(at, entry)| self.at_most(at, entry.class))
    }

    /// Whether the command `name`, in upper case as the scanner gives it, may travel on a link that
    /// carries commands of other clients too. `frame` is the whole of it, as multibulk.
    ///
    /// It then needs nothing that an earlier command left on its connection but the user, the
    /// version and the database, leaves nothing there, has one reply, and keeps nobody waiting but
    /// by what keeps the whole server busy. Whatever cannot be shown to be so is not: names in no
    /// table, subcommands in none, options of XREAD this does not know. It says nothing of what is
    /// inside MULTI.
    #[must_use]
    #[inline]
    pub fn shareable(&self, name: &[u8], frame: &[u8]) -> bool {
        match find(name) {
            Some((at, entry)) if entry.shape == Shape::Plain => self.may_share(at, entry, name),
            Some((at, entry)) => self.shareable_by_arguments(at, entry, frame),
            None => self.is_declared(name),
        }
    }

    fn shareable_by_arguments(&self, at: usize, entry: &Entry, frame: &[u8]) -> bool {
        match entry.shape {
            Shape::Plain | Shape::Cursor { .. } => self.may_share(at, entry, entry.name.as_bytes()),
            // No command has such a name.
            Shape::Sub => false,
            Shape::Family => self.shareable_subcommand(frame),
            Shape::Xread | Shape::XreadGroup => {
                let waits = Xread::parse(frame).is_none_or(|xread| xread.block.is_some());
                !waits && self.may_share(at, entry, entry.name.as_bytes())
            }
        }
    }

    fn shareable_subcommand(&self, frame: &[u8]) -> bool {
        let mut args = Args::new(frame);
        let mut key = Key::new();
        let whole = args.next().is_some_and(|name| key.add(name))
            && args
                .next()
                .is_some_and(|subcommand| key.add_subcommand(subcommand));
        let found = whole.then(|| find(key.name())).flatten();
        found.is_some_and(|(at, entry)| self.may_share(at, entry, entry.name.as_bytes()))
    }

    #[inline]
    fn may_share(&self, at: usize, entry: &Entry, name: &[u8]) -> bool {
        let said = self.stricter.get(at).copied().unwrap_or(Limits::NONE);
        match entry.apart.and(said.without(Limits::OF_DATA)) {
            Limits::NONE => true,
            Limits::MODULE => self.is_declared(name),
            _ => false,
        }
    }

    fn is_declared(&self, name: &[u8]) -> bool {
        let found = self.declared.binary_search_by(|known| (**known).cmp(name));
        found.is_ok()
    }

    /// A `class` the table gives the command at this place, or what the primary says it is.
    fn at_most(&self, at: usize, class: Class) -> Class {
        match self.stricter.get(at) {
            None | Some(&Limits::NONE) => class,
            Some(said) => class.limited(*said),
        }
    }
}

fn is_script_load(frame: &[u8]) -> bool {
    let mut args = Args::new(frame);
    let mut is = |word: &[u8]| {
        args.next()
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word))
    };
    is(b"SCRIPT") && is(b"LOAD")
}
