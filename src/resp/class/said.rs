//! Reads what servers say of their commands: the files of `data`, while this is compiled.
//!
//! One line a command, made by `tests/commands.py` from the `COMMAND` of a running server. Of two
//! servers the more restrictive one is believed, so everything kept here is a restriction, and two
//! readings are joined by `|`. What none of them says is in the overlay.

/// The supported servers, one file each.
pub(in crate::resp) const FILES: [&str; 6] = [
    include_str!("data/redis-6.2.txt"),
    include_str!("data/redis-7.0.txt"),
    include_str!("data/redis-8.2.txt"),
    include_str!("data/valkey-8.0.txt"),
    include_str!("data/valkey-8.1.txt"),
    include_str!("data/valkey-9.1.txt"),
];

/// Most commands and subcommands of all servers taken together.
const ROWS_MAX: usize = 512;

/// What a command is not to be trusted with, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::resp) struct Limits(u16);

impl Limits {
    pub(in crate::resp) const NONE: Self = Self(0);
    /// It is not flagged as reading only.
    pub(in crate::resp) const NOT_READONLY: Self = Self(1);
    /// It changes data.
    pub(in crate::resp) const WRITES: Self = Self(1 << 1);
    /// It belongs to a module, which may do anything.
    pub(in crate::resp) const MODULE: Self = Self(1 << 2);
    /// It may wait.
    pub(in crate::resp) const BLOCKING: Self = Self(1 << 3);
    /// It has to do with channels.
    pub(in crate::resp) const PUBSUB: Self = Self(1 << 4);
    /// It administers the server.
    pub(in crate::resp) const ADMIN: Self = Self(1 << 5);
    /// It is not allowed inside MULTI.
    pub(in crate::resp) const NO_MULTI: Self = Self(1 << 6);
    /// It is meant to get through while a script runs, so it must not queue behind that script.
    pub(in crate::resp) const ALLOW_BUSY: Self = Self(1 << 7);
    /// It depends on an ASKING before it.
    pub(in crate::resp) const ASKING: Self = Self(1 << 8);
    /// It is about its connection.
    pub(in crate::resp) const CONNECTION: Self = Self(1 << 9);
    /// It belongs to a transaction.
    pub(in crate::resp) const TRANSACTION: Self = Self(1 << 10);
    /// The overlay keeps it on a link of its own; no server says this.
    pub(in crate::resp) const APART: Self = Self(1 << 11);

    /// Those that do not matter to a command's neighbours on a link.
    pub(in crate::resp) const OF_DATA: Self = Self::NOT_READONLY.and(Self::WRITES);

    /// Everything.
    pub(in crate::resp) const ALL: Self = Self(u16::MAX);

    /// What both say.
    pub(in crate::resp) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What this says and `other` does not.
    pub(in crate::resp) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether this says anything that `other` says.
    pub(in crate::resp) const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What a server says with a command's flags and ACL categories, these with or without `@`.
    pub(super) fn said<'a>(
        flags: impl IntoIterator<Item = &'a [u8]>,
        categories: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut limits = Self::NOT_READONLY;
        for flag in flags {
            limits = limits.with_flag(flag);
        }
        categories.into_iter().fold(limits, |limits, category| {
            let name = category.strip_prefix(b"@").unwrap_or(category);
            limits.and(Self::of_category(name))
        })
    }

    /// This and what a server means by one of a command's flags.
    const fn with_flag(self, flag: &[u8]) -> Self {
        match flag {
            b"readonly" => self.without(Self::NOT_READONLY),
            _ => self.and(Self::of_flag(flag)),
        }
    }

    /// What a server means by one of a command's flags; `readonly` is told by its absence.
    const fn of_flag(flag: &[u8]) -> Self {
        match flag {
            b"write" => Self::WRITES,
            b"module" => Self::MODULE,
            b"blocking" => Self::BLOCKING,
            b"pubsub" => Self::PUBSUB,
            b"admin" => Self::ADMIN,
            b"no_multi" => Self::NO_MULTI,
            b"allow_busy" => Self::ALLOW_BUSY,
            b"asking" => Self::ASKING,
            _ => Self::NONE,
        }
    }

    /// What it means by one of a command's ACL categories, without the `@`.
    const fn of_category(category: &[u8]) -> Self {
        match category {
            b"blocking" => Self::BLOCKING,
            b"pubsub" => Self::PUBSUB,
            b"connection" => Self::CONNECTION,
            b"transaction" => Self::TRANSACTION,
            _ => Self::NONE,
        }
    }
}

/// One command or subcommand, as `CLIENT|ID`.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) limits: Limits,
}

/// All commands of all servers, sorted by name; the first `len` count.
pub(super) struct Rows {
    pub(super) rows: [Row; ROWS_MAX],
    pub(super) len: usize,
}

// Slices are indexed only while this is compiled, where a mistake is an error.
impl Rows {
    /// The files, merged.
    pub(super) const fn read() -> Self {
        let mut cursors = [Cursor::NONE; FILES.len()];
        let mut at = 0;
        while at < FILES.len() {
            cursors[at] = Cursor::new(FILES[at].as_bytes());
            at += 1;
        }
        let mut merged = Self {
            rows: [Row {
                name: "",
                limits: Limits::NONE,
            }; ROWS_MAX],
            len: 0,
        };
        while let Some(row) = least(&cursors) {
            merged.rows[merged.len] = take(&mut cursors, row.name);
            merged.len += 1;
        }
        merged
    }
}

/// The head with the least name.
const fn least(cursors: &[Cursor]) -> Option<Row> {
    let mut least: Option<Row> = None;
    let mut at = 0;
    while at < cursors.len() {
        if let Some(head) = cursors[at].head {
            least = match least {
                Some(least) if !is_less(head.name.as_bytes(), least.name.as_bytes()) => Some(least),
                _ => Some(head),
            };
        }
        at += 1;
    }
    least
}

/// What all heads of this name say together; they are passed over.
const fn take(cursors: &mut [Cursor], name: &'static str) -> Row {
    let mut limits = Limits::NONE;
    let mut at = 0;
    while at < cursors.len() {
        if let Some(head) = cursors[at].head
            && is_same(head.name.as_bytes(), name.as_bytes())
        {
            limits = limits.and(head.limits);
            cursors[at] = Cursor::new(cursors[at].rest);
        }
        at += 1;
    }
    Row { name, limits }
}

/// One file, from a line on.
#[derive(Clone, Copy)]
struct Cursor {
    head: Option<Row>,
    rest: &'static [u8],
}

impl Cursor {
    const NONE: Self = Self {
        head: None,
        rest: b"",
    };

    const fn new(mut text: &'static [u8]) -> Self {
        while let [b'#', ..] = text {
            (_, text) = split(text, b'\n');
        }
        if text.is_empty() {
            return Self::NONE;
        }
        let (name, text) = split(text, b' ');
        let (_arity, text) = split(text, b' ');
        let (flags, text) = split(text, b' ');
        let (categories, text) = split(text, b' ');
        let (_, rest) = split(text, b'\n');
        let limits = of_flags(flags).and(of_categories(categories));
        let Ok(name) = str::from_utf8(name) else {
            panic!("a name is no text");
        };
        let head = Some(Row { name, limits });
        Self { head, rest }
    }
}

const fn of_flags(mut flags: &'static [u8]) -> Limits {
    let mut limits = Limits::NOT_READONLY;
    while !flags.is_empty() {
        let flag;
        (flag, flags) = split(flags, b',');
        limits = limits.with_flag(flag);
    }
    limits
}

const fn of_categories(mut categories: &'static [u8]) -> Limits {
    let mut limits = Limits::NONE;
    while !categories.is_empty() {
        let category;
        (category, categories) = split(categories, b',');
        limits = limits.and(Limits::of_category(category));
    }
    limits
}

/// What is before the first `end` and what is after it; all of it if there is none.
const fn split(text: &'static [u8], end: u8) -> (&'static [u8], &'static [u8]) {
    let mut at = 0;
    while at < text.len() {
        if text[at] == end {
            let (before, after) = text.split_at(at);
            return (before, after.split_at(1).1);
        }
        at += 1;
    }
    (text, b"")
}

/// Whether both are the same.
pub(super) const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// Whether `one` comes before `other`.
pub(super) const fn is_less(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
        if *a != *b {
            return *a < *b;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && !other.is_empty()
}
