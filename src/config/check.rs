//! Properties of settings, for fuzz targets; no part of the program uses them.
//!
//! Each function takes any bytes, and panics when a property does not hold. No file is opened:
//! settings that name one are left out.

use std::ffi::OsString;
use std::time::Duration;

use super::{Machine, load, parse, url};
use crate::net::HostPort;

/// What must never be shown.
const SECRET: &str = "kept-from-everybody";
/// Parts of settings that are not tried: they open files, or bring the certificates of the system.
const LEFT_OUT: [&str; 4] = ["config", "file", "tls", "unix"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One value, read as each kind of setting: what is accepted is within its bounds, and written in
/// its plainest form it is read the same.
pub fn value(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    if let Ok(time) = parse::duration(text) {
        assert!(time <= DAY);
        let written = format!("{}ms", time.as_millis());
        assert_eq!(parse::duration(&written), Ok(time));
        assert_eq!(parse::positive_duration(text).is_ok(), !time.is_zero());
    }
    if let Ok(size) = parse::size(text) {
        assert_eq!(parse::size(&size.to_string()), Ok(size));
    }
    if let Ok(count) = parse::count(text) {
        assert_eq!(parse::count(&count.to_string()), Ok(count));
    }
    if let Ok(name) = parse::primary_name(text) {
        assert_eq!(name.split_whitespace().collect::<Vec<_>>(), [&name]);
    }
    if let Ok(name) = parse::shared_command(text) {
        assert_eq!(parse::shared_command(&name), Ok(name));
    }
    if let Ok(address) = parse::sentinel(text) {
        assert_ne!(address.port, 0);
        assert_eq!(parse::sentinel(&address.to_string()), Ok(address));
    }
    if let Ok(address) = text.parse::<HostPort>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(url) = url::parse(text) {
        assert!(!url.sentinels.is_empty() && url.sentinels.iter().all(|it| it.port > 0));
        assert!(!format!("{url:?}").contains(SECRET));
    }
    let _ = (parse::workers(text), parse::heartbeat(text));
    let _ = (parse::hold_timeout(text), parse::client_listen(text));
}

/// Settings, one a line: `NAME=VALUE` is in the environment, the rest on the command line. What is
/// accepted can be run with, and no password is in anything that is shown.
pub fn settings(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let tried = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.contains(SECRET) && !LEFT_OUT.iter().any(|part| line.contains(part))
    };
    let (flags, rest): (Vec<_>, Vec<_>) = text
        .lines()
        .filter(tried)
        .partition(|line| line.starts_with('-') || !line.contains('='));
    let variables: Vec<_> = rest
        .iter()
        .filter_map(|line| line.split_once('='))
        .collect();
    let env = |name: &str| {
        let password = name.ends_with("PASSWORD").then_some(SECRET);
        let given = variables.iter().find(|(known, _)| *known == name);
        given
            .and(password)
            .or(given.map(|(_, value)| *value))
            .map(OsString::from)
    };
    let program = std::iter::once(OsString::from("steadfast"));
    let args = program
        .chain(flags.into_iter().map(OsString::from))
        .collect();
    let machine = Machine {
        descriptors: 1024,
        parallelism: 2,
        memory: None,
    };
    let shown = match load(args, &env, machine) {
        Ok(invocation) => {
            runnable(&invocation.config);
            format!("{invocation:?}")
        }
        Err(refusal) => format!("{refusal} {refusal:?}"),
    };
    assert!(!shown.contains(SECRET), "a password is shown");
}

fn runnable(config: &super::Config) {
    assert!(!config.sentinels.is_empty());
    assert!(config.sentinels.iter().all(|sentinel| sentinel.port > 0));
    assert!(!config.listen.is_empty() || !config.listen_tls.is_empty());
    assert!(config.workers > 0 && config.max_clients > 0);
    assert!(!config.primary_name.contains(char::is_whitespace));
    for time in [
        config.poll_interval,
        config.connect_timeout,
        config.heartbeat_timeout,
    ] {
        assert!(!time.is_zero() && time <= DAY);
    }
    assert!(config.client_password.is_none() || config.login.is_some());
}
