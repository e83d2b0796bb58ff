//! `config show`: every setting, its value, and where that comes from.
//!
//! Which settings there are is taken from the flags. Most values are shown as they were written; those
//! that were left open, or that came with another setting, as they turned out. No password gets here.
//! Of several endpoints each is shown with all that counts for it, wherever that was given.

use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::Config;
use super::file::{self, is_process_wide};
use super::sources::{Origin, Sources, Written};
use crate::secrets::Credentials;

/// What stands for a password.
const HIDDEN: &str = "***";
/// Where the comment with the origin begins, in lines that are not longer.
const COMMENT_COLUMN: usize = 44;

/// All settings, for people and programs to look at. Has no password in it.
#[derive(Debug)]
pub struct Settings {
    /// Those of the process; and those of its endpoint, where no table in a file makes it one of several.
    all: Vec<Setting>,
    endpoints: Vec<Endpoint>,
}

/// One of several endpoints.
#[derive(Debug)]
struct Endpoint {
    name: String,
    settings: Vec<Setting>,
}

#[derive(Debug)]
struct Setting {
    name: String,
    values: Vec<String>,
    is_list: bool,
    /// Whether it may stand in a file as it is shown.
    is_for_file: bool,
    source: Option<Origin>,
}

impl Settings {
    pub(super) fn new(written: Vec<Written>, sources: &Sources, config: &Config) -> Self {
        let all = settings(written, sources, config);
        Self {
            all: all.chain(passwords(sources, config)).collect(),
            endpoints: Vec::new(),
        }
    }

    /// Of a process whose endpoints each have settings of their own, which follow.
    pub(super) fn of_process(written: Vec<Written>, sources: &Sources, first: &Config) -> Self {
        let is_here = |it: &Written| is_process_wide(&it.key.long) || !it.key.is_for_file();
        let written = written.into_iter().filter(is_here).collect();
        Self {
            all: settings(written, sources, first).collect(),
            endpoints: Vec::new(),
        }
    }

    /// One more endpoint.
    pub(super) fn add(&mut self, written: Vec<Written>, sources: &Sources, config: &Config) {
        let is_here = |it: &Written| !is_process_wide(&it.key.long) && it.key.is_for_file();
        let written = written.into_iter().filter(is_here).collect();
        let all = settings(written, sources, config);
        self.endpoints.push(Endpoint {
            name: config.name.clone(),
            settings: all.chain(passwords(sources, config)).collect(),
        });
    }

    /// Whether anything stands for the setting of this name.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        let mut all = self.all.iter();
        all.any(|setting| setting.name == name && !setting.values.is_empty())
    }

    /// The names of settings that have other values in `other`, wherever those come from: `NAME/pool` for
    /// one of several endpoints, and `endpoint` where there are others. Passwords are not compared.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let mut changed: Vec<_> = different(&self.all, &other.all)
            .map(str::to_owned)
            .collect();
        let names = |all: &[Endpoint]| all.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        if names(&self.endpoints) != names(&other.endpoints) {
            changed.push("endpoint".to_owned());
        }
        for ours in &self.endpoints {
            let theirs = other.endpoints.iter().find(|it| it.name == ours.name);
            let settings = theirs
                .into_iter()
                .flat_map(|it| different(&ours.settings, &it.settings));
            changed.extend(settings.map(|setting| format!("{}/{setting}", ours.name)));
        }
        changed
    }

    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let shown = |all: &[Setting]| json!(all.iter().map(Shown::of).collect::<Vec<_>>());
        let mut object = json!({ "settings": shown(&self.all) });
        if !self.endpoints.is_empty() {
            let one = |it: &Endpoint| json!({ "name": it.name, "settings": shown(&it.settings) });
            object["endpoints"] = self.endpoints.iter().map(one).collect();
        }
        format!("{object:#}\n")
    }
}

fn different<'a>(ours: &'a [Setting], theirs: &'a [Setting]) -> impl Iterator<Item = &'a str> {
    let has_same = |setting: &Setting| {
        let mut theirs = theirs.iter();
        theirs.any(|it| it.name == setting.name && it.values == setting.values)
    };
    let different = ours.iter().filter(move |setting| !has_same(setting));
    different.map(|setting| setting.name.as_str())
}

fn settings<'a>(
    written: Vec<Written>,
    sources: &'a Sources,
    config: &'a Config,
) -> impl Iterator<Item = Setting> + 'a {
    written.into_iter().map(|Written { key, values }| {
        let leg = turned_on(&key.long, config);
        let source = leg.and_then(|_| sources.first_of(&key.long));
        Setting {
            name: key.name(),
            values: effective(&key.long, &values, config).unwrap_or(values),
            is_list: key.is_list,
            is_for_file: key.is_for_file(),
            source: sources.of(&key.long).or(source).cloned(),
        }
    })
}

/// As a file of settings, with the origins in comments; what is there by default is a comment as a whole.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.iter().try_for_each(|setting| setting.fmt(f))?;
        self.endpoints.iter().try_for_each(|endpoint| {
            writeln!(f, "\n[[endpoint]]\nname = {}", json!(endpoint.name))?;
            endpoint.settings.iter().try_for_each(|it| it.fmt(f))
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // TOML reads the texts and lists of JSON.
        let value = match (self.values.as_slice(), self.is_list) {
            ([], _) => return writeln!(f, "# {} is not set", self.name),
            ([single], false) => json!(single),
            (values, _) => json!(values),
        };
        let is_said = self.is_for_file && self.source.is_some();
        let mark = if is_said { "" } else { "# " };
        let line = format!("{mark}{} = {value}", self.name);
        write!(f, "{line:COMMENT_COLUMN$} # ")?;
        match &self.source {
            None => writeln!(f, "default"),
            Some(source) => writeln!(f, "{source}"),
        }
    }
}

/// How programs see a setting.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    value: serde_json::Value,
    origin: &'static str,
    source: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(setting: &'a Setting) -> Self {
        let value = match (setting.values.as_slice(), setting.is_list) {
            (values, true) => json!(values),
            ([], false) => serde_json::Value::Null,
            ([first, ..], false) => json!(first),
        };
        Self {
            name: &setting.name,
            value,
            origin: match &setting.source {
                None => "default",
                Some(Origin::File { .. } | Origin::Endpoint { .. }) => "file",
                Some(Origin::Variable(_)) => "environment",
                Some(Origin::Flag(_)) => "flag",
            },
            source: setting.source.as_ref().map(ToString::to_string),
        }
    }
}

/// What a setting turned out to be, where that is not what was written.
fn effective(long: &str, written: &[String], config: &Config) -> Option<Vec<String>> {
    let one = |value: String| Some(vec![value]);
    let user = |login: &Option<Credentials>| one(login.as_ref()?.username.clone()?);
    match long {
        "sentinel" => Some(texts(&config.sentinels)),
        "primary-name" => one(config.primary_name.clone()),
        "listen-tls" => Some(texts(&config.listen_tls)),
        "upstream-tls" | "sentinel-tls" => turned_on(long, config).map(|()| vec!["true".into()]),
        _ if !written.is_empty() => None,
        "username" => user(&config.login),
        "sentinel-username" => user(&config.sentinel_credentials),
        "listen-unix-mode" => one(format!("{:04o}", config.socket_permissions.mode)),
        "max-held-bytes" => one(config.max_held_bytes.to_string()),
        "max-output-bytes" => one(config.max_output_bytes.to_string()),
        "max-clients" => one(config.max_clients.to_string()),
        "workers" => one(config.workers.to_string()),
        _ => None,
    }
}

/// Whether `long` stands for a leg that has TLS, for whatever reason.
fn turned_on(long: &str, config: &Config) -> Option<()> {
    let has_tls = match long {
        "upstream-tls" => config.tls.upstream.is_some(),
        "sentinel-tls" => config.tls.sentinel.is_some(),
        "listen-tls" => config.tls.listen.is_some(),
        _ => false,
    };
    has_tls.then_some(())
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// The passwords that are no flags: whether there is one, and where it comes from.
fn passwords<'a>(sources: &'a Sources, config: &Config) -> impl Iterator<Item = Setting> + 'a {
    let all = [
        ("password", config.login.is_some()),
        ("client-password", config.client_password.is_some()),
        ("control-password", config.control_credentials.is_some()),
        ("sentinel-password", config.sentinel_credentials.is_some()),
        ("replica-password", config.replicas.login.is_some()),
    ];
    all.into_iter().map(|(long, is_set)| Setting {
        name: file::name(long),
        values: is_set.then(|| HIDDEN.to_owned()).into_iter().collect(),
        is_list: false,
        is_for_file: false,
        source: sources.of(long).cloned(),
    })
}
