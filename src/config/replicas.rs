//! The read-only endpoint: its flags, and what they mean together.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::flags::ClientListen;
use super::parse;
use crate::net::{HostPort, LocalAddress};
use crate::secrets::Credentials;

/// `--replica-fallback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplicaFallback {
    /// The primary serves reads while no replica may.
    Primary,
    /// They wait as long as commands are held, and fail then.
    Refuse,
}

/// What `steadfast run` needs for the read-only endpoint.
#[derive(Debug, Clone)]
pub struct Replicas {
    /// Where clients connect that only read; without any of these there is no such endpoint.
    pub listen: Vec<HostPort>,
    /// Unix sockets at which they connect.
    pub listen_unix: Vec<LocalAddress>,
    /// Who serves while no replica may.
    pub fallback: ReplicaFallback,
    /// A replica that is further behind its primary serves nobody.
    pub max_lag: Duration,
    /// Log in to replicas with this; where there is none, as to the primary.
    pub login: Option<Credentials>,
}

impl Replicas {
    /// Whether there is a read-only endpoint.
    #[must_use]
    pub fn are_wanted(&self) -> bool {
        !self.listen.is_empty() || !self.listen_unix.is_empty()
    }
}

// No doc comment: clap would take it for the text about the program.

#[derive(Debug, Args)]
#[command(next_help_heading = "Serving reads from replicas")]
pub(super) struct ReplicaFlags {
    /// Where clients connect that only read, and may read what is a little old: healthy replicas serve
    /// them, each an equal share. Whatever may change something is answered READONLY. Repeat it or
    /// separate with commas [default: nowhere]
    #[arg(long, value_name = "HOST:PORT|unix:PATH|off", value_delimiter = ',')]
    #[arg(value_parser = parse::client_listen)]
    pub(super) replica_listen: Vec<ClientListen>,
    /// While no replica is healthy: `refuse` has reads wait for one as long as --hold-timeout says, and
    /// then fail; `primary` has the primary serve them
    #[arg(
        long,
        value_name = "primary|refuse",
        default_value = "refuse",
        hide_possible_values = true
    )]
    pub(super) replica_fallback: ReplicaFallback,
    /// A replica that was further behind the primary than this, or that may not be asked for its ROLE,
    /// serves nobody (1s at least)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse::lag)]
    pub(super) replica_max_lag: Duration,
    /// Log in to replicas for clients, as this user [default: as to the primary]
    #[arg(long, value_name = "USER")]
    pub(super) replica_username: Option<String>,
    /// Log in to replicas for clients, with the password in this file or in STEADFAST_REPLICA_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(super) replica_password_file: Option<PathBuf>,
}
