//! The load generator for what redis-benchmark cannot measure: latency at a fixed rate counted from
//! the intended moment, many clients once they are connected, and connections as PHP makes them.
//!
//! It talks to one address and knows nothing of proxies; `side_by_side.py` starts it. Once connected
//! and warm it says `ready` and waits for a line; then it runs, prints one line of JSON, and keeps its
//! connections until its standard input ends, so that whoever started it can look at the other side.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

mod closed;
mod exchange;
mod open;
mod storm;

/// Generates load and tells how it went in one line of JSON.
#[derive(Parser)]
struct Options {
    mode: Mode,
    #[arg(long)]
    addr: SocketAddr,
    #[arg(long, default_value_t = 50)]
    clients: usize,
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Requests per second of all clients together, for `open`
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// The key that is read
    #[arg(long, default_value = "key")]
    key: String,
    /// USER:PASSWORD that each connection of `storm` logs in with
    #[arg(long)]
    login: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Each client asks again as soon as it has its answer; 0 seconds only connects them
    Closed,
    /// Requests leave at fixed moments, answered or not
    Open,
    /// Connect, AUTH, SELECT, GET, close, over and over
    Storm,
}

/// Says that everything is connected, and waits for the word to begin.
fn wait_for_start() -> io::Result<()> {
    say("ready")?;
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn wait_for_end() -> io::Result<()> {
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let get = exchange::command(&["GET", &options.key]);
    let time = Duration::from_secs_f64(options.seconds);
    match options.mode {
        Mode::Storm => {
            let visit = storm::Visit::learn(options.addr, options.login.as_deref(), get)?;
            wait_for_start()?;
            let told = runtime.block_on(storm::run(options.addr, visit, options.clients, time))?;
            say(&told)?;
            wait_for_end()?;
        }
        Mode::Closed => {
            let (streams, exchange) = exchange::connect(options.addr, options.clients, get)?;
            wait_for_start()?;
            let (told, streams) = runtime.block_on(closed::run(streams, exchange, time))?;
            say(&told)?;
            wait_for_end()?;
            drop(streams);
        }
        Mode::Open => {
            let (streams, exchange) = exchange::connect(options.addr, options.clients, get)?;
            wait_for_start()?;
            say(&runtime.block_on(open::run(streams, exchange, options.rate, time))?)?;
            wait_for_end()?;
        }
    }
    Ok(())
}
