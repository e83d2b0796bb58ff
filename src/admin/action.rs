//! What can be asked of the process over the admin port, where `--admin-actions` allows it. Whoever
//! starts the process says how each is done.

use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;
use hyper::HeaderMap;

use super::guard;
use super::socket::Reach;
use crate::config::LogLevel;

/// How actions are carried out.
#[derive(Clone)]
pub struct Controls {
    /// Begins to stop the process, as SIGTERM does.
    pub drain: Arc<dyn Fn() + Send + Sync>,
    /// Has files read again, as SIGHUP does.
    pub reload: Arc<dyn Fn() + Send + Sync>,
    /// Changes the least important messages still written.
    pub log_level: Arc<dyn Fn(LogLevel) + Send + Sync>,
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Controls")
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Drain,
    Reload,
    LogLevel,
}

/// The controls, if a request with such headers may use them.
///
/// # Errors
/// Why it may not.
pub(super) fn permitted<'a>(
    controls: Option<&'a Controls>,
    reach: Reach,
    headers: &HeaderMap,
) -> Result<&'a Controls, &'static str> {
    let controls = controls.ok_or("actions are off; --admin-actions on allows them")?;
    if reach == Reach::Anybody {
        return Err(
            "actions are taken on loopback or at a Unix socket only, and --admin-listen is beyond that",
        );
    }
    match guard::is_from_same_site(headers) {
        true => Ok(controls),
        false => Err("actions are not taken from another site's page (Origin, Sec-Fetch-Site)"),
    }
}

impl Action {
    /// Carries it out, and says what was done.
    ///
    /// # Errors
    /// What is wrong with the `query`.
    pub(super) fn carry_out(
        self,
        controls: &Controls,
        query: Option<&str>,
    ) -> Result<String, String> {
        match self {
            Self::Drain => {
                tracing::info!(
                    event = "admin_action",
                    action = "drain",
                    "asked to stop over the admin port"
                );
                (controls.drain)();
                Ok("draining, as after SIGTERM".to_owned())
            }
            Self::Reload => {
                tracing::info!(
                    event = "admin_action",
                    action = "reload",
                    "asked over the admin port"
                );
                (controls.reload)();
                Ok(
                    "files are read again, as after SIGHUP; the log says with what result"
                        .to_owned(),
                )
            }
            Self::LogLevel => {
                let level = level(query)?;
                let name = level
                    .to_possible_value()
                    .map_or_else(String::new, |it| it.get_name().to_owned());
                tracing::info!(
                    event = "admin_action",
                    action = "loglevel",
                    level = name,
                    "asked over the admin port"
                );
                (controls.log_level)(level);
                Ok(format!("the log level is {name} until the next start"))
            }
        }
    }
}

fn level(query: Option<&str>) -> Result<LogLevel, String> {
    let asked = query.and_then(|query| query.strip_prefix("level="));
    let level = asked.and_then(|asked| LogLevel::from_str(asked, false).ok());
    level.ok_or_else(|| "write ?level= and error, warn, info or debug".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_flag() {
        assert_eq!(level(Some("level=debug")), Ok(LogLevel::Debug));
        assert_eq!(level(Some("level=error")), Ok(LogLevel::Error));
        for bad in [
            None,
            Some(""),
            Some("level="),
            Some("level=trace"),
            Some("debug"),
            Some("level=info&x=y"),
        ] {
            assert!(level(bad).is_err(), "{bad:?}");
        }
    }
}
