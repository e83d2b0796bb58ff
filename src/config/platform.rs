//! Sentinel's address as platforms put it into the environment, used when nobody gave us one.
//!
//! A ConfigMap with `VALKEY_SENTINEL_HOST` and `VALKEY_SENTINEL_PORT` is then the whole setup. For
//! a Service called `valkey-sentinel` Kubernetes injects `VALKEY_SENTINEL_PORT` too, but as
//! `tcp://10.0.0.1:26379` (its docs: "Discovering services", environment variables), and that may
//! overwrite the plain number: both forms are understood.

use super::{Env, Error, parse};
use crate::net::{HostPort, without_userinfo};

/// In this order: the first with a host is taken.
const PREFIXES: [&str; 2] = ["VALKEY_SENTINEL", "REDIS_SENTINEL"];

/// A variable, and the Sentinels it names.
pub(super) type Named = (String, Vec<HostPort>);

/// The Sentinels the platform names, if it names any.
pub(super) fn sentinels(env: Env<'_>) -> Result<Option<Named>, Error> {
    for prefix in PREFIXES {
        let text = |name: String| {
            env(&name)
                .filter(|value| !value.is_empty())
                .map(|value| (name, value.to_string_lossy().into_owned()))
        };
        let host = text(format!("{prefix}_HOST"));
        let injected = text(format!("{prefix}_PORT"))
            .map(port)
            .transpose()?
            .unwrap_or_default();
        let Some((name, hosts)) = host.or(injected.host) else {
            continue;
        };
        let sentinels = hosts
            .split(',')
            .map(|host| sentinel(host.trim(), injected.port))
            .collect::<Result<_, _>>();
        return match sentinels {
            Ok(sentinels) => Ok(Some((name, sentinels))),
            Err(reason) => Err(Error::Environment { name, reason }),
        };
    }
    Ok(None)
}

/// What a `_PORT` variable says; the host with the name of the variable it came from.
#[derive(Debug, Default)]
struct Injected {
    host: Option<(String, String)>,
    port: Option<u16>,
}

fn port((name, value): (String, String)) -> Result<Injected, Error> {
    let bad = |reason: String| Error::Environment {
        name: name.clone(),
        reason,
    };
    if let Some(address) = value.strip_prefix("tcp://") {
        let address = parse::sentinel(address).map_err(bad)?;
        return Ok(Injected {
            host: Some((name, bracketed(&address.host))),
            port: Some(address.port),
        });
    }
    match value.parse() {
        Ok(port) if port > 0 => Ok(Injected {
            host: None,
            port: Some(port),
        }),
        _ => Err(bad(format!(
            "'{}' is neither a port nor of the form tcp://HOST:PORT",
            without_userinfo(&value)
        ))),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// One host of the list; a port of its own wins over the one in `_PORT`.
fn sentinel(host: &str, port: Option<u16>) -> Result<HostPort, String> {
    let own_port = host.parse::<HostPort>().is_ok();
    let parsed = parse::sentinel(host)?;
    Ok(match port {
        Some(port) if !own_port => HostPort { port, ..parsed },
        _ => parsed,
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    /// `expected`: addresses joined with commas, "none", or "error".
    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: &str) {
        let env = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let got = match sentinels(&env) {
            Ok(None) => "none".to_owned(),
            Ok(Some((_, list))) => list
                .iter()
                .map(HostPort::to_string)
                .collect::<Vec<_>>()
                .join(","),
            Err(_) => "error".to_owned(),
        };
        assert_eq!(got, expected, "{variables:?}");
    }

    #[test]
    fn host_and_port_of_a_config_map() {
        check(&[], "none");
        check(&[("VALKEY_SENTINEL_HOST", "rfs-a.ns")], "rfs-a.ns:26379");
        check(
            &[
                ("VALKEY_SENTINEL_HOST", "rfs-a.ns"),
                ("VALKEY_SENTINEL_PORT", "5000"),
            ],
            "rfs-a.ns:5000",
        );
        check(
            &[
                ("VALKEY_SENTINEL_HOST", "a, b:7"),
                ("VALKEY_SENTINEL_PORT", "5000"),
            ],
            "a:5000,b:7",
        );
        check(&[("VALKEY_SENTINEL_HOST", "")], "none");
        check(
            &[("VALKEY_SENTINEL_HOST", "v"), ("REDIS_SENTINEL_HOST", "r")],
            "v:26379",
        );
        check(&[("REDIS_SENTINEL_HOST", "::1")], "[::1]:26379");
    }

    #[test]
    fn a_port_injected_by_kubernetes_is_a_url() {
        let url = ("VALKEY_SENTINEL_PORT", "tcp://10.0.0.1:26380");
        check(&[url], "10.0.0.1:26380");
        check(&[url, ("VALKEY_SENTINEL_HOST", "rfs-a")], "rfs-a:26380");
        check(
            &[("VALKEY_SENTINEL_PORT", "tcp://[fd00::1]:26380")],
            "[fd00::1]:26380",
        );
        // A number alone says nothing about where.
        check(&[("VALKEY_SENTINEL_PORT", "26379")], "none");
        check(&[("VALKEY_SENTINEL_PORT", "udp://x:1")], "error");
        check(&[("VALKEY_SENTINEL_PORT", "0")], "error");
        check(&[("VALKEY_SENTINEL_HOST", "a b")], "error");
    }
}
