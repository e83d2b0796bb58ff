//! The `steadfast` binary: flags, logging, listening sockets, runtime, exit status. Everything
//! else is the library's.

mod bind;
mod logging;

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;

use steadfast::config::{self, Command, Config, Invocation, Machine, Refusal};
use steadfast::shutdown;

use bind::{BindError, bind};

/// Wrong usage or settings (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Something needed is not available: a port (`EX_UNAVAILABLE`).
const EXIT_UNAVAILABLE: u8 = 69;
/// The system refused what no setting can change.
const EXIT_FAILURE: u8 = 1;

fn main() -> ExitCode {
    let machine = Machine {
        descriptors: config::raise_descriptor_limit(),
        parallelism: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let args: Vec<OsString> = std::env::args_os().collect();
    let invocation = match config::load(args, &|name| std::env::var_os(name), machine) {
        Ok(invocation) => invocation,
        Err(refusal) => return refused(&refusal),
    };
    logging::init(invocation.logging);
    match invocation.command {
        Command::Run => run(invocation, machine),
        Command::Check => complain("`check` is not part of this build", EXIT_FAILURE),
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

fn complain(reason: impl std::fmt::Display, status: u8) -> ExitCode {
    eprintln!("steadfast: {reason}");
    ExitCode::from(status)
}

fn run(invocation: Invocation, machine: Machine) -> ExitCode {
    let config = invocation.config;
    let (listeners, admin) = match bind_all(&config) {
        Ok(bound) => bound,
        Err(error) => return complain(error, EXIT_UNAVAILABLE),
    };
    announce(&config, machine, &listeners, admin.as_ref());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let served = runtime.and_then(|runtime| runtime.block_on(serve(config, listeners, admin)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(error, EXIT_FAILURE),
    }
}

fn bind_all(config: &Config) -> Result<(Vec<TcpListener>, Option<TcpListener>), BindError> {
    let listeners = config
        .listen
        .iter()
        .map(|address| bind(address, "--listen"));
    let listeners = listeners.collect::<Result<_, _>>()?;
    let admin = config.admin_listen.as_ref();
    let admin = admin.map(|address| bind(address, "--admin-listen"));
    Ok((listeners, admin.transpose()?))
}

/// Says what this process was told and got; port 0 is known as a number only from here.
fn announce(
    config: &Config,
    machine: Machine,
    listeners: &[TcpListener],
    admin: Option<&TcpListener>,
) {
    let address = |listener: &TcpListener| listener.local_addr().map(|addr| addr.to_string());
    let listen: Vec<_> = listeners.iter().flat_map(address).collect();
    let sentinels: Vec<_> = config.sentinels.iter().map(ToString::to_string).collect();
    tracing::info!(
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        sentinels = sentinels.join(","),
        primary_name = config.primary_name,
        listen = listen.join(","),
        admin_listen = admin.and_then(|listener| address(listener).ok()),
        workers = config.workers,
        max_clients = config.max_clients,
        descriptors = machine.descriptors,
        "listening"
    );
    let enough = config::clients_for(machine.descriptors);
    if config.max_clients > enough {
        tracing::warn!(
            event = "descriptors_short",
            max_clients = config.max_clients,
            enough_for = enough,
            "--max-clients is more than the descriptor limit allows; raise it (ulimit -n)"
        );
    }
}

async fn serve(
    config: Config,
    listeners: Vec<TcpListener>,
    admin: Option<TcpListener>,
) -> io::Result<()> {
    let signal = shutdown::requested();
    let _ = (config, listeners, admin);
    let name = signal.await?;
    tracing::info!(event = "stopping", signal = name, "asked to stop");
    Ok(())
}
