//! The `[[endpoint]]` tables of the file: what only one of several endpoints has.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Why;
use super::{Entry, Key, Wrong, in_order, line, setting};
use crate::config::parse;

/// What the operator calls one; no flag says that.
const NAME: &str = "name";
/// More deserve a process of their own.
const ENDPOINTS_MAX: usize = 32;

/// Settings that concern the process as a whole, and so cannot differ between its endpoints.
const PROCESS_WIDE: [&str; 12] = [
    "admin-actions",
    "admin-listen",
    "drain-delay",
    "drain-timeout",
    "log-format",
    "log-level",
    "max-clients",
    "max-held-bytes",
    "max-output-bytes",
    "ready-policy",
    "startup-timeout",
    "workers",
];

/// Whether the setting of this flag is one of them.
pub(in crate::config) fn is_process_wide(long: &str) -> bool {
    PROCESS_WIDE.contains(&long)
}

/// One `[[endpoint]]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Table {
    /// What it is called, if that is said.
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) entries: Vec<Entry>,
}

/// The tables that `value` has; `line` is where the first begins.
pub(super) fn all(
    text: &str,
    line: usize,
    value: &DeValue<'_>,
    keys: &[Key],
) -> Result<Vec<Table>, Wrong> {
    let DeValue::Array(items) = value else {
        return Err((line, Why::NoTables));
    };
    if items.len() > ENDPOINTS_MAX {
        return Err((line, Why::TooMany(ENDPOINTS_MAX)));
    }
    let table = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::Table(table) => one(text, table, keys),
        _ => Err((line, Why::NoTables)),
    };
    items.iter().map(table).collect()
}

fn one(text: &str, table: &DeTable<'_>, keys: &[Key]) -> Result<Table, Wrong> {
    let mut found = Table::default();
    for (name, value) in in_order(table) {
        let line = line(text, name.span().start);
        let wrong = |why| (line, why);
        match (&**name.get_ref(), value.get_ref()) {
            (NAME, DeValue::String(given)) => {
                found.name = Some(called(given).map_err(wrong)?);
            }
            (NAME, _) => return Err(wrong(Why::Kind)),
            (name, value) => {
                let read = setting(name, value, keys).map_err(wrong)?;
                if is_process_wide(&read.long) {
                    return Err(wrong(Why::ProcessWide(super::name(&read.long))));
                }
                found.entries.push(read.at(line));
            }
        }
    }
    Ok(found)
}

fn called(text: &str) -> Result<String, Why> {
    // As strict as with the names it stands beside: it is a label, and stands in logs.
    parse::primary_name(text).map_err(|_| Why::Name)
}
