//! Where log lines go and what they look like: standard error, RFC 3339 in UTC, one line each.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;

use steadfast::config::{LogFormat, LogLevel, Logging};

/// Installs the subscriber of the process; a second call changes nothing.
pub(crate) fn init(logging: Logging) {
    let json = match logging.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let level = match logging.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(!json && io::stderr().is_terminal());
    // The only way to fail is that one is installed already.
    let _ = if json {
        subscriber.json().flatten_event(true).try_init()
    } else {
        subscriber.try_init()
    };
}
