//! From an error to a sentence that says what to do. Pure.

use std::io;

use super::tls::Speech;
use crate::config::{Config, Credentials};
use crate::discovery::error::{Error, Rejection, RejectionKind};
use crate::tls::{Failure, Leg};

/// With whom something went wrong, which decides whose settings to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// A Sentinel.
    Sentinel,
    /// A primary or replica, asked with the named login.
    Server(Login),
}

/// Which credentials a data server is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// Those of Steadfast's own checks.
    Control,
    /// Those Steadfast logs its clients in with.
    Clients,
    /// None: clients bring their own.
    None,
}

impl Login {
    pub(super) fn of(config: &Config) -> Self {
        if config.control_credentials.is_some() {
            Self::Control
        } else if config.login.is_some() {
            Self::Clients
        } else {
            Self::None
        }
    }

    pub(super) fn credentials(self, config: &Config) -> Option<&Credentials> {
        match self {
            Self::Control => config.control_credentials.as_ref(),
            Self::Clients => config.login.as_ref(),
            Self::None => None,
        }
    }
}

impl Party {
    fn noun(self) -> &'static str {
        match self {
            Self::Sentinel => "Sentinel",
            Self::Server(_) => "server",
        }
    }

    /// The flag with the password, and the variable that may hold it instead.
    fn password(self) -> (&'static str, &'static str) {
        match self {
            Self::Sentinel => ("--sentinel-password-file", "STEADFAST_SENTINEL_PASSWORD"),
            Self::Server(Login::Clients) => ("--password-file", "STEADFAST_PASSWORD"),
            Self::Server(_) => ("--control-password-file", "STEADFAST_CONTROL_PASSWORD"),
        }
    }

    /// What the flags for TLS to it begin with.
    fn tls_flag(self) -> &'static str {
        match self {
            Self::Sentinel => Leg::Sentinel.flag(),
            Self::Server(_) => Leg::Upstream.flag(),
        }
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Sentinel => 26379,
            Self::Server(_) => 6379,
        }
    }
}

/// A name without an address.
pub(super) fn unresolved(host: &str, error: &io::Error) -> String {
    format!(
        "the name '{host}' does not resolve ({error}): check its spelling, and DNS as seen from this machine"
    )
}

/// What TLS says about it, if it was TLS that failed.
fn tls_failure(error: &Error) -> Option<&Failure> {
    match error {
        Error::Unreachable(error) | Error::Lost(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// Why there was no answer; `speech` is what the port says to plain text, where that was tried.
pub(super) fn failure(party: Party, error: &Error, speech: Option<Speech>) -> String {
    let noun = party.noun();
    match (error, speech) {
        (Error::Rejected(rejection), _) => rejected(party, rejection),
        (_, Some(Speech::Resp)) => format!(
            "it speaks plain text where TLS is expected: name its TLS port, or leave {}* out",
            party.tls_flag()
        ),
        (error, _) if let Some(failure) = tls_failure(error) => failure.to_string(),
        (_, Some(Speech::Tls)) => format!(
            "it speaks TLS, and Steadfast speaks plain text to it: give {}-ca-file with the CA of its certificate, or use the plain port of this {noun}",
            party.tls_flag()
        ),
        (_, Some(Speech::Http)) => format!(
            "an HTTP server answers there: check host and port ({noun}s usually listen on {})",
            party.usual_port()
        ),
        (Error::Lost(_), Some(Speech::Nothing)) => {
            format!(
                "it hangs up on a plain PING: probably a port for TLS only (give {}-ca-file), else a network policy or proxy that refuses this machine",
                party.tls_flag()
            )
        }
        (Error::Unreachable(error), _) if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!(
                "nothing listens there (connection refused): check host and port, and that the {noun} runs"
            )
        }
        (Error::Unreachable(error), _) => {
            format!("cannot connect ({error}): check the address and the route to it")
        }
        (Error::TimedOut(limit), _) => format!(
            "no answer within {limit:?}: a firewall or network policy may drop the packets, or the {noun} hangs; on a slow network raise --connect-timeout"
        ),
        (Error::Lost(error), _) => {
            format!(
                "the connection ended before the answer came ({error}): look into the log of that {noun}"
            )
        }
        (Error::Protocol(_) | Error::Unexpected(_), _) => {
            format!("what answers there is no {noun} ({error}): check host and port")
        }
    }
}

fn rejected(party: Party, rejection: &Rejection) -> String {
    let noun = party.noun();
    let (flag, variable) = party.password();
    let text = &rejection.text;
    match rejection.kind {
        RejectionKind::NoAuth => format!(
            "this {noun} requires a password and none is set: give {flag} or {variable} ({text})"
        ),
        RejectionKind::WrongPass => wrong_password(party, flag, text),
        RejectionKind::NoPerm => format!(
            "its user lacks a permission ({text}): {}",
            match party {
                Party::Sentinel =>
                    "grant +sentinel|master +sentinel|get-master-addr-by-name +sentinel|sentinels +sentinel|replicas +sentinel|myid +ping +subscribe, and the event channels, on every Sentinel",
                Party::Server(_) => "grant +ping +role (or +hello) on every server",
            }
        ),
        RejectionKind::MaxClients => format!(
            "this {noun} has all the connections it allows: raise its maxclients or find who holds them ({text})"
        ),
        _ if text.starts_with("DENIED") => format!(
            "this {noun} runs in protected mode and talks to its own machine only: set a password or `protected-mode no` there"
        ),
        _ if text.contains("unknown command") && party == Party::Sentinel => format!(
            "this is a data server, no Sentinel: check the port ({noun}s usually listen on {})",
            party.usual_port()
        ),
        _ => format!("it answered: {text}"),
    }
}

fn wrong_password(party: Party, flag: &str, text: &str) -> String {
    let advice = match party {
        Party::Sentinel => {
            "Sentinels have a password of their own, often another one than the data servers"
        }
        Party::Server(_) => {
            "the data servers' password may differ from the Sentinels', and a user other than the default one is named by its own flag"
        }
    };
    format!("the login is refused ({text}): check {flag} and the user; {advice}")
}

/// A Sentinel that does not monitor the name; `known` are those it does.
pub(super) fn unknown_name(name: &str, known: &[String]) -> String {
    match known {
        [] => format!(
            "it does not know the primary name '{name}', nor any other: it has nothing to monitor yet"
        ),
        known => format!(
            "it does not know the primary name '{name}': give one of those it knows with --primary-name ({})",
            known.join(", ")
        ),
    }
}
