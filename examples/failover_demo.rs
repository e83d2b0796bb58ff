//! A failover to watch: real servers, real Sentinels, Steadfast in front, and a live load.
//!
//! `failover_demo` crashes the primary, brings it back, then asks for a planned failover, and says
//! what the clients saw. It ends with 0 if Steadfast followed both times, 1 if not, 69 if something
//! it needs is missing, 130 on Ctrl-C. `--stay` keeps everything up afterwards. `--print-env` skips
//! the story, prints the addresses as shell assignments and waits for the end of standard input;
//! the client checks under `tests/` use it.
//!
//! It deliberately uses no code of the `steadfast` crate: it judges the binary from outside.
#![allow(clippy::print_stdout, reason = "a demo talks to its terminal")]

#[path = "failover_demo/bed.rs"]
mod bed;
#[path = "failover_demo/load.rs"]
mod load;
#[path = "failover_demo/process.rs"]
mod process;
#[path = "failover_demo/report.rs"]
mod report;
#[path = "failover_demo/resp.rs"]
mod resp;
#[path = "failover_demo/stop.rs"]
mod stop;

use std::env;
use std::fmt;
use std::io;
use std::process::ExitCode;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use bed::{Bed, PRIMARY_NAME};
use load::{Board, WRITERS};
use report::StatusLine;

const PHASES: [&str; 4] = ["steady", "crash", "old primary back", "planned failover"];
/// How long the load runs undisturbed before the crash and after each switch.
const CALM: Duration = Duration::from_secs(2);
/// Down-after is 1 s and an election takes less than another: well beyond that is "not followed".
const FOLLOW_LIMIT: Duration = Duration::from_secs(20);
/// A Sentinel gives a returned primary 8 s before it makes it a replica, and may take 10 s more to
/// hear that it is one.
const RETURN_LIMIT: Duration = Duration::from_secs(45);
const TICK: Duration = Duration::from_millis(20);

/// Why the demo ends early.
#[derive(Debug)]
enum Failure {
    /// Neither Valkey nor Redis is installed.
    NoServer,
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// The scenery did not come up, or behaved unlike itself.
    Setup(String),
    /// Steadfast did not lead its clients to the new primary.
    NotFollowed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer => f.write_str(
                "neither valkey-server nor redis-server is on PATH; `tests/setup.sh server` installs one",
            ),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Setup(what) => write!(f, "the demo could not go on: {what}"),
            Self::NotFollowed(what) => write!(f, "Steadfast did not follow: {what}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Setup(error.to_string())
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoServer => 69,
            Self::Interrupted => 130,
            Self::Setup(_) | Self::NotFollowed(_) => 1,
        }
    }
}

fn main() -> ExitCode {
    let options: Vec<_> = env::args().skip(1).collect();
    let outcome = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demo(false),
        ["--stay"] => demo(true),
        ["--print-env"] => print_env(),
        _ => {
            eprintln!("usage: failover_demo [--stay | --print-env]");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn demo(stay: bool) -> Result<(), Failure> {
    stop::on_signals()?;
    println!("starting a primary, two replicas, three Sentinels and Steadfast ...");
    let mut bed = Bed::start()?;
    println!(
        "Steadfast listens on 127.0.0.1:{}; {WRITERS} writers and a reader begin",
        bed.port
    );
    let board = Board::new(PHASES.len());
    let port = bed.port;
    let outcome = thread::scope(|scope| {
        // Whatever happens in here, a panic included, the load ends, or the scope would never.
        let _end = StopOnDrop(&board);
        for writer in 0..WRITERS {
            let board = &board;
            scope.spawn(move || load::write(board, port, writer));
        }
        scope.spawn(|| load::read(&board, port));
        let told = tell_story(&mut bed, &board);
        if told.is_err() {
            // Clients may be waiting for a held reply: do not wait with them.
            bed.end_proxy();
        }
        told
    });
    if matches!(outcome, Err(Failure::Interrupted)) {
        return outcome;
    }
    if let Some(primary) = bed.named_primary() {
        report::print_table(&board, &PHASES, primary)?;
    }
    outcome?;
    println!(
        "The same connections served before and after. UNCERTAIN is what a client is told of a command\n\
         that was on its way when the primary died: it may or may not have been executed, and is never\n\
         sent twice. A planned failover has none, because writes wait until the new primary is named.\n\
         Missing after a crash can only be what the old primary acknowledged and never replicated."
    );
    if stay {
        stay_up(&bed)?;
    }
    Ok(())
}

struct StopOnDrop<'a>(&'a Board);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn tell_story(bed: &mut Bed, board: &Board) -> Result<(), Failure> {
    let mut line = StatusLine::new();
    line.headline("steady: nothing happens");
    watch(CALM, bed, board, &mut line)?;

    let old = primary_of(bed)?;
    board.next_phase();
    line.headline(&format!("crash: SIGKILL for the primary, 127.0.0.1:{old}"));
    bed.kill(old);
    follow(old, bed, board, &mut line)?;

    board.next_phase();
    line.headline(&format!(
        "old primary back: 127.0.0.1:{old} starts again and believes it is one"
    ));
    bed.restart_missing()?;
    let new = primary_of(bed)?;
    until(RETURN_LIMIT, bed, board, &mut line, |bed| {
        bed.is_settled(new)
    })
    .map_err(|_| Failure::Setup("the old primary did not become a replica".to_owned()))?;

    board.next_phase();
    line.headline(&format!(
        "planned failover: SENTINEL FAILOVER {PRIMARY_NAME}, 127.0.0.1:{new} stays up"
    ));
    until(
        RETURN_LIMIT,
        bed,
        board,
        &mut line,
        Bed::begin_planned_failover,
    )?;
    follow(new, bed, board, &mut line)
}

/// Waits until the clients are served by a primary other than `old`, then a calm while longer.
fn follow(old: u16, bed: &Bed, board: &Board, line: &mut StatusLine) -> Result<(), Failure> {
    let mut switched = None;
    until(FOLLOW_LIMIT, bed, board, line, |bed| {
        let named = bed.named_primary().filter(|&port| port != old);
        if switched.is_none() && named.is_some() && bed.primary_behind_proxy() == named {
            switched = Some(Instant::now());
        }
        switched.is_some_and(|moment| board.all_acknowledged_since(moment))
    })?;
    watch(CALM, bed, board, line)
}

fn watch(time: Duration, bed: &Bed, board: &Board, line: &mut StatusLine) -> Result<(), Failure> {
    let start = Instant::now();
    until(time * 2, bed, board, line, |_| start.elapsed() >= time)
}

/// Keeps the status line alive until `condition` holds.
fn until(
    limit: Duration,
    bed: &Bed,
    board: &Board,
    line: &mut StatusLine,
    mut condition: impl FnMut(&Bed) -> bool,
) -> Result<(), Failure> {
    let start = Instant::now();
    while !condition(bed) {
        stop::check()?;
        if start.elapsed() > limit {
            let what = format!("nothing after {} s", limit.as_secs());
            return Err(Failure::NotFollowed(what));
        }
        line.update(bed, board);
        sleep(TICK);
    }
    Ok(())
}

fn primary_of(bed: &Bed) -> Result<u16, Failure> {
    let none = || Failure::Setup("no Sentinel names a primary".to_owned());
    bed.named_primary().ok_or_else(none)
}

fn stay_up(bed: &Bed) -> Result<(), Failure> {
    let cli = process::cli_name();
    println!("\nstill up; Ctrl-C ends it");
    println!("  address    127.0.0.1:{}", bed.port);
    println!("  connect    {cli} -p {}", bed.port);
    println!("  status     http://127.0.0.1:{}/status", bed.admin_port);
    println!("  Sentinels  {} (name: {PRIMARY_NAME})", bed.sentinels());
    while !stop::requested() {
        sleep(TICK);
    }
    println!("\nclearing up");
    Ok(())
}

fn print_env() -> Result<(), Failure> {
    stop::on_signals()?;
    stop::on_end_of_input();
    let bed = Bed::start()?;
    println!("STEADFAST_ADDR=127.0.0.1:{}", bed.port);
    println!("STEADFAST_ADMIN=127.0.0.1:{}", bed.admin_port);
    println!("SENTINELS={}", bed.sentinels());
    println!("PRIMARY_NAME={PRIMARY_NAME}");
    println!("READY=1");
    while !stop::requested() {
        sleep(TICK);
    }
    Ok(())
}
