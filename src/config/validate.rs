//! From what was written to what may run: defaults that depend on the machine, passwords, and the
//! rules that span several settings.

use std::ffi::OsString;
use std::path::PathBuf;

use super::flags::{Cli, ClientListen, LoginFlags, Toggle};
use super::replicas::ReplicaFlags;
use super::sources::{Origin, Sources};
use super::spread::{self, Taken};
use super::url::Login;
use super::{AddressMap, Config, Env, Error, Machine, Replicas, limits, parse, platform};
use crate::net::{HostPort, LocalAddress};
use crate::secrets::{Credentials, Password, Secret, SecretFile};

/// Most data threads taken without being asked for; more links only take batches apart.
const DEFAULT_WORKERS_MAX: usize = 4;
/// One data thread for so many processors. Measured on two, which client, proxy and server shared: with
/// one thread instead of two, fewer and fuller batches took a quarter off the proxy's time per request
/// and half off the server's, with 50 clients, pipelined or not. With 500 clients there was no
/// difference, and short connections cost no switch of threads.
const PROCESSORS_PER_WORKER: usize = 2;

/// Checks everything and fills in what was left open; what others filled in is noted in `sources`.
pub(super) fn config(
    mut cli: Cli,
    sources: &mut Sources,
    env: Env<'_>,
    machine: Machine,
) -> Result<Config, Error> {
    let mut taken = spread::take(&mut cli, sources)?;
    let given = std::mem::take(&mut taken.sentinels);
    let passwords = passwords(&cli.login, &cli.replicas, taken, sources, env)?;
    let (listen_tls, tls) = cli.tls.load()?;
    let (listen, listen_unix) = split(cli.clients.listen);
    let (replica_listen, replica_listen_unix) = split(cli.replicas.replica_listen);
    if cli.unix.are_given() {
        refuse_nameless(&listen_unix)?;
    }
    let config = Config {
        name: cli.sentinel.primary_name.clone(),
        sentinels: sentinels(given, sources, env)?,
        primary_name: cli.sentinel.primary_name,
        listen,
        listen_unix,
        socket_permissions: cli.unix.load()?,
        listen_tls: distinct(listen_tls),
        tls,
        admin_listen: cli.process.admin_listen.for_admin(),
        admin_actions: cli.process.admin_actions == Toggle::On,
        ready_policy: cli.process.ready_policy,
        startup_timeout: cli.process.startup_timeout,
        sentinel_credentials: passwords.sentinel,
        control_credentials: passwords.control,
        login: passwords.login,
        client_password: passwords.client,
        allow_unauthenticated_clients: cli.login.allow_unauthenticated_clients,
        pool: cli.clients.pool,
        hold_timeout: cli.clients.hold_timeout,
        max_held_bytes: cli
            .clients
            .max_held_bytes
            .unwrap_or_else(|| limits::held_bytes_for(machine.memory)),
        max_held_bytes_per_client: cli.clients.max_held_bytes_per_client,
        client_output_limit: cli.clients.client_output_limit,
        max_output_bytes: cli
            .clients
            .max_output_bytes
            .unwrap_or_else(|| limits::output_bytes_for(machine.memory)),
        replicas: Replicas {
            listen: replica_listen,
            listen_unix: replica_listen_unix,
            fallback: cli.replicas.replica_fallback,
            max_lag: cli.replicas.replica_max_lag,
            login: passwords.replica,
        },
        read_only: false,
        connect_timeout: cli.sentinel.connect_timeout,
        heartbeat_timeout: cli.sentinel.heartbeat_timeout,
        poll_interval: cli.sentinel.poll_interval,
        sentinel_discovery: cli.sentinel.sentinel_discovery == Toggle::On,
        address_map: AddressMap::new(cli.sentinel.address_map)
            .map_err(|host| Error::MappedTwice { host })?,
        switch_on: cli.sentinel.switch_on,
        on_sentinel_loss: cli.sentinel.on_sentinel_loss,
        blocking_on_failover: cli.clients.blocking_on_failover,
        pubsub_on_failover: cli.clients.pubsub_on_failover,
        on_uncertain: cli.clients.on_uncertain,
        scan_on_failover: cli.clients.scan_on_failover,
        shared_commands: cli.clients.shared_commands,
        workers: cli
            .process
            .workers
            .unwrap_or_else(|| default_workers(machine.parallelism)),
        max_clients: cli
            .clients
            .max_clients
            .unwrap_or_else(|| limits::clients_for(machine.descriptors)),
        client_idle_timeout: cli.clients.client_idle_timeout,
        max_connection_age: cli.clients.max_connection_age,
        drain_delay: cli.process.drain_delay,
        drain_timeout: cli.process.drain_timeout,
    };
    let plain = config.listen.len() + config.listen_unix.len();
    if plain == 0 && config.listen_tls.is_empty() {
        return Err(Error::NoListener);
    }
    for listen in &config.listen {
        refuse_open(&config, listen, false)?;
    }
    for listen in &config.listen_tls {
        refuse_open(&config, listen, true)?;
    }
    for listen in &config.replicas.listen {
        refuse_open(&config.for_replicas(), listen, false)?;
    }
    Ok(config)
}

fn sentinels(
    given: Vec<HostPort>,
    sources: &mut Sources,
    env: Env<'_>,
) -> Result<Vec<HostPort>, Error> {
    if !given.is_empty() {
        return Ok(distinct(given));
    }
    let Some((variable, sentinels)) = platform::sentinels(env)? else {
        return Ok(vec![HostPort::new("127.0.0.1", parse::SENTINEL_PORT)]);
    };
    sources.note("sentinel", Origin::Variable(variable));
    Ok(distinct(sentinels))
}

/// The same address twice would be the same listener twice.
fn distinct<T: PartialEq>(addresses: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    seen
}

/// What is listened on by TCP, and what at Unix sockets.
fn split(all: Vec<ClientListen>) -> (Vec<HostPort>, Vec<LocalAddress>) {
    let (mut tcp, mut unix) = (Vec::new(), Vec::new());
    for listen in distinct(all) {
        match listen {
            ClientListen::Off => {}
            ClientListen::Tcp(address) => tcp.push(address),
            ClientListen::Unix(address) => unix.push(address),
        }
    }
    (tcp, unix)
}

/// Who asks for permissions shall not believe that a name without a file has any.
fn refuse_nameless(unix: &[LocalAddress]) -> Result<(), Error> {
    let abstracts = |address: &&LocalAddress| matches!(address, LocalAddress::Abstract(_));
    match unix.iter().find(abstracts) {
        Some(address) => Err(Error::NoFile {
            listen: address.to_string(),
        }),
        None => Ok(()),
    }
}

fn default_workers(processors: usize) -> usize {
    (processors / PROCESSORS_PER_WORKER).clamp(1, DEFAULT_WORKERS_MAX)
}

/// Our login must not become everybody's: says whether clients may connect at `listen`, by TLS if
/// `secured`. A Unix socket, like loopback, is reached from this machine alone.
///
/// # Errors
/// When they may not.
pub fn refuse_open(config: &Config, listen: &HostPort, secured: bool) -> Result<(), Error> {
    if config.login.is_none() || config.client_password.is_some() {
        return Ok(());
    }
    // Those who have to show a certificate are somebody.
    let server = config.tls.listen.as_ref().filter(|_| secured);
    let certified = server.is_some_and(|server| server.requires_certificates());
    if config.allow_unauthenticated_clients || certified || listen.is_loopback() {
        return Ok(());
    }
    Err(Error::OpenLogin {
        listen: listen.to_string(),
    })
}

struct Passwords {
    login: Option<Credentials>,
    client: Option<Password>,
    control: Option<Credentials>,
    sentinel: Option<Credentials>,
    replica: Option<Credentials>,
}

fn passwords(
    flags: &LoginFlags,
    replicas: &ReplicaFlags,
    url: Taken,
    sources: &mut Sources,
    env: Env<'_>,
) -> Result<Passwords, Error> {
    let mut given = Given { sources, env };
    let login = Source::new("", "--password-file", "STEADFAST_PASSWORD");
    let control = Source::new(
        "control-",
        "--control-password-file",
        "STEADFAST_CONTROL_PASSWORD",
    );
    let sentinel = Source::new(
        "sentinel-",
        "--sentinel-password-file",
        "STEADFAST_SENTINEL_PASSWORD",
    );
    let replica = Source::new(
        "replica-",
        "--replica-password-file",
        "STEADFAST_REPLICA_PASSWORD",
    );
    let client = Source::new(
        "client-",
        "--client-password-file",
        "STEADFAST_CLIENT_PASSWORD",
    );
    let passwords = Passwords {
        login: given.credentials(login, &flags.username, &flags.password_file, url.login)?,
        client: given.password(client, &flags.client_password_file)?,
        control: given.credentials(
            control,
            &flags.control_username,
            &flags.control_password_file,
            None,
        )?,
        sentinel: given.credentials(
            sentinel,
            &flags.sentinel_username,
            &flags.sentinel_password_file,
            url.sentinel_login,
        )?,
        replica: given.credentials(
            replica,
            &replicas.replica_username,
            &replicas.replica_password_file,
            None,
        )?,
    };
    if passwords.client.is_some() && passwords.login.is_none() {
        return Err(Error::ClientPasswordWithoutLogin);
    }
    Ok(passwords)
}

/// The settings of one password.
struct Source {
    /// `""`, `"control-"` or another.
    prefix: &'static str,
    flag: &'static str,
    variable: &'static str,
}

impl Source {
    fn new(prefix: &'static str, flag: &'static str, variable: &'static str) -> Self {
        Self {
            prefix,
            flag,
            variable,
        }
    }
}

/// Where passwords may come from.
struct Given<'a> {
    sources: &'a mut Sources,
    env: Env<'a>,
}

impl Given<'_> {
    fn credentials(
        &mut self,
        source: Source,
        username: &Option<String>,
        file: &Option<PathBuf>,
        url: Option<Login>,
    ) -> Result<Option<Credentials>, Error> {
        if let Some(login) = url {
            return self.login_of_url(&source, login).map(Some);
        }
        let (prefix, variable) = (source.prefix, source.variable);
        match (self.password(source, file)?, username) {
            (Some(password), username) => Ok(Some(Credentials {
                username: username.clone(),
                password,
            })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Error::UserWithoutPassword { prefix, variable }),
        }
    }

    fn login_of_url(&mut self, source: &Source, login: Login) -> Result<Credentials, Error> {
        let [username, password] = ["username", "password"].map(|it| source.prefix.to_owned() + it);
        let longs = [&username, &format!("{password}-file")];
        let flag = longs.into_iter().find_map(|long| self.sources.of(long));
        let literal = || self.literal(source).map(|_| source.variable.to_owned());
        if let Some(other) = flag.map(ToString::to_string).or_else(literal) {
            let what = "a user or password";
            return Err(Error::SaidTwice { what, other });
        }
        self.sources.note_with(&username, "sentinel");
        self.sources.note_with(&password, "sentinel");
        Ok(Credentials {
            username: login.username,
            password: Password::fixed(login.password),
        })
    }

    fn literal(&self, source: &Source) -> Option<OsString> {
        (self.env)(source.variable).filter(|value| !value.is_empty())
    }

    fn password(
        &mut self,
        source: Source,
        file: &Option<PathBuf>,
    ) -> Result<Option<Password>, Error> {
        let name = format!("{}password", source.prefix);
        if let Some(path) = file {
            self.sources.note_with(&name, &format!("{name}-file"));
            let (flag, path) = (source.flag, path.clone());
            let password = Password::from_file(SecretFile { flag, path });
            return password.map(Some).map_err(Error::Password);
        }
        let literal = self.literal(&source);
        if literal.is_some() {
            let origin = Origin::Variable(source.variable.to_owned());
            self.sources.note(&name, origin);
        }
        Ok(literal.map(|value| Password::fixed(Secret::new(value.into_encoded_bytes()))))
    }
}
