//! Single values as people write them: `500ms`, `64KiB`, `sentinel-0`. Pure; knows no flag.

use std::net::IpAddr;
use std::time::Duration;

use super::flags::{ClientListen, Sentinels};
use super::{HoldTimeout, ReadyPolicy, url};
use crate::net::{BadHostPort, BadLocalAddress, HostPort, LocalAddress, without_userinfo};
use crate::resp;

/// Where Sentinels listen when nothing else is said.
pub(super) const SENTINEL_PORT: u16 = 26379;
/// Longer waits are taken for slips of the pen, and would not end before somebody looked.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
/// More data threads than this help no machine this runs on.
const MAX_WORKERS: usize = 64;
/// Sizes below one small command would make no progress.
const MIN_SIZE: usize = 1024;
/// Longest primary name accepted; far above any in use, far below what a log line takes.
const MAX_NAME_LEN: usize = 256;
/// Reading, writing and executing, for the owner, its group and others.
const MODE_MAX: u32 = 0o777;

/// `500ms`, `5s`, `1m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "'{text}' is not a time: write a whole number and a unit, as in 500ms, 5s, 1m or 1h"
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(bad)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err(bad()),
    };
    let millis: Option<u64> = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit_ms));
    match millis.map(Duration::from_millis) {
        Some(duration) if duration <= MAX_DURATION => Ok(duration),
        _ => Err(format!("'{text}' is more than the 24h allowed here")),
    }
}

/// A command that only the operator can vouch for.
pub(super) fn shared_command(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_uppercase();
    let fits = (1..=resp::NAME_LEN_MAX).contains(&name.len());
    if !fits
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'|')
    {
        return Err(format!("'{text}' is no name of a command"));
    }
    match resp::Commands::may_be_declared(&name) {
        true => Ok(name),
        false => Err(format!(
            "{name} is a command of the server itself: whether it may share a connection is known"
        )),
    }
}

/// An open gate is believed for two seconds after the heartbeat that proved it was sent; one whose
/// answer may take longer than this could not be proved again in time.
const HEARTBEAT_MAX: Duration = Duration::from_secs(1);

pub(super) fn heartbeat(text: &str) -> Result<Duration, String> {
    let limit = positive_duration(text)?;
    if limit > HEARTBEAT_MAX {
        return Err(format!(
            "'{text}' is too long: a primary has to answer within {HEARTBEAT_MAX:?}, or what is \
             known of it is too old to send by"
        ));
    }
    Ok(limit)
}

/// Where a primary is, is asked twice a second: what is less than this cannot be told.
const LAG_MIN: Duration = Duration::from_secs(1);

/// How far a replica may be behind.
pub(super) fn lag(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        lag if lag < LAG_MIN => Err(format!(
            "'{text}' is too short: how far a replica is behind is known to half a second; allow {LAG_MIN:?} or more"
        )),
        lag => Ok(lag),
    }
}

/// A duration that may not be zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// `auto` or a duration.
pub(super) fn hold_timeout(text: &str) -> Result<HoldTimeout, String> {
    match text {
        "auto" => Ok(HoldTimeout::Auto),
        text => duration(text).map(HoldTimeout::Fixed),
    }
}

/// `started`, `primary-once` or `primary-within=TIME`.
pub(super) fn ready_policy(text: &str) -> Result<ReadyPolicy, String> {
    match (text, text.strip_prefix("primary-within=")) {
        ("started", _) => Ok(ReadyPolicy::Started),
        ("primary-once", _) => Ok(ReadyPolicy::PrimaryOnce),
        (_, Some(limit)) => duration(limit).map(ReadyPolicy::PrimaryWithin),
        _ => Err(
            "write started, primary-once, or primary-within=TIME as in primary-within=1m"
                .to_owned(),
        ),
    }
}

/// `65536`, `64KiB`, `1MiB`, `2GiB`; decimal units (`64kB`) are not accepted, because too many
/// mean the binary ones by them.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let bad = || {
        format!(
            "'{text}' is not a size: write a whole number and a unit, as in 64KiB, 1MiB or 2GiB"
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(bad)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(bad()),
    };
    let bytes: Option<usize> = number
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    match bytes {
        Some(bytes) if bytes < MIN_SIZE => Err("it must be at least 1KiB".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("'{text}' is more than this machine can count")),
    }
}

/// A whole number above zero.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("'{text}' is not a whole number above zero")),
    }
}

/// A number of data threads.
pub(super) fn workers(text: &str) -> Result<usize, String> {
    match count(text)? {
        n if n <= MAX_WORKERS => Ok(n),
        _ => Err(format!("at most {MAX_WORKERS} workers are supported")),
    }
}

/// Sentinels with commas between them, or one URL for all of them.
pub(super) fn sentinels(text: &str) -> Result<Sentinels, String> {
    if url::is_meant_by(text) {
        let url = url::parse(text)?;
        return Ok(Sentinels::Url(Box::new(url)));
    }
    let all = text.split(',').map(sentinel);
    all.collect::<Result<_, _>>().map(Sentinels::Plain)
}

/// A Sentinel: the port may be left out, and a bare IPv6 address needs no brackets then.
pub(super) fn sentinel(text: &str) -> Result<HostPort, String> {
    if text.contains("://") || text.contains('@') {
        return Err(
            "write HOST or HOST:PORT, and give user and password with --sentinel-username and --sentinel-password-file; or one URL for all Sentinels, which begins with valkey-sentinel:// or redis-sentinel://".to_owned(),
        );
    }
    let (host, port) = host_and_port(text)?;
    Ok(HostPort::new(host, port.unwrap_or(SENTINEL_PORT)))
}

/// A host, with a port or without; a bare IPv6 address needs no brackets then.
pub(super) fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    let without_port = !text.contains(':') || (text.starts_with('[') && text.ends_with(']'));
    if without_port {
        let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = inner.unwrap_or(text);
        return match HostPort::is_host(host) {
            true => Ok((host.to_owned(), None)),
            false => Err(format!(
                "'{}' is neither HOST nor HOST:PORT",
                without_userinfo(text)
            )),
        };
    }
    match host_port(text)? {
        HostPort { port: 0, .. } => Err(format!(
            "'{}' names port 0, where nothing can listen",
            without_userinfo(text)
        )),
        HostPort { host, port } => Ok((host, Some(port))),
    }
}

/// An address by TCP, a Unix socket, or `off`.
pub(super) fn client_listen(text: &str) -> Result<ClientListen, String> {
    if LocalAddress::is_meant_by(text) {
        let address = text
            .parse()
            .map_err(|error: BadLocalAddress| error.to_string());
        return address.map(ClientListen::Unix);
    }
    match text {
        "off" => Ok(ClientListen::Off),
        address => host_port(address).map(ClientListen::Tcp),
    }
}

/// Permissions as chmod takes them.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= MODE_MAX && !text.starts_with('+') => Ok(mode),
        _ => Err(format!(
            "'{text}' is no mode: write three octal digits, as in 660 or 0660"
        )),
    }
}

fn host_port(text: &str) -> Result<HostPort, String> {
    text.parse().map_err(|error: BadHostPort| error.to_string())
}

/// Sentinel's name for a set. Its events are lines split at spaces, so a name with white space
/// could never be heard of.
pub(super) fn primary_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a primary name is not empty and has no white space in it".to_owned());
    }
    if text.len() > MAX_NAME_LEN {
        return Err(format!("a primary name has at most {MAX_NAME_LEN} bytes"));
    }
    Ok(text.to_owned())
}

/// The leading digits and what follows them; none without digits.
fn split_unit(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then_some((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(text: &str, expected_ms: Option<u64>) {
        assert_eq!(
            duration(text).ok(),
            expected_ms.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn durations_need_a_unit_and_an_end() {
        check_duration("500ms", Some(500));
        check_duration("0s", Some(0));
        check_duration("5s", Some(5000));
        check_duration("1m", Some(60_000));
        check_duration("24h", Some(86_400_000));
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "5 s",
            "25h",
            "5S",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            check_duration(bad, None);
        }
        assert!(positive_duration("0ms").is_err());
        assert_eq!(hold_timeout("auto"), Ok(HoldTimeout::Auto));
        assert_eq!(hold_timeout("0s"), Ok(HoldTimeout::Fixed(Duration::ZERO)));
    }

    #[test]
    fn ready_policies_are_words_one_with_a_time() {
        assert_eq!(ready_policy("started"), Ok(ReadyPolicy::Started));
        assert_eq!(ready_policy("primary-once"), Ok(ReadyPolicy::PrimaryOnce));
        let within = ReadyPolicy::PrimaryWithin(Duration::from_secs(60));
        assert_eq!(ready_policy("primary-within=1m"), Ok(within));
        for bad in [
            "",
            "primary",
            "primary-within",
            "primary-within=",
            "primary-within=1",
        ] {
            assert!(ready_policy(bad).is_err(), "{bad}");
        }
    }

    #[track_caller]
    fn check_size(text: &str, expected: Option<usize>) {
        assert_eq!(size(text).ok(), expected, "{text}");
    }

    #[test]
    fn sizes_are_binary_and_bounded() {
        check_size("2048", Some(2048));
        check_size("2048B", Some(2048));
        check_size("64KiB", Some(65_536));
        check_size("1MiB", Some(1_048_576));
        check_size("2GiB", Some(2_147_483_648));
        for bad in [
            "",
            "KiB",
            "1",
            "64kb",
            "64KB",
            "-1KiB",
            "18446744073709551615KiB",
        ] {
            check_size(bad, None);
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0660"), Ok(0o660));
        assert_eq!(mode("777"), Ok(0o777));
        for bad in ["", "0o660", "680", "1777", "-1", "+7", "rw"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[track_caller]
    fn check_sentinel(text: &str, expected: Option<(&str, u16)>) {
        assert_eq!(
            sentinel(text).ok(),
            expected.map(|(host, port)| HostPort::new(host, port)),
            "{text}"
        );
    }

    #[test]
    fn a_sentinel_may_leave_out_its_port() {
        check_sentinel("s1", Some(("s1", 26379)));
        check_sentinel("s1:5000", Some(("s1", 5000)));
        check_sentinel("10.0.0.1", Some(("10.0.0.1", 26379)));
        check_sentinel("::1", Some(("::1", 26379)));
        check_sentinel("[::1]", Some(("::1", 26379)));
        check_sentinel("[::1]:5000", Some(("::1", 5000)));
        for bad in [
            "",
            "s1:",
            "s1:0",
            "s1:65536",
            ":26379",
            "a b",
            "a\tb",
            "[[s1]]",
            "redis://s1:26379",
        ] {
            check_sentinel(bad, None);
        }
    }
}
