//! Where log lines go and what they look like: standard error, RFC 3339 in UTC, one line each.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use steadfast::config::{LogFormat, LogLevel, Logging};

/// Changes the least important messages still written.
pub(crate) type SetLevel = Arc<dyn Fn(LogLevel) + Send + Sync>;

/// Installs the subscriber of the process; a second call changes nothing.
pub(crate) fn init(logging: Logging) -> SetLevel {
    let json = match logging.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(!json && io::stderr().is_terminal());
    let lines = if json {
        lines.json().flatten_event(true).boxed()
    } else {
        lines.boxed()
    };
    let (level, handle) = reload::Layer::new(filter(logging.level));
    // The only way to fail is that one is installed already.
    let _ = tracing_subscriber::registry()
        .with(level)
        .with(lines)
        .try_init();
    // It fails only once the subscriber is gone, and then there is nothing to write.
    Arc::new(move |level| drop(handle.reload(filter(level))))
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}
