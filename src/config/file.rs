//! The file of settings: TOML, `hold_timeout = "5s"` for `--hold-timeout`.
//!
//! Here is decided only which settings stand in it, and in which lines; what a value means is decided by
//! who reads the flag. A line is never repeated in an error: there may be a password in it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::nearest::nearest;

mod fault;
mod table;

pub use fault::FileFault;
pub(super) use table::{Table, is_process_wide};

use fault::Why;

/// More is no file of settings.
const FILE_LEN_MAX: u64 = 1024 * 1024;
/// The tables with what only one of several endpoints has.
const ENDPOINT: &str = "endpoint";

/// Flags about the file, which mean nothing in it.
const NOT_FOR_FILE: [&str; 2] = ["config", "check-config"];

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// The long name of its flag.
    pub(super) long: String,
    /// Whether it may have several values.
    pub(super) is_list: bool,
    /// Other names that the flag has.
    pub(super) aliases: Vec<String>,
}

impl Key {
    /// How it is written in the file.
    pub(super) fn name(&self) -> String {
        name(&self.long)
    }

    /// Whether it may stand in the file.
    pub(super) fn is_for_file(&self) -> bool {
        !NOT_FOR_FILE.contains(&self.long.as_str())
    }
}

/// How the setting of a flag is written in the file.
pub(super) fn name(long: &str) -> String {
    long.replace('-', "_")
}

/// A setting that stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The long name of its flag.
    pub(super) long: String,
    /// Its values as they would be written on the command line.
    pub(super) values: Vec<String>,
    /// The line, counted from 1.
    pub(super) line: usize,
}

/// What stands in a file, in the order of its lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Above all tables.
    pub(super) entries: Vec<Entry>,
    /// The `[[endpoint]]` tables.
    pub(super) endpoints: Vec<Table>,
}

/// What stands in the file at `path`. Blocks.
pub(super) fn read(path: &Path, keys: &[Key]) -> Result<Contents, FileFault> {
    let fault = |line, why| FileFault {
        path: path.to_owned(),
        line,
        why,
    };
    let text = text(path).map_err(|why| fault(None, why))?;
    contents(&text, keys).map_err(|(line, why)| fault(Some(line), why))
}

fn text(path: &Path) -> Result<String, Why> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Why::Unreadable)?;
    let read = file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes);
    let len = read.map_err(Why::Unreadable)?;
    if len as u64 > FILE_LEN_MAX {
        return Err(Why::TooLong);
    }
    String::from_utf8(bytes).map_err(|_| Why::NoText)
}

/// What is wrong, and in which line.
type Wrong = (usize, Why);

fn contents(text: &str, keys: &[Key]) -> Result<Contents, Wrong> {
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        (line(text, start), Why::Syntax(error.message().to_owned()))
    })?;
    let mut contents = Contents::default();
    for (name, value) in in_order(table.get_ref()) {
        let line = line(text, name.span().start);
        if name.get_ref() == ENDPOINT {
            contents.endpoints = table::all(text, line, value.get_ref(), keys)?;
        } else {
            let read = setting(name.get_ref(), value.get_ref(), keys);
            contents
                .entries
                .push(read.map_err(|why| (line, why))?.at(line));
        }
    }
    Ok(contents)
}

type Pair<'a, 'b> = (&'a Spanned<DeString<'b>>, &'a Spanned<DeValue<'b>>);

fn in_order<'a, 'b>(table: &'a DeTable<'b>) -> Vec<Pair<'a, 'b>> {
    let mut found: Vec<_> = table.iter().collect();
    found.sort_by_key(|(name, _)| name.span().start);
    found
}

/// A setting whose line is not known yet.
struct Setting {
    long: String,
    values: Vec<String>,
}

impl Setting {
    fn at(self, line: usize) -> Entry {
        Entry {
            long: self.long,
            values: self.values,
            line,
        }
    }
}

fn setting(name: &str, value: &DeValue<'_>, keys: &[Key]) -> Result<Setting, Why> {
    let Some(key) = keys.iter().find(|key| key.name() == name) else {
        return Err(Why::unknown(name, guess(name, keys)));
    };
    let values = match value {
        DeValue::Array(items) if items.is_empty() => return Err(Why::Empty(key.name())),
        DeValue::Array(_) if !key.is_list => return Err(Why::NoList(key.name())),
        DeValue::Array(items) => items.iter().map(|item| scalar(item.get_ref())).collect(),
        single => scalar(single).map(|value| vec![value]),
    };
    Ok(Setting {
        long: key.long.clone(),
        values: values?,
    })
}

/// As it would be written on the command line. `0o660` stays what it is, so that nobody reads it as
/// another number than the file says.
fn scalar(value: &DeValue<'_>) -> Result<String, Why> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(Why::Kind)
        }
    }
}

/// The setting that was probably meant.
fn guess(name: &str, keys: &[Key]) -> Option<String> {
    let names = keys.iter().flat_map(|key| {
        let aliases = key.aliases.iter().map(|alias| self::name(alias));
        aliases.chain([key.name()]).map(move |known| (known, key))
    });
    let names: Vec<_> = names.collect();
    let known = names.iter().map(|(known, _)| known.as_str());
    let index = nearest(&self::name(name).to_lowercase(), known)?;
    names.get(index).map(|(_, key)| key.name())
}

fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Key> {
        let key = |(long, is_list, alias): (&str, bool, &str)| Key {
            long: long.to_owned(),
            is_list,
            aliases: vec![alias.to_owned()],
        };
        let all = [
            ("sentinel", true, ""),
            ("primary-name", false, "master-name"),
            ("hold-timeout", false, ""),
            ("password-file", false, ""),
            ("workers", false, ""),
        ];
        all.map(key).into()
    }

    /// `expected`: each entry as `line:long=value,value`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let contents = contents(text, &keys());
        let contents = contents.unwrap_or_else(|(line, why)| panic!("{text}: {line}: {why}"));
        let tables = contents.endpoints.iter().flat_map(|table| &table.entries);
        let shown = contents
            .entries
            .iter()
            .chain(tables)
            .map(|it| format!("{}:{}={}", it.line, it.long, it.values.join(",")));
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }

    #[track_caller]
    fn check_refused(text: &str, line: usize, because: &str) {
        let (at, why) = contents(text, &keys()).expect_err(text);
        let why = why.to_string();
        assert!(why.contains(because), "{text}: {why}");
        assert_eq!(at, line, "{text}: {why}");
        assert!(!why.contains("hunter2"), "{text}: {why}");
    }

    #[test]
    fn settings_in_the_order_of_their_lines() {
        check("", &[]);
        check("# nothing\n", &[]);
        check(
            "workers = 2\n\nhold_timeout = \"5s\" # short\nsentinel = [\n \"a\",\n \"b:1\"]\n",
            &["1:workers=2", "3:hold-timeout=5s", "4:sentinel=a,b:1"],
        );
        check("sentinel = 'a,b'", &["1:sentinel=a,b"]);
        check("workers = true", &["1:workers=true"]);
        check("workers = 0o12", &["1:workers=0o12"]);
        check("workers = 1_0", &["1:workers=10"]);
    }

    #[test]
    fn what_is_no_setting_is_named_with_what_was_meant() {
        check_refused("\nholdtimeout = '5s'", 2, "did you mean hold_timeout");
        check_refused("hold-timeout = '5s'", 1, "did you mean hold_timeout");
        check_refused("master_name = 'x'", 1, "did you mean primary_name");
        check_refused("password = 'hunter2'", 1, "did you mean password_file");
        let (_, why) = contents("colour = 1", &keys()).expect_err("unknown");
        assert_eq!(why.to_string(), "there is no setting 'colour'");
        check_refused("workers = 1\n[sentinel]\na = 1", 2, "one value");
    }

    #[test]
    fn values_that_no_flag_could_have_are_refused() {
        check_refused("hold_timeout = 1.5", 1, "in quotes");
        check_refused("hold_timeout = 1979-05-27", 1, "in quotes");
        check_refused("workers = [1, 2]", 1, "takes one value");
        check_refused("sentinel = []", 1, "leave it out");
        check_refused("sentinel = [['a']]", 1, "in quotes");
    }

    #[test]
    fn endpoints_have_names_and_settings_of_their_own() {
        let text = "workers = 1\n[[endpoint]]\nname = 'a'\nsentinel = ['x']\n\n[[endpoint]]\nprimary_name = 'p'";
        check(text, &["1:workers=1", "4:sentinel=x", "7:primary-name=p"]);
        let found = contents(text, &keys()).expect("two");
        let names = found.endpoints.iter().map(|table| table.name.as_deref());
        assert_eq!(names.collect::<Vec<_>>(), [Some("a"), None]);
    }

    #[test]
    fn what_an_endpoint_cannot_have_is_told_with_its_line() {
        for (inside, because) in [
            ("workers = 1", "concerns the whole process"),
            ("holdtimeout = '5s'", "did you mean hold_timeout"),
            ("name = 7", "in quotes"),
            ("name = 'a b'", "no white space"),
            ("[[endpoint.endpoint]]\nname = 'x'", "no setting 'endpoint'"),
        ] {
            let text = format!("[[endpoint]]\nprimary_name = 'p'\n{inside}");
            check_refused(&text, 3, because);
        }
        check_refused("[endpoint]\nname = 'x'", 1, "two brackets");
        check_refused("endpoint = ['x']", 1, "two brackets");
        check_refused(&"[[endpoint]]\n".repeat(33), 1, "at most 32");
    }

    #[test]
    fn no_line_is_repeated() {
        check_refused("workers = 1\nsentinel = 'x://:hunter2@s1", 2, "no TOML");
        check_refused("workers = 1\nworkers = 'hunter2'", 2, "no TOML");
        check_refused("sentinel = hunter2", 1, "no TOML");
    }
}
