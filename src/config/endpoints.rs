//! From what was read to settings that may run: of the one endpoint, or of each of several, which are
//! then held against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Part, Reading, Sources, Written};
use super::{Config, Env, Error, Machine, Settings, validate};

/// Settings that may run.
pub(super) struct Loaded {
    /// Of the endpoint, or of the first.
    pub(super) config: Config,
    /// Of all further ones.
    pub(super) more: Vec<Config>,
    /// All of them, to be shown.
    pub(super) settings: Settings,
}

/// Validates all `parts`, or what was given `outside` of them where there are none.
pub(super) fn load(
    outside: Reading,
    parts: Vec<Part>,
    env: Env<'_>,
    machine: Machine,
) -> Result<Loaded, Error> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return alone(outside, env, machine);
    };
    let first = Checked::of(first, env, machine)?;
    let more = parts.map(|part| Checked::of(part, env, machine));
    let more = more.collect::<Result<Vec<_>, _>>()?;
    let all = || std::iter::once(&first).chain(&more).map(|it| &it.config);
    refuse_one_name(all())?;
    refuse_one_listener(all())?;
    let mut settings = Settings::of_process(outside.written, &outside.sources, &first.config);
    let config = first.shown_in(&mut settings);
    let more = more.into_iter().map(|one| one.shown_in(&mut settings));
    Ok(Loaded {
        config,
        more: more.collect(),
        settings,
    })
}

fn alone(reading: Reading, env: Env<'_>, machine: Machine) -> Result<Loaded, Error> {
    let Reading {
        cli,
        mut sources,
        written,
    } = reading;
    let config = validate::config(cli, &mut sources, env, machine)?;
    Ok(Loaded {
        settings: Settings::new(written, &sources, &config),
        config,
        more: Vec::new(),
    })
}

/// One of several endpoints that is right in itself, and how it was written.
struct Checked {
    config: Config,
    sources: Sources,
    written: Vec<Written>,
}

impl Checked {
    fn of(part: Part, env: Env<'_>, machine: Machine) -> Result<Self, Error> {
        let Reading {
            cli,
            mut sources,
            written,
        } = part.reading;
        let primary_name = cli.sentinel.primary_name.clone();
        let checked = validate::config(cli, &mut sources, env, machine);
        let mut config = checked.map_err(|error| Error::Endpoint {
            name: part.name.clone().unwrap_or(primary_name),
            error: Box::new(error),
        })?;
        if let Some(name) = part.name {
            config.name = name;
        }
        Ok(Self {
            config,
            sources,
            written,
        })
    }

    fn shown_in(self, settings: &mut Settings) -> Config {
        settings.add(self.written, &self.sources, &self.config);
        self.config
    }
}

/// Nobody could tell them apart.
fn refuse_one_name<'a>(all: impl Iterator<Item = &'a Config>) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for config in all {
        if !seen.insert(&config.name) {
            let name = config.name.clone();
            return Err(Error::SameName { name });
        }
    }
    Ok(())
}

/// Clients could not choose.
fn refuse_one_listener<'a>(all: impl Iterator<Item = &'a Config>) -> Result<(), Error> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for config in all {
        for listen in listeners(config) {
            match seen.insert(listen.clone(), &config.name) {
                Some(other) if other != config.name => {
                    let names = [other.to_owned(), config.name.clone()];
                    return Err(Error::SameListener { listen, names });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Where an endpoint listens, but for port 0, which is another one each time.
fn listeners(config: &Config) -> impl Iterator<Item = String> {
    let tcp = config.listen.iter().chain(&config.listen_tls);
    let tcp = tcp.chain(&config.replicas.listen);
    let tcp = tcp.filter(|address| address.port != 0);
    let unix = config
        .listen_unix
        .iter()
        .chain(&config.replicas.listen_unix);
    tcp.map(ToString::to_string)
        .chain(unix.map(ToString::to_string))
}
