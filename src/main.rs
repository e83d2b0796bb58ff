//! The `steadfast` binary: flags, logging, listening sockets, runtime, exit status. Everything
//! else is the library's.

mod asking;
mod bind;
mod logging;
mod rereading;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use steadfast::admin::Controls;
use steadfast::config::{
    self, AdminListen, Command, Config, ConfigCommand, Machine, Refusal, ShowFormat,
    SocketPermissions,
};
use steadfast::net::{HostPort, Listener};
use steadfast::shutdown::{Commander, Request, Signals};
use steadfast::{Endpoint, reload, shutdown};

use bind::given::{self, ForClients, Given};
use bind::{BindError, SocketFile, bind, bind_unix};
use logging::SetLevel;
use rereading::{Known, Rereading};

/// Wrong usage or settings (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Something needed is not available: a port (`EX_UNAVAILABLE`).
const EXIT_UNAVAILABLE: u8 = 69;
/// `check` found no primary to serve, the process asked did not answer or not well, or the system refused what no setting can change.
const EXIT_FAILURE: u8 = 1;

/// Who may connect to the admin port's file: who runs as this user. There can be actions.
const ADMIN_PERMISSIONS: SocketPermissions = SocketPermissions {
    mode: 0o600,
    owner: None,
};

fn main() -> ExitCode {
    let machine = Machine {
        descriptors: config::raise_descriptor_limit(),
        parallelism: std::thread::available_parallelism().map_or(1, usize::from),
        memory: config::memory_limit(),
    };
    let args: Vec<OsString> = std::env::args_os().collect();
    match config::question(args.clone(), &|name| std::env::var_os(name)) {
        Ok(Some(question)) => return asking::answer(&question),
        Ok(None) => {}
        Err(refusal) => return refused(&refusal),
    }
    let invocation = match config::load(args.clone(), &|name| std::env::var_os(name), machine) {
        Ok(invocation) => invocation,
        Err(refusal) => return refused(&refusal),
    };
    if invocation.only_checked {
        return say("steadfast: the settings can be used\n");
    }
    let set_log_level = logging::init(invocation.logging);
    match invocation.command {
        Command::Run => {
            let known = Known {
                args,
                machine,
                settings: invocation.settings,
            };
            let configs = all_of(invocation.config, invocation.more);
            run(configs, known, set_log_level)
        }
        Command::Check => check(all_of(invocation.config, invocation.more)),
        // Answered above, before any file was read.
        Command::Healthcheck { .. } | Command::Status { .. } => ExitCode::SUCCESS,
        Command::Config {
            what: ConfigCommand::Show { format },
        } => match format {
            ShowFormat::Text => say(invocation.settings),
            ShowFormat::Json => say(invocation.settings.to_json()),
        },
    }
}

fn refused(refusal: &Refusal) -> ExitCode {
    match refusal {
        Refusal::CommandLine(error) => {
            // Help goes to standard output, a complaint to standard error; a closed pipe is the
            // reader's decision.
            let _ = error.print();
            if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            }
        }
        Refusal::Settings(error) => complain(error, EXIT_USAGE),
    }
}

fn say(text: impl Display) -> ExitCode {
    // Whoever closes the pipe has read enough.
    let _ = write!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn complain(reason: impl Display, status: u8) -> ExitCode {
    eprintln!("steadfast: {reason}");
    ExitCode::from(status)
}

fn run(configs: Vec<Config>, known: Known, set_log_level: SetLevel) -> ExitCode {
    // The files of Unix sockets go when this function ends, whatever ends it.
    let (sockets, _files) = match bind_all(&configs) {
        Ok(bound) => bound,
        Err(error) => return complain(error, EXIT_UNAVAILABLE),
    };
    announce(&configs, known.machine, &sockets);
    match block_on(serve(configs, sockets, known, set_log_level)).and_then(|served| served) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(error, EXIT_FAILURE),
    }
}

/// The settings of every endpoint.
fn all_of(first: Config, more: Vec<Config>) -> Vec<Config> {
    std::iter::once(first).chain(more).collect()
}

fn check(configs: Vec<Config>) -> ExitCode {
    let report = match block_on(steadfast::check::run(configs)) {
        Ok(report) => report,
        Err(error) => return complain(error, EXIT_FAILURE),
    };
    let said = say(&report);
    if report.passed() {
        said
    } else {
        ExitCode::from(EXIT_FAILURE)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let output = runtime.block_on(future);
    // A name that is still being looked up must not hold the process back.
    runtime.shutdown_background();
    Ok(output)
}

fn bind_all(configs: &[Config]) -> Result<(Given, Vec<SocketFile>), BindError> {
    // What was handed over stands in the place of what the flags say.
    let mut all = given::take(configs).map_err(BindError::Given)?;
    let mut files = Vec::new();
    for (config, sockets) in configs.iter().zip(&mut all.endpoints) {
        files.extend(bind_clients(config, sockets)?);
    }
    let process = configs.first();
    if all.admin.is_empty() {
        let (admin, file) = bind_admin(process.and_then(|it| it.admin_listen.as_ref()))?;
        all.admin = admin;
        files.extend(file);
    }
    Ok((all, files))
}

/// Opens those of an endpoint's sockets that were not handed over.
fn bind_clients(config: &Config, sockets: &mut ForClients) -> Result<Vec<SocketFile>, BindError> {
    let mut files = Vec::new();
    if sockets.plain.is_empty() {
        sockets.plain = bind_tcp(&config.listen, "--listen")?;
        for address in &config.listen_unix {
            let (listener, file) = bind_unix(address, &config.socket_permissions, "--listen")?;
            sockets.plain.push(listener);
            files.extend(file);
        }
    }
    if sockets.tls.is_empty() {
        sockets.tls = bind_tcp(&config.listen_tls, "--listen-tls")?;
    }
    sockets.readers = bind_tcp(&config.replicas.listen, "--replica-listen")?;
    for address in &config.replicas.listen_unix {
        let (listener, file) = bind_unix(address, &config.socket_permissions, "--replica-listen")?;
        sockets.readers.push(listener);
        files.extend(file);
    }
    Ok(files)
}

fn bind_admin(
    listen: Option<&AdminListen>,
) -> Result<(Vec<Listener>, Option<SocketFile>), BindError> {
    const FLAG: &str = "--admin-listen";
    match listen {
        None => Ok((Vec::new(), None)),
        Some(AdminListen::Tcp(address)) => {
            Ok((bind_tcp(std::slice::from_ref(address), FLAG)?, None))
        }
        Some(AdminListen::Unix(address)) => {
            let (listener, file) = bind_unix(address, &ADMIN_PERMISSIONS, FLAG)?;
            Ok((vec![listener], file))
        }
    }
}

fn bind_tcp(addresses: &[HostPort], flag: &'static str) -> Result<Vec<Listener>, BindError> {
    let mut bound = Vec::new();
    for address in addresses {
        bound.extend(bind(address, flag)?.into_iter().map(Listener::from));
    }
    Ok(bound)
}

/// Says what this process was told and got; port 0 is known as a number only from here.
fn announce(configs: &[Config], machine: Machine, sockets: &Given) {
    let of_each = |what: fn(&Config) -> String| {
        let all: Vec<_> = configs.iter().map(what).collect();
        all.join("; ")
    };
    let process = configs.first();
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        sentinels = of_each(|config| {
            let all: Vec<_> = config.sentinels.iter().map(ToString::to_string).collect();
            all.join(",")
        }),
        primary_name = of_each(|config| config.primary_name.clone()),
        workers = process.map(|process| process.workers),
        max_clients = process.map(|process| process.max_clients),
        descriptors = machine.descriptors,
        "started"
    );
    for (config, own) in configs.iter().zip(&sockets.endpoints) {
        announce_sockets("clients", &config.name, &own.plain);
        announce_sockets("clients_tls", &config.name, &own.tls);
        announce_sockets("replica_clients", &config.name, &own.readers);
        warn_of_unverified(config);
    }
    for address in &sockets.admin {
        tracing::info!(event = "listening", listener = "admin", %address, "listening");
    }
    let enough = config::clients_for(machine.descriptors);
    if let Some(process) = process.filter(|process| process.max_clients > enough) {
        tracing::warn!(
            event = "descriptors_short",
            max_clients = process.max_clients,
            enough_for = enough,
            "--max-clients is more than the descriptor limit allows; raise it (ulimit -n)"
        );
    }
}

fn warn_of_unverified(config: &Config) {
    let legs = [&config.tls.upstream, &config.tls.sentinel];
    let unverified = legs
        .into_iter()
        .flatten()
        .filter(|leg| leg.skips_verification());
    for leg in unverified {
        tracing::warn!(
            event = "tls_not_verified",
            flag = format!("{}-skip-verify", leg.leg().flag()),
            "any certificate is believed: whoever is on the way can read and change everything; give the CA file instead"
        );
    }
}

fn announce_sockets(listener: &str, endpoint: &str, sockets: &[Listener]) {
    for address in sockets {
        tracing::info!(event = "listening", listener, endpoint, %address, "listening");
    }
}

async fn serve(
    configs: Vec<Config>,
    sockets: Given,
    known: Known,
    log_level: SetLevel,
) -> io::Result<()> {
    let signals = Signals::install()?;
    let (asker, asked) = reload::channel();
    let (commander, orders) = shutdown::channel();
    let rereading = Arc::new(Rereading::new(known, asker));
    let commander = Arc::new(commander);
    let controls = Controls {
        drain: Arc::new({
            let commander = commander.clone();
            move || commander.ask_to_drain()
        }),
        reload: Arc::new({
            let rereading = rereading.clone();
            move || rereading.ask()
        }),
        log_level,
    };
    tokio::spawn({
        let rereading = rereading.clone();
        async move { rereading.follow().await }
    });
    tokio::spawn(follow(signals, rereading, commander));
    let both = configs.into_iter().zip(sockets.endpoints);
    let endpoints = both.map(|(config, own)| Endpoint {
        config,
        clients: own.plain,
        clients_tls: own.tls,
        readers: own.readers,
    });
    steadfast::run(endpoints.collect(), sockets.admin, asked, controls, orders).await
}

async fn follow(mut signals: Signals, rereading: Arc<Rereading>, commander: Arc<Commander>) {
    loop {
        match signals.requested().await {
            Request::Stop(order) => commander.give(order),
            Request::Reload => rereading.ask(),
        }
    }
}
