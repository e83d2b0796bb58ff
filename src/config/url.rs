//! One URL for a whole Sentinel set, as several client libraries write it. Pure.
//!
//! `{redis,valkey}[s]{+,-}sentinel://[user:password@]HOST[:PORT],...[/NAME[/0]][?key=value&...]`. The
//! user is that of the data nodes, as in most libraries; the Sentinels' own stands in the query. What
//! libraries read differently is refused rather than guessed. No error repeats a part of the URL: what
//! is not well formed may have a password anywhere.

use super::parse;
use super::percent::decoded;
use crate::net::HostPort;
use crate::secrets::Secret;

/// Spellings of the query's keys.
const NAME_KEYS: [&str; 3] = ["sentinelMasterId", "sentinelServiceName", "master_name"];
const USERNAME_KEYS: [&str; 2] = ["sentinel_username", "sentinelUsername"];
const PASSWORD_KEYS: [&str; 2] = ["sentinel_password", "sentinelPassword"];
const NODE_KEYS: [&str; 2] = ["node", "addr"];
const DATABASE_KEYS: [&str; 2] = ["db", "database"];

/// A user and its password.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Secret,
}

/// What such a URL says.
#[derive(Debug, Clone)]
pub(super) struct SentinelUrl {
    pub(super) sentinels: Vec<HostPort>,
    pub(super) primary_name: Option<String>,
    /// TLS to the Sentinels and to the data nodes.
    pub(super) tls: bool,
    /// For the data nodes.
    pub(super) login: Option<Login>,
    /// For the Sentinels.
    pub(super) sentinel_login: Option<Login>,
}

/// Whether `text` is meant as such a URL, well formed or not.
pub(super) fn is_meant_by(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| has_tls(scheme).is_some())
}

/// Reads it.
pub(super) fn parse(text: &str) -> Result<SentinelUrl, String> {
    let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
    let tls = has_tls(scheme).ok_or_else(malformed)?;
    let (front, query) = match rest.split_once('?') {
        Some((front, query)) => (front, query),
        None => (rest, ""),
    };
    let (authority, path) = front.split_once('/').unwrap_or((front, ""));
    if path.contains('@') || query.contains('@') || rest.contains('#') {
        return Err(
            "in a user, a password or a name write %23 for #, %2F for /, %3F for ? and %40 for @"
                .to_owned(),
        );
    }
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(login(user)?), hosts),
        None => (None, authority),
    };
    let query = Query::parse(query)?;
    let mut sentinels = sentinels(hosts)?;
    sentinels.extend(query.sentinels);
    Ok(SentinelUrl {
        sentinels,
        primary_name: primary_name(path, query.primary_name)?,
        tls,
        login,
        sentinel_login: sentinel_login(query.username, query.password)?,
    })
}

/// Whether a scheme of ours asks for TLS; none for all others.
fn has_tls(scheme: &str) -> Option<bool> {
    let scheme = scheme.to_ascii_lowercase();
    let vendors = ["redis", "valkey"].into_iter();
    let rest = vendors
        .filter_map(|vendor| scheme.strip_prefix(vendor))
        .next()?;
    match rest {
        "+sentinel" | "-sentinel" => Some(false),
        "s+sentinel" | "s-sentinel" => Some(true),
        _ => None,
    }
}

fn malformed() -> String {
    "a URL of Sentinels is valkey-sentinel://[USER:PASSWORD@]HOST[:PORT],.../NAME, with special characters in names and passwords as %XX".to_owned()
}

fn login(userinfo: &str) -> Result<Login, String> {
    // The one is a user to most libraries and a password to others.
    let (username, password) = userinfo.split_once(':').ok_or(
        "what stands before @ is USER:PASSWORD, or :PASSWORD without a user; one of them alone means different things to different libraries",
    )?;
    let username = decoded(username).ok_or_else(malformed)?;
    let username = String::from_utf8(username).map_err(|_| malformed())?;
    let password = decoded(password).ok_or_else(malformed)?;
    if password.is_empty() {
        return Err("there is a user without a password: leave both out, or write the password behind a colon".to_owned());
    }
    Ok(Login {
        username: Some(username).filter(|name| !name.is_empty()),
        password: Secret::new(password),
    })
}

fn sentinels(hosts: &str) -> Result<Vec<HostPort>, String> {
    let all = hosts.split(',').map(parse::sentinel);
    all.collect::<Result<_, _>>().map_err(|_| malformed())
}

/// The path is `NAME/0`; beside a name in the query it may be `0` alone.
fn primary_name(path: &str, in_query: Option<String>) -> Result<Option<String>, String> {
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/');
    let first = segments.next().filter(|first| !first.is_empty());
    let (name, database) = match (first, segments.next()) {
        (Some(first), None) if in_query.is_some() && is_number(first) => (None, Some(first)),
        (first, second) => (first, second),
    };
    if segments.next().is_some() {
        return Err(malformed());
    }
    if let Some(database) = database {
        refuse_database(database)?;
    }
    let in_path = name.map(self::name).transpose()?;
    match (in_path, in_query) {
        (Some(one), Some(other)) if one != other => {
            Err("its path and its query name two different primaries: leave one out".to_owned())
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn name(encoded: &str) -> Result<String, String> {
    let bytes = decoded(encoded).ok_or_else(malformed)?;
    parse::primary_name(&String::from_utf8(bytes).map_err(|_| malformed())?)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which database is used is each client's to say.
fn refuse_database(text: &str) -> Result<(), String> {
    match text.parse() {
        Ok(0_u32) => Ok(()),
        Ok(_) => Err("it chooses a database, which is for the clients to do: write the number into their URLs, and leave it out here".to_owned()),
        Err(_) => Err(malformed()),
    }
}

fn sentinel_login(
    username: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
) -> Result<Option<Login>, String> {
    let username = username.map(String::from_utf8).transpose();
    match (username.map_err(|_| malformed())?, password) {
        (None, None) => Ok(None),
        (Some(_), None) => Err("it has a sentinel_username without a sentinel_password".to_owned()),
        (username, Some(password)) => Ok(Some(Login {
            username,
            password: Secret::new(password),
        })),
    }
}

/// What stands behind the question mark.
#[derive(Default)]
struct Query {
    primary_name: Option<String>,
    username: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    sentinels: Vec<HostPort>,
}

impl Query {
    fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(malformed)?;
            if value.contains('+') {
                return Err(
                    "a + in its query is a space to some libraries: write %2B or %20".to_owned(),
                );
            }
            query.take(key, value)?;
        }
        Ok(query)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        if NAME_KEYS.contains(&key) {
            once(&mut self.primary_name, name(value)?)
        } else if USERNAME_KEYS.contains(&key) {
            once(&mut self.username, filled(value)?)
        } else if PASSWORD_KEYS.contains(&key) {
            once(&mut self.password, filled(value)?)
        } else if NODE_KEYS.contains(&key) {
            self.sentinels.extend(sentinels(value)?);
            Ok(())
        } else if DATABASE_KEYS.contains(&key) {
            refuse_database(value)
        } else {
            Err("the keys known in its query are sentinelMasterId, sentinelServiceName, master_name, sentinel_username, sentinel_password, node and addr; for all else there are flags".to_owned())
        }
    }
}

fn filled(encoded: &str) -> Result<Vec<u8>, String> {
    let bytes = decoded(encoded).filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(malformed)
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("its query has the same key twice".to_owned()),
    }
}

#[cfg(test)]
mod tests;
