//! The one table of commands: what servers say and what the overlay adds, joined when compiled.
//!
//! Sorted by name, subcommands in it as `CLIENT|ID`. A name is found by its hash, without a search
//! and without allocating.

use super::super::commands::Special;
use super::Class;
use super::index::Index;
use super::overlay::{NOTES, Note, Says};
use super::said::{Limits, Rows, is_less, is_same};

/// Where a command and its subcommand meet in a name.
pub(in crate::resp) const BAR: u8 = b'|';

/// Which part of a command decides what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resp) enum Shape {
    /// The name alone.
    Plain,
    /// This is a subcommand, and no name of its own.
    Sub,
    /// The subcommand, if there is one.
    Family,
    /// The cursor.
    Cursor {
        /// Which argument that is, the name being 0.
        at: usize,
    },
    /// The options of XREAD.
    Xread,
    /// The options of XREADGROUP.
    XreadGroup,
}

/// What is known of one command or subcommand.
#[derive(Clone, Copy, Debug)]
pub(in crate::resp) struct Entry {
    pub(in crate::resp) name: &'static str,
    pub(in crate::resp) class: Class,
    pub(in crate::resp) shape: Shape,
    pub(in crate::resp) special: Special,
    /// All that any supported server says.
    pub(in crate::resp) limits: Limits,
    /// What of that, and of the overlay, keeps it off a shared link.
    pub(in crate::resp) apart: Limits,
}

/// A reference, for a constant is copied wherever it is named, which takes the compiler seconds.
const ROWS: &Rows = &Rows::read();

/// The commands and subcommands of all supported servers, sorted by name.
pub(in crate::resp) static TABLE: [Entry; ROWS.len] = made();

static INDEX: Index<2048> = Index::of(&TABLE);

/// The place of a command by its name in upper case, or of a subcommand by both names and a bar.
#[inline]
pub(in crate::resp) fn find(name: &[u8]) -> Option<(usize, &'static Entry)> {
    INDEX.find(&TABLE, name)
}

// Arrays are indexed only while this is compiled, where a mistake is an error.
const fn made() -> [Entry; ROWS.len] {
    let mut table = [Entry::of(0); ROWS.len];
    let mut at = 0;
    while at < ROWS.len {
        table[at] = Entry::of(at);
        at += 1;
    }
    let mut note = 0;
    while note < NOTES.len() {
        let Note { names, says } = &NOTES[note];
        let mut name = 0;
        while name < names.len() {
            apply(&mut table, names[name].as_bytes(), *says);
            name += 1;
        }
        note += 1;
    }
    table
}

/// Notes it for the one command of this name, or for all that have this beginning or end.
const fn apply(table: &mut [Entry], pattern: &[u8], says: Says) {
    let (beginning, end): (&[u8], &[u8]) = match pattern {
        [beginning @ .., b'*'] => (beginning, b""),
        [b'*', end @ ..] => (b"", end),
        _ => {
            let at = place(table, pattern);
            table[at] = table[at].with(says);
            return;
        }
    };
    let mut at = 0;
    while at < table.len() {
        let name = table[at].name.as_bytes();
        if begins(name, beginning) && ends(name, end) {
            table[at] = table[at].with(says);
        }
        at += 1;
    }
}

/// Where this name is. A note about no command is a mistake.
const fn place(table: &[Entry], name: &[u8]) -> usize {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = (low + high) / 2;
        match is_less(table[middle].name.as_bytes(), name) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    assert!(is_same(table[low].name.as_bytes(), name));
    low
}

impl Entry {
    const fn of(at: usize) -> Self {
        let row = ROWS.rows[at];
        Self {
            name: row.name,
            class: of_limits(row.limits),
            shape: shape(at),
            special: Special::Plain,
            limits: row.limits,
            apart: row.limits.without(Limits::OF_DATA),
        }
    }

    const fn with(mut self, says: Says) -> Self {
        match says {
            Says::Is(class) => self.class = class,
            Says::Has(special) => self.special = special,
            Says::Depends(shape) => self.shape = shape,
            Says::Forgive(limits) => self.apart = self.apart.without(limits),
            Says::Apart => self.apart = self.apart.and(Limits::APART),
        }
        self
    }
}

/// What a command is of which nothing but its flags is known.
const fn of_limits(limits: Limits) -> Class {
    if !limits.any(Limits::OF_DATA) {
        Class::Read
    } else if limits.any(Limits::MODULE) {
        Class::Unknown
    } else {
        Class::Effect
    }
}

/// What the names tell: subcommands have a bar, and may follow their command only after others.
const fn shape(at: usize) -> Shape {
    let name = ROWS.rows[at].name.as_bytes();
    if has_bar(name) {
        return Shape::Sub;
    }
    let mut other = at + 1;
    while other < ROWS.len {
        let follower = ROWS.rows[other].name.as_bytes();
        if !begins(follower, name) {
            return Shape::Plain;
        }
        if follower[name.len()] == BAR {
            return Shape::Family;
        }
        other += 1;
    }
    Shape::Plain
}

const fn has_bar(mut name: &[u8]) -> bool {
    while let [byte, rest @ ..] = name {
        if *byte == BAR {
            return true;
        }
        name = rest;
    }
    false
}

const fn begins(name: &[u8], beginning: &[u8]) -> bool {
    beginning.len() <= name.len() && is_same(name.split_at(beginning.len()).0, beginning)
}

const fn ends(name: &[u8], end: &[u8]) -> bool {
    end.len() <= name.len() && is_same(name.split_at(name.len() - end.len()).1, end)
}
