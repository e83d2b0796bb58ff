//! Settings: what the operator asked for, validated once and passed around as plain values.
//!
//! Flag wins over environment wins over file wins over default; what a file says in the table of one of
//! several endpoints wins over all of them. The environment and the machine's
//! limits come in as arguments ([`load`]), so that nothing here depends on the process it runs in, the
//! files with settings, passwords, certificates and keys excepted. This module opens no socket and writes no log.

mod address_map;
#[doc(hidden)]
pub mod check;
mod complaint;
mod endpoints;
mod error;
mod file;
mod flags;
mod limits;
mod memory;
mod nearest;
mod parse;
mod percent;
mod platform;
mod replicas;
mod show;
mod sources;
mod spread;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod unix;
mod url;
mod validate;

pub use address_map::AddressMap;
pub use error::Error;
pub use file::FileFault;
pub use flags::{Command, ConfigCommand, ShowFormat};
pub use limits::{clients_for, raise_descriptor_limit};
pub use memory::memory_limit;
pub use replicas::{ReplicaFallback, Replicas};
pub use show::Settings;
pub use unix::{Owner, SocketPermissions};
pub use validate::refuse_open;

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use crate::net::{HostPort, LocalAddress};
use crate::secrets::{Credentials, Password, Whose};
use crate::tls::Legs;

use sources::Reading;

/// Looks a variable up in the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What the machine offers, for the defaults that follow it.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Descriptors this process may open.
    pub descriptors: u64,
    /// Threads that can run at the same time.
    pub parallelism: usize,
    /// Bytes of memory its control group may use; none where that is not bounded.
    pub memory: Option<u64>,
}

/// One call of the program: what to do, with which settings, and how to log.
#[derive(Debug)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// The settings of the endpoint, or of the first of several.
    pub config: Config,
    /// Those of all further endpoints; what concerns the whole process is the same in all.
    pub more: Vec<Config>,
    /// The same settings for people to look at.
    pub settings: Settings,
    /// How to log.
    pub logging: Logging,
    /// To check the settings was all that was asked for, and is done.
    pub only_checked: bool,
}

/// Why there is no [`Invocation`].
#[derive(Debug)]
pub enum Refusal {
    /// The command line, or a value that stands elsewhere, cannot be read; or help or the version was asked for.
    CommandLine(Box<clap::Error>),
    /// The settings cannot be used.
    Settings(Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(error) => error.fmt(f),
            Self::Settings(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

/// What `healthcheck` and `status` need: where to ask, if anywhere. None for any other command.
///
/// The files that settings name are not looked at, for they need not be in order: the process that is
/// asked goes on with what it has read.
///
/// # Errors
/// As [`load`].
pub fn question(args: Vec<OsString>, env: Env<'_>) -> Result<Option<Question>, Refusal> {
    let (Reading { cli, .. }, _) = sources::read(args, env)?;
    let asks = matches!(
        cli.command,
        Some(Command::Healthcheck { .. } | Command::Status { .. })
    );
    Ok(cli.command.filter(|_| asks).map(|command| Question {
        command,
        admin_listen: cli.process.admin_listen.for_admin(),
    }))
}

/// A command that only asks the running process.
#[derive(Debug)]
pub struct Question {
    /// Which.
    pub command: Command,
    /// Where that process answers, if it does.
    pub admin_listen: Option<AdminListen>,
}

/// Reads and validates all settings. `args` begins with the name of the program.
///
/// # Errors
/// When something is wrong with them, or the operator asked for help only.
pub fn load(args: Vec<OsString>, env: Env<'_>, machine: Machine) -> Result<Invocation, Refusal> {
    let (outside, parts) = sources::read(args, env)?;
    let process = &outside.cli.process;
    let logging = Logging {
        format: process.log_format,
        level: process.log_level,
    };
    let command = outside.cli.command.unwrap_or(Command::Run);
    let only_checked = process.check_config;
    let loaded = endpoints::load(outside, parts, env, machine).map_err(Refusal::Settings)?;
    Ok(Invocation {
        command,
        config: loaded.config,
        more: loaded.more,
        settings: loaded.settings,
        logging,
        only_checked,
    })
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// Shape of a line.
    pub format: LogFormat,
    /// Least important level still written.
    pub level: LogLevel,
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object for each line.
    Json,
}

/// `--log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What needs somebody to act.
    Error,
    /// What may soon.
    Warn,
    /// What happens in the life of the process.
    Info,
    /// What happens to each connection.
    Debug,
}

/// Everything `steadfast run` needs for one endpoint, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the operator calls the endpoint.
    pub name: String,
    /// Sentinels to start from.
    pub sentinels: Vec<HostPort>,
    /// Sentinel's name for the monitored set.
    pub primary_name: String,
    /// Where clients connect.
    pub listen: Vec<HostPort>,
    /// Unix sockets at which they connect.
    pub listen_unix: Vec<LocalAddress>,
    /// Who may connect to those of them that are files.
    pub socket_permissions: SocketPermissions,
    /// Where clients connect with TLS.
    pub listen_tls: Vec<HostPort>,
    /// How the legs that have TLS are secured.
    pub tls: Legs,
    /// Where the admin port is; none turns it off.
    pub admin_listen: Option<AdminListen>,
    /// Whether the process can be told what to do there.
    pub admin_actions: bool,
    /// When `/readyz` passes.
    pub ready_policy: ReadyPolicy,
    /// Without a primary `/startupz` passes from here on.
    pub startup_timeout: Duration,
    /// Log in to Sentinels with this.
    pub sentinel_credentials: Option<Credentials>,
    /// Steadfast's own role checks on data nodes.
    pub control_credentials: Option<Credentials>,
    /// Log in upstream on behalf of clients.
    pub login: Option<Credentials>,
    /// What clients must present when Steadfast logs in for them.
    pub client_password: Option<Password>,
    /// Anyone who reaches a listener may use our login.
    pub allow_unauthenticated_clients: bool,
    /// How clients share links.
    pub pool: Pool,
    /// How long commands wait for a primary.
    pub hold_timeout: HoldTimeout,
    /// Bytes held for all clients before those whose commands would wait are read no further.
    pub max_held_bytes: usize,
    /// Bytes held for one client before its socket is read no further.
    pub max_held_bytes_per_client: usize,
    /// Bytes kept of the replies on a shared link that one client does not read; with more it is closed.
    pub client_output_limit: usize,
    /// Bytes kept of such replies for all clients; while there are more, few are kept for each.
    pub max_output_bytes: usize,
    /// The read-only endpoint.
    pub replicas: Replicas,
    /// Nothing is sent that may change anything.
    pub read_only: bool,
    /// Limit on one dial.
    pub connect_timeout: Duration,
    /// Limit on one heartbeat.
    pub heartbeat_timeout: Duration,
    /// How often each Sentinel is asked.
    pub poll_interval: Duration,
    /// Learn further Sentinels from those configured.
    pub sentinel_discovery: bool,
    /// Where nodes are that Sentinels name elsewhere.
    pub address_map: AddressMap,
    /// What makes a promoted replica the primary.
    pub switch_on: SwitchOn,
    /// What to do when no Sentinel can be reached.
    pub on_sentinel_loss: OnSentinelLoss,
    /// What becomes of a blocking call that was still waiting when its primary went.
    pub blocking_on_failover: BlockingOnFailover,
    /// What becomes of subscribers when the primary changes.
    pub pubsub_on_failover: PubsubOnFailover,
    /// What becomes of an iteration whose cursor came from an earlier primary.
    pub scan_on_failover: ScanOnFailover,
    /// How a client learns that a command may or may not have been executed.
    pub on_uncertain: OnUncertain,
    /// Commands that the table does not know and that may share a connection, in upper case.
    pub shared_commands: Vec<String>,
    /// Data threads.
    pub workers: usize,
    /// Clients at the same time.
    pub max_clients: usize,
    /// A client that sends nothing for so long, and waits for nothing, is closed; zero closes none.
    pub client_idle_timeout: Duration,
    /// An older connection is closed when nothing is lost by it; zero closes none.
    pub max_connection_age: Duration,
    /// How long clients still come in once the process was asked to stop.
    pub drain_delay: Duration,
    /// How long their connections are then kept for what they are in the middle of.
    pub drain_timeout: Duration,
}

impl Config {
    /// Whom Steadfast's own checks of data nodes log in as.
    #[must_use]
    pub fn checks_as(&self) -> (Whose, Option<&Credentials>) {
        match (&self.control_credentials, &self.login) {
            (Some(control), _) => (Whose::Control, Some(control)),
            (None, Some(login)) => (Whose::Clients, Some(login)),
            (None, None) => (Whose::Nobody, None),
        }
    }

    /// The same settings as they are for the read-only endpoint.
    #[must_use]
    pub fn for_replicas(&self) -> Self {
        Self {
            login: self.replicas.login.clone().or_else(|| self.login.clone()),
            read_only: true,
            ..self.clone()
        }
    }

    /// Every password.
    #[must_use]
    pub fn passwords(&self) -> Vec<Password> {
        let credentials = [
            &self.login,
            &self.control_credentials,
            &self.sentinel_credentials,
            &self.replicas.login,
        ];
        let passwords = credentials.into_iter().flatten().map(|it| &it.password);
        passwords.chain(&self.client_password).cloned().collect()
    }
}

/// `--admin-listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListen {
    /// By TCP.
    Tcp(HostPort),
    /// At a Unix socket.
    Unix(LocalAddress),
}

impl fmt::Display for AdminListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

/// `--hold-timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldTimeout {
    /// From Sentinel's down-after: clamp(down-after + 10 s, 15 s, 60 s).
    Auto,
    /// This long; zero fails at once.
    Fixed(Duration),
}

impl HoldTimeout {
    /// Least and most that [`HoldTimeout::Auto`] chooses.
    pub const AUTO: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(60));

    /// What applies until Sentinel has told its down-after.
    #[must_use]
    pub const fn initial(self) -> Duration {
        match self {
            Self::Auto => Self::AUTO.0,
            Self::Fixed(hold) => hold,
        }
    }
}

/// `--ready-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyPolicy {
    /// As soon as `/startupz` does.
    Started,
    /// Once a primary has been verified, and for good.
    PrimaryOnce,
    /// As that, but no longer while there has been no primary for this long.
    PrimaryWithin(Duration),
}

/// `--pool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pool {
    /// Each client has a link of its own for its life.
    Session,
    /// Commands that leave no trace on a connection share one; for others a client has its own.
    Shared,
}

/// `--switch-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SwitchOn {
    /// A Sentinel names it at a new epoch.
    Named,
    /// It was chosen by a Sentinel and says that it is a primary.
    Promoted,
}

/// `--on-sentinel-loss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnSentinelLoss {
    /// The last verified primary keeps serving while it says it is one.
    Serve,
    /// Commands stop after a bound.
    Fence,
}

/// `--scan-on-failover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScanOnFailover {
    /// It goes on, and may miss some of what it is to find.
    Pass,
    /// It is answered with an error.
    Error,
}

/// `--on-uncertain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnUncertain {
    /// It is answered UNCERTAIN.
    Reply,
    /// Its connection is closed in place of the answer.
    Close,
}

/// `--blocking-on-failover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BlockingOnFailover {
    /// A call that was still waiting is asked again, with the time it has left.
    Resume,
    /// It is answered UNCERTAIN.
    Error,
}

/// `--pubsub-on-failover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PubsubOnFailover {
    /// Subscriptions go on at the new primary; what was published in between is not heard.
    Resume,
    /// Subscribers are closed, so that they know that they may have missed something.
    Close,
}
