//! From an error to a sentence that says what to do. Pure.

use std::io;

use super::tls::Speech;
use crate::discovery::error::{Error, Rejection, RejectionKind};
use crate::secrets::{Refusal, Whose};
use crate::tls::{Failure, Leg};

/// With whom something went wrong, which decides whose settings to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// A Sentinel.
    Sentinel,
    /// A primary or replica, asked with this login.
    Server(Whose),
}

impl Party {
    fn noun(self) -> &'static str {
        match self {
            Self::Sentinel => "Sentinel",
            Self::Server(_) => "server",
        }
    }

    fn whose(self) -> Whose {
        match self {
            Self::Sentinel => Whose::Sentinel,
            Self::Server(whose) => whose,
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
    let text = &rejection.text;
    if let Some(refusal) = rejection.refusal() {
        let what = match refusal {
            Refusal::NoLogin => "it requires a login and there was none",
            Refusal::WrongPassword => "the login is refused",
            Refusal::NoRight => "its user lacks a permission",
        };
        return format!("{what} ({text}): {}", refusal.advice(party.whose()));
    }
    match rejection.kind {
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
