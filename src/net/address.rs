//! Addresses as they are written, and what they stand for now.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A host (name or literal address) and a port, as written or as a Sentinel said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Name or address, never in brackets.
    pub host: String,
    /// Port, never 0 after validation.
    pub port: u16,
}

impl HostPort {
    /// From its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Whether `text` can be a host: it is not empty, and has nothing in it that would be taken for
    /// something around one where addresses are written.
    pub(crate) fn is_host(text: &str) -> bool {
        let around = |c: char| c.is_whitespace() || c.is_control() || "[]/@#,".contains(c);
        !text.is_empty() && !text.contains(around)
    }

    /// The literal address, if the host is one.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.host
            .parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Whether it can only mean this machine. A name other than `localhost` may mean anything by the
    /// time it is resolved.
    pub fn is_loopback(&self) -> bool {
        match self.literal() {
            Some(literal) => literal.ip().to_canonical().is_loopback(),
            None => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Every address the host has now. Asked anew at each dial: pods and Services move.
    ///
    /// # Errors
    /// When the name cannot be resolved, or has no address.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(literal) = self.literal() {
            return Ok(vec![literal]);
        }
        let found: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect();
        if found.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        Ok(found)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self::new(addr.ip().to_string(), addr.port())
    }
}

/// The one spelling of `host`: names are in lower case, literal addresses in their shortest form.
pub(crate) fn usual_spelling(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

/// `text` as it may be repeated in an error or a log: where it looks like a URL, without the parts in
/// which a password may stand, whole or cut at a comma.
#[must_use]
pub fn without_userinfo(text: &str) -> Cow<'_, str> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let shown = match (rest.split_once('?'), rest.rsplit_once('@')) {
        (None, None) if scheme.is_none() => return Cow::Borrowed(text),
        (None, Some((_, host))) => format!("***@{host}"),
        // A password may have a question mark in it, and then all may be a part of one.
        (Some((front, query)), _) if !query.contains('@') => match front.rsplit_once('@') {
            Some((_, host)) => format!("***@{host}?***"),
            None if scheme.is_none() => format!("{front}?***"),
            None => "***".to_owned(),
        },
        _ => "***".to_owned(),
    };
    Cow::Owned(match scheme {
        Some(scheme) => format!("{scheme}://{shown}"),
        None => shown,
    })
}

/// Why a text is no `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadHostPort(String);

impl fmt::Display for BadHostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not HOST:PORT (an IPv6 address goes in brackets, as in [::1]:6379)",
            self.0
        )
    }
}

impl std::error::Error for BadHostPort {}

impl FromStr for HostPort {
    type Err = BadHostPort;

    fn from_str(text: &str) -> Result<Self, BadHostPort> {
        let bad = || BadHostPort(without_userinfo(text).into_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(bad)?,
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        if !Self::is_host(host) {
            return Err(bad());
        }
        Ok(Self::new(host, port.parse().map_err(|_| bad())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without_userinfo(text), expected);
    }

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        check("s1:26379", "s1:26379");
        check("s1;x", "s1;x");
        check("redis://app:pw@s1:26379/0", "redis://***@s1:26379/0");
        check("redis://:p@w@s1", "redis://***@s1");
        // The beginning and the end of one that a comma cut in two.
        check("redis://:p", "redis://***");
        check(
            "redis-sentinel://s1/n?sentinel_password=p",
            "redis-sentinel://***",
        );
        check(
            "redis-sentinel://a:p@s1/n?x=p",
            "redis-sentinel://***@s1/n?***",
        );
        check("redis-sentinel://a:p?w@s1", "redis-sentinel://***");
        check("s2/n?sentinel_password=p", "s2/n?***");
        check("a:p?w@s2", "***");
        check("w@s1:26379", "***@s1:26379");
        let bad = "redis://:pw@s1:26379".parse::<HostPort>();
        assert!(!bad.expect_err("no address").to_string().contains("pw"));
    }
}
