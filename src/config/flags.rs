//! The flags: each setting is declared here, in [`super::tls`] or in [`super::unix`], once.
//!
//! Only the shape and the words of it: where values come from besides is the business of
//! [`super::sources`], what they mean together that of [`super::validate`].

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::address_map::{self, Mapping};
use super::replicas::ReplicaFlags;
use super::tls::TlsFlags;
use super::unix::UnixFlags;
use super::url::SentinelUrl;
use super::{
    AdminListen, BlockingOnFailover, HoldTimeout, LogFormat, LogLevel, OnSentinelLoss, OnUncertain,
    Pool, PubsubOnFailover, ReadyPolicy, ScanOnFailover, SwitchOn, parse,
};
use crate::net::{HostPort, LocalAddress};

const EXAMPLES: &str = "\
Examples:
  # Beside the application; it connects to 127.0.0.1:6379 and never hears of Sentinel
  steadfast --sentinel valkey-sentinel:26379 --primary-name mymaster

  # First: is everything reachable, who is the primary, do the passwords fit?
  steadfast check --sentinel s1,s2,s3 --sentinel-password-file /run/secrets/sentinel

  # Steadfast logs in for applications that cannot; they present a password of their own
  steadfast --listen 0.0.0.0:6379 --password-file /run/secrets/valkey \\
            --client-password-file /run/secrets/clients

Every flag can be given in the environment (shown as [env: ...]) and in the file of --config, as
hold_timeout = \"5s\" for --hold-timeout. A flag wins over the environment, and that over the file; an
empty variable counts as not set. Without any --sentinel, VALKEY_SENTINEL_HOST and
VALKEY_SENTINEL_PORT (or REDIS_SENTINEL_*) are used where the platform sets them.
Exit status: 0 after SIGTERM, SIGINT or SIGQUIT, 64 for wrong usage or settings, 69 when a port
cannot be bound; `check` ends with 0 when it found a verified primary, `healthcheck` when the
process is live (or ready) and `status` when it answers, else with 1.";

/// One steady endpoint for Sentinel-managed Valkey and Redis.
#[derive(Debug, Parser)]
#[command(name = "steadfast", version, after_help = EXAMPLES, max_term_width = 100, next_line_help = true)]
#[command(disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) sentinel: SentinelFlags,
    #[command(flatten)]
    pub(super) clients: ClientFlags,
    #[command(flatten)]
    pub(super) unix: UnixFlags,
    #[command(flatten)]
    pub(super) replicas: ReplicaFlags,
    #[command(flatten)]
    pub(super) login: LoginFlags,
    #[command(flatten)]
    pub(super) tls: TlsFlags,
    #[command(flatten)]
    pub(super) process: ProcessFlags,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve clients (the default; the word may be left out)
    Run,
    /// Ask every Sentinel and the primary, say what was found and what is wrong, and end
    Check,
    /// Ask the running process, by its --admin-listen, whether it lives: for probes in images
    /// without a shell
    Healthcheck {
        /// Ask whether it is ready in place of that
        #[arg(long)]
        ready: bool,
    },
    /// Ask the running process, by its --admin-listen, what it knows and does
    Status {
        /// Ask again every second
        #[arg(long)]
        watch: bool,
        /// Show the answer as it came
        #[arg(long)]
        json: bool,
    },
    /// The settings themselves
    Config {
        /// What about them.
        #[command(subcommand)]
        what: ConfigCommand,
    },
}

/// What to do with the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Every setting with its value and where that comes from; passwords are not shown
    Show {
        /// `text` is what a file of settings may look like, `json` is for programs
        #[arg(long, value_name = "text|json", default_value = "text")]
        #[arg(hide_possible_values = true)]
        format: ShowFormat,
    },
}

/// `--format` of `config show`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    /// TOML with the origins as comments.
    Text,
    /// One JSON object.
    Json,
}

// The groups below carry no doc comment: clap would take it for the text about the program.

#[derive(Debug, Args)]
#[command(next_help_heading = "Finding the primary")]
pub(super) struct SentinelFlags {
    /// A Sentinel to start from; repeat it or separate with commas. The others are learned. Or one URL
    /// for all, as valkey-sentinel://USER:PASSWORD@HOST,HOST/NAME: with redis for valkey, `+` for `-`, and
    /// rediss or valkeys for TLS; user and password are those of the servers, ?sentinel_password= and
    /// ?sentinel_username= the Sentinels'. Others can read a command line: give a URL with a password in
    /// the environment or the file [default: 127.0.0.1:26379, and port 26379 where none is given]
    #[arg(long, value_name = "HOST[:PORT]|URL", value_parser = parse::sentinels)]
    pub(super) sentinel: Vec<Sentinels>,
    /// Sentinel's name for the set of servers
    #[arg(long, value_name = "NAME", default_value = "mymaster")]
    #[arg(visible_alias = "master-name", alias = "master", value_parser = parse::primary_name)]
    pub(super) primary_name: String,
    /// Learn the other Sentinels from those given
    #[arg(
        long,
        value_name = "on|off",
        default_value = "on",
        hide_possible_values = true
    )]
    pub(super) sentinel_discovery: Toggle,
    /// Where nodes are that Sentinels name FROM, as seen from here (NAT, mapped ports): servers and
    /// Sentinels alike. HOST stands for all its ports; repeat it or separate with commas
    #[arg(long, value_name = "FROM=TO", value_delimiter = ',', value_parser = address_map::mapping)]
    pub(super) address_map: Vec<Mapping>,
    /// How often each Sentinel is asked
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::positive_duration)]
    pub(super) poll_interval: Duration,
    /// Limit on establishing one connection
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::positive_duration)]
    pub(super) connect_timeout: Duration,
    /// A primary silent for this long is not trusted until it answers again (1s at most)
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse::heartbeat)]
    pub(super) heartbeat_timeout: Duration,
    /// When to switch in a failover: once a Sentinel `named` the new primary, or about 0.8s earlier,
    /// as soon as the replica it chose was `promoted`. Should the Sentinel that leads the failover
    /// die in between, the others may choose another: then `promoted` loses what was written since,
    /// about 11s of it while they can be reached
    #[arg(
        long,
        value_name = "named|promoted",
        default_value = "named",
        hide_possible_values = true
    )]
    pub(super) switch_on: SwitchOn,
    /// When no Sentinel can be reached: go on with the last verified primary, or stop commands
    #[arg(
        long,
        value_name = "serve|fence",
        default_value = "serve",
        hide_possible_values = true
    )]
    pub(super) on_sentinel_loss: OnSentinelLoss,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Serving clients")]
pub(super) struct ClientFlags {
    /// Where clients connect, by TCP or at a Unix socket; repeat it or separate with commas; `off`
    /// where --listen-tls is enough
    #[arg(long, value_name = "HOST:PORT|unix:PATH|off", value_delimiter = ',')]
    #[arg(default_value = "127.0.0.1:6379", value_parser = parse::client_listen)]
    pub(super) listen: Vec<ClientListen>,
    /// How clients use connections to the primary: with `shared` all clients of the same user, database
    /// and protocol version use one, as far as their commands leave no trace on it, and have one of
    /// their own only as long as they need it; `session` gives each client its own for its life
    #[arg(
        long,
        value_name = "shared|session",
        default_value = "shared",
        hide_possible_values = true
    )]
    pub(super) pool: Pool,
    /// How long commands wait for a primary before they fail; `auto` takes Sentinel's
    /// down-after plus 10s (at least 15s, at most 60s), `0s` fails at once
    #[arg(long, value_name = "auto|TIME", default_value = "auto", value_parser = parse::hold_timeout)]
    pub(super) hold_timeout: HoldTimeout,
    /// Bytes held for all waiting clients: beyond it those whose commands would have to wait are read
    /// no further [default: 64MiB, or a quarter of the control group's memory if that is less]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub(super) max_held_bytes: Option<usize>,
    /// Bytes held for one waiting client before its socket is read no further
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse::size)]
    pub(super) max_held_bytes_per_client: usize,
    /// Bytes of replies kept for one client that does not read them, where its connection to the
    /// primary is shared: with more it is closed. On one of its own the server is made to wait instead
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse::size)]
    pub(super) client_output_limit: usize,
    /// The same for all clients together: while more is kept, who has not read 256KiB is closed
    /// [default: 256MiB, or a quarter of the control group's memory if that is less]
    #[arg(long, value_name = "SIZE", value_parser = parse::size)]
    pub(super) max_output_bytes: Option<usize>,
    /// What becomes of a blocking call, such as BLPOP, that still waits when the primary changes:
    /// `resume` asks the new one with the time that is left, `error` answers UNCERTAIN
    #[arg(
        long,
        value_name = "MODE",
        default_value = "resume",
        hide_possible_values = true
    )]
    pub(super) blocking_on_failover: BlockingOnFailover,
    /// What becomes of subscribers when the primary changes: `resume` subscribes them there,
    /// `close` closes them, so that they know that they may have missed messages
    #[arg(
        long,
        value_name = "MODE",
        default_value = "resume",
        hide_possible_values = true
    )]
    pub(super) pubsub_on_failover: PubsubOnFailover,
    /// What becomes of SCAN, HSCAN, SSCAN and ZSCAN that go on with a cursor of the primary before
    /// the failover, which means nothing to the new one: `error` says so, because an iteration that
    /// misses keys in silence is worse than one that begins again; `pass` goes on, and /status counts it
    #[arg(
        long,
        value_name = "MODE",
        default_value = "error",
        hide_possible_values = true
    )]
    pub(super) scan_on_failover: ScanOnFailover,
    /// What a client is told of a command that may or may not have been executed: `reply` answers
    /// UNCERTAIN, `close` ends its connection in place of that answer, for clients that take an error
    /// reply for fatal and a lost connection for usual
    #[arg(
        long,
        value_name = "MODE",
        default_value = "reply",
        hide_possible_values = true
    )]
    pub(super) on_uncertain: OnUncertain,
    /// Commands of modules that need nothing of their connection and leave nothing there, such as
    /// FT.SEARCH: with `--pool shared` they may travel on one with those of other clients. Repeat it
    /// or separate with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = parse::shared_command)]
    pub(super) shared_commands: Vec<String>,
    /// Clients at the same time [default: what the descriptor limit allows, two for each client]
    #[arg(long, value_name = "N", value_parser = parse::count)]
    pub(super) max_clients: Option<usize>,
    /// Close a client that sends nothing for this long and waits for nothing: no answer, no message,
    /// no primary. Like a server's `timeout` it spares subscribers, monitors and blocking calls;
    /// `0s` closes none
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse::duration)]
    pub(super) client_idle_timeout: Duration,
    /// Close a client whose connection is older than this, up to a tenth more, when nothing is lost by
    /// it, so that clients spread over instances that were added; `0s` closes none
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse::duration)]
    pub(super) max_connection_age: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Passwords (a file, or the variable named; the file wins)")]
pub(super) struct LoginFlags {
    /// Log in to the primary for clients, as this user. Without it and without a password the
    /// clients' own AUTH passes through
    #[arg(long, value_name = "USER")]
    pub(super) username: Option<String>,
    /// Log in to the primary for clients, with the password in this file or in STEADFAST_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// What clients must present when Steadfast logs in for them; or STEADFAST_CLIENT_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(super) client_password_file: Option<PathBuf>,
    /// Let anyone who reaches a non-loopback --listen use the server with Steadfast's login
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    pub(super) allow_unauthenticated_clients: bool,
    /// User of Steadfast's own role checks on the servers; lends no rights to clients
    #[arg(long, value_name = "USER")]
    pub(super) control_username: Option<String>,
    /// Password of the role checks; or STEADFAST_CONTROL_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(super) control_password_file: Option<PathBuf>,
    /// User on the Sentinels
    #[arg(long, value_name = "USER")]
    pub(super) sentinel_username: Option<String>,
    /// Password of the Sentinels; or STEADFAST_SENTINEL_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(super) sentinel_password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct ProcessFlags {
    /// A TOML file with settings: the names of the flags with `_` for `-`, lists in brackets; an
    /// `[[endpoint]]` for each of several primaries
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Only check all settings, and read the files they name; nobody is connected to. Ends with 0, or
    /// with 64 and what is wrong
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    pub(super) check_config: bool,
    /// Threads that move data; a sidecar wants 1 [default: half the processors, 1 to 4]
    #[arg(long, value_name = "N", value_parser = parse::workers)]
    pub(super) workers: Option<usize>,
    /// Where /livez, /readyz, /startupz and /status are served over HTTP: by TCP, or at a Unix socket for
    /// this user alone; `off` turns it off
    #[arg(
        long,
        value_name = "HOST:PORT|unix:PATH|off",
        default_value = "127.0.0.1:9379"
    )]
    #[arg(value_parser = parse::client_listen)]
    pub(super) admin_listen: ClientListen,
    /// Let POST /drain, /reload and /loglevel?level=LEVEL do over the admin port what SIGTERM, SIGHUP and
    /// --log-level do; only where that is on loopback or at a Unix socket
    #[arg(
        long,
        value_name = "on|off",
        default_value = "off",
        hide_possible_values = true
    )]
    pub(super) admin_actions: Toggle,
    /// When /readyz passes: as soon as /startupz does (`started`), once a primary was verified and
    /// from then on (`primary-once`), or also no longer while there has been none for some time
    /// (`primary-within=TIME`): then all instances leave their Service together, and clients are
    /// refused in place of waiting
    #[arg(long, value_name = "POLICY", default_value = "primary-once", value_parser = parse::ready_policy)]
    pub(super) ready_policy: ReadyPolicy,
    /// Without a primary /startupz passes after this time all the same, lest an application that
    /// starts after its sidecar never does
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::duration)]
    pub(super) startup_timeout: Duration,
    /// After SIGTERM, still take in clients for this long: as long as others may not know yet that
    /// /readyz says no
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse::duration)]
    pub(super) drain_delay: Duration,
    /// Then close each client as soon as nothing is lost by it, and after this long the rest
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = parse::duration)]
    pub(super) drain_timeout: Duration,
    /// `auto` is text on a terminal and JSON elsewhere; always to standard error
    #[arg(
        long,
        value_name = "auto|text|json",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(super) log_format: LogFormat,
    /// The least important messages still written
    #[arg(long, value_name = "error|warn|info|debug", default_value = "info")]
    #[arg(hide_possible_values = true)]
    pub(super) log_level: LogLevel,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Toggle {
    On,
    Off,
}

/// One value of `--sentinel`.
#[derive(Debug, Clone)]
pub(super) enum Sentinels {
    Plain(Vec<HostPort>),
    Url(Box<SentinelUrl>),
}

/// Where clients, or those who ask, connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClientListen {
    Off,
    Tcp(HostPort),
    Unix(LocalAddress),
}

impl ClientListen {
    /// As the admin port has it.
    pub(super) fn for_admin(self) -> Option<AdminListen> {
        match self {
            Self::Off => None,
            Self::Tcp(address) => Some(AdminListen::Tcp(address)),
            Self::Unix(address) => Some(AdminListen::Unix(address)),
        }
    }
}
