//! Where values come from: a flag wins over the environment, that over the file, that over the default.
//! What the table of one endpoint says wins over all of them, for that endpoint.
//!
//! What the command line leaves open is filled in as if it had been written there, so that a value is
//! read by the same code wherever it stands. The environment comes in as a function; of files only the
//! one that is named is read, by [`super::file`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches};

use super::complaint::{name_origin, without_passwords};
use super::file::{self, Entry, Key, Table};
use super::flags::Cli;
use super::{Env, Error, Refusal};

/// What every environment twin starts with.
const ENV_PREFIX: &str = "STEADFAST_";
/// The flag that names the file.
const FILE_FLAG: &str = "config";

/// Where the value of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file.
    File { path: PathBuf, line: usize },
    /// A line of one endpoint's table in the file.
    Endpoint { path: PathBuf, line: usize },
    /// A variable.
    Variable(String),
    /// A flag, by its long name.
    Flag(String),
}

impl Origin {
    /// What is of a higher one wins.
    fn rank(&self) -> u8 {
        match self {
            Self::File { .. } => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
            // All others are about whatever endpoint there is.
            Self::Endpoint { .. } => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } | Self::Endpoint { path, line } => {
                write!(f, "{}:{line}", path.display())
            }
            Self::Variable(name) => f.write_str(name),
            Self::Flag(long) => write!(f, "--{long}"),
        }
    }
}

/// The settings that were given at all, by the long names of their flags.
#[derive(Debug, Default, Clone)]
pub(super) struct Sources(BTreeMap<String, Origin>);

impl Sources {
    /// Where the setting of `long` was given; none where it has its default.
    pub(super) fn of(&self, long: &str) -> Option<&Origin> {
        self.0.get(long)
    }

    /// Whether the setting of `long` was given where that wins over where the setting of `other` was, or
    /// the other has its default.
    pub(super) fn outranks(&self, long: &str, other: &str) -> bool {
        let rank = |long: &str| self.of(long).map_or(0, Origin::rank);
        rank(long) > rank(other)
    }

    /// Where the first of the settings that belong to that of `long` was given, by their names.
    pub(super) fn first_of(&self, long: &str) -> Option<&Origin> {
        let mut all = self.0.iter();
        let belongs = |name: &str| {
            let rest = name.strip_prefix(long);
            rest.is_some_and(|rest| rest.starts_with('-'))
        };
        all.find(|(name, _)| belongs(name))
            .map(|(_, origin)| origin)
    }

    /// Notes where the setting of `long` was given.
    pub(super) fn note(&mut self, long: &str, origin: Origin) {
        self.0.insert(long.to_owned(), origin);
    }

    /// Notes that the setting of `long` was given with that of `with`.
    pub(super) fn note_with(&mut self, long: &str, with: &str) {
        if let Some(origin) = self.of(with).cloned() {
            self.note(long, origin);
        }
    }
}

/// A setting as it was written, or by default is.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) key: Key,
    pub(super) values: Vec<String>,
}

/// What was read: the settings, where they were given, and as what.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) cli: Cli,
    pub(super) sources: Sources,
    pub(super) written: Vec<Written>,
}

/// One endpoint of several: what it is called, if that was said, and its settings, those included that
/// it has from elsewhere.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: Option<String>,
    pub(super) reading: Reading,
}

/// Reads the command line, then fills in whatever it leaves open. Where the file has endpoints, what
/// was read is what those go by that do not say otherwise themselves.
///
/// # Errors
/// clap's, which also stand for "help was asked for"; or what is wrong with the file.
pub(super) fn read(args: Vec<OsString>, env: Env<'_>) -> Result<(Reading, Vec<Part>), Refusal> {
    let mut line = CommandLine::new(args);
    let matches = line.parse()?;
    line.note_flags(&matches);
    line.fill_from_environment(env);
    let mut matches = line.parse()?;
    let mut parts = Vec::new();
    if let Some(path) = matches.get_one::<PathBuf>(FILE_FLAG).cloned() {
        let contents = file::read(&path, &keys(&line.command));
        let contents = contents.map_err(|fault| Refusal::Settings(Error::File(fault)))?;
        line.fill_from_file(&path, contents.entries, env);
        matches = line.parse()?;
        let tables = contents.endpoints.into_iter();
        let read = tables.map(|table| line.part(&path, table, &matches));
        parts = read.collect::<Result<_, _>>()?;
    }
    Ok((line.reading(matches)?, parts))
}

/// A command line that grows by what stands elsewhere.
struct CommandLine {
    command: clap::Command,
    args: Vec<OsString>,
    sources: Sources,
}

impl CommandLine {
    fn new(args: Vec<OsString>) -> Self {
        Self {
            command: described(Cli::command()),
            args,
            sources: Sources::default(),
        }
    }

    /// What fails only now comes from where was looked last.
    fn parse(&mut self) -> Result<ArgMatches, Refusal> {
        let parsed = self.command.try_get_matches_from_mut(self.args.clone());
        parsed.map_err(|error| refused(name_origin(error, &self.sources)))
    }

    fn note_flags(&mut self, matches: &ArgMatches) {
        for (id, long) in settings(&self.command) {
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                self.sources.note(long, Origin::Flag(long.to_owned()));
            }
        }
    }

    fn fill_from_environment(&mut self, env: Env<'_>) {
        let mut options = Vec::new();
        for (_, long) in settings(&self.command) {
            let name = variable(long);
            let value = env(&name).filter(|value| !value.is_empty());
            if let Some(value) = value.filter(|_| self.sources.of(long).is_none()) {
                options.push(option(long, &value));
                self.sources.note(long, Origin::Variable(name));
            }
        }
        self.insert(options);
    }

    fn fill_from_file(&mut self, path: &Path, entries: Vec<Entry>, env: Env<'_>) {
        let mut options = Vec::new();
        for Entry { long, values, line } in entries {
            if self.sources.of(&long).is_none() && !has_password(&long, env) {
                options.extend(values.iter().map(|value| option(&long, value.as_ref())));
                let path = path.to_owned();
                self.sources.note(&long, Origin::File { path, line });
            }
        }
        self.insert(options);
    }

    /// An endpoint: what its table says, and for the rest what was given outside, as `matches` has it.
    fn part(&self, path: &Path, table: Table, matches: &ArgMatches) -> Result<Part, Refusal> {
        let mut sources = self.sources.clone();
        let mut args: Vec<_> = self.args.first().cloned().into_iter().collect();
        let is_own = |long: &str| table.entries.iter().any(|entry| entry.long == long);
        for (id, long) in settings(&self.command) {
            if sources.of(long).is_some() && !is_own(long) {
                let values = matches.get_raw(id).into_iter().flatten();
                args.extend(values.map(|value| option(long, value)));
            }
        }
        for Entry { long, values, line } in table.entries {
            args.extend(values.iter().map(|value| option(&long, value.as_ref())));
            let path = path.to_owned();
            sources.note(&long, Origin::Endpoint { path, line });
        }
        let mut own = Self {
            command: self.command.clone(),
            args,
            sources,
        };
        let matches = own.parse()?;
        Ok(Part {
            name: table.name,
            reading: own.reading(matches)?,
        })
    }

    fn reading(self, mut matches: ArgMatches) -> Result<Reading, Refusal> {
        let written = written(&self.command, &matches);
        let cli = Cli::from_arg_matches_mut(&mut matches);
        Ok(Reading {
            cli: cli.map_err(refused)?,
            sources: self.sources,
            written,
        })
    }

    /// Before the subcommand, if there is one: the flags are global.
    fn insert(&mut self, options: Vec<OsString>) {
        let at = self.args.len().min(1);
        self.args.splice(at..at, options);
    }
}

fn refused(error: clap::Error) -> Refusal {
    Refusal::CommandLine(Box::new(without_passwords(error)))
}

/// The environment twin of a flag.
fn variable(long: &str) -> String {
    format!("{ENV_PREFIX}{}", long.replace('-', "_").to_uppercase())
}

/// Each flag that is a setting: its id and its long name.
fn settings(command: &clap::Command) -> impl Iterator<Item = (&str, &str)> {
    let all = command.get_arguments();
    let named = all.filter_map(|arg| Some((arg.get_id().as_str(), arg.get_long()?)));
    named.filter(|(_, long)| is_setting(long))
}

fn is_setting(long: &str) -> bool {
    !matches!(long, "help" | "version")
}

/// What may stand in the file.
fn keys(command: &clap::Command) -> Vec<Key> {
    let all = command.get_arguments().filter_map(key);
    all.filter(Key::is_for_file).collect()
}

fn key(arg: &clap::Arg) -> Option<Key> {
    let long = arg.get_long().filter(|long| is_setting(long))?;
    let aliases = arg.get_all_aliases().unwrap_or_default();
    Some(Key {
        long: long.to_owned(),
        is_list: matches!(arg.get_action(), ArgAction::Append),
        aliases: aliases.into_iter().map(str::to_owned).collect(),
    })
}

fn written(command: &clap::Command, matches: &ArgMatches) -> Vec<Written> {
    let one = |arg: &clap::Arg| {
        let values = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        Some(Written {
            key: key(arg)?,
            values: values.map(|it| it.to_string_lossy().into_owned()).collect(),
        })
    };
    command.get_arguments().filter_map(one).collect()
}

/// Whether `long` names a file with a password that stands in the environment itself, which wins over
/// whatever only the file of settings says.
fn has_password(long: &str, env: Env<'_>) -> bool {
    let password = long.strip_suffix("-file");
    let password = password.filter(|name| name.ends_with("password"));
    let found = password.and_then(|name| env(&variable(name)));
    found.is_some_and(|value| !value.is_empty())
}

fn option(long: &str, value: &OsStr) -> OsString {
    let mut option = OsString::from(format!("--{long}="));
    option.push(value);
    option
}

/// Makes each flag valid on either side of the subcommand, and adds default and environment twin
/// to its help. The present value of a variable is never shown: it may be a secret.
fn described(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let Some(long) = arg.get_long() else {
            return arg;
        };
        let mut help = arg.get_help().cloned().unwrap_or_default().to_string();
        let defaults: Vec<_> = arg.get_default_values().iter().collect();
        if let [default] = defaults.as_slice() {
            help.push_str(&format!(" [default: {}]", default.to_string_lossy()));
        }
        help.push_str(&format!(" [env: {}]", variable(long)));
        arg.help(help).hide_default_value(true).global(true)
    })
}
