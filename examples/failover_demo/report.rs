//! What the demo prints: the status line while it runs, the table at its end.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::bed::Bed;
use crate::load::Board;
use crate::resp::{Client, Reply};

const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_LOG: Duration = Duration::from_secs(1);
const LOOK_UP_LIMIT: Duration = Duration::from_secs(10);
/// Keys asked for in one EXISTS.
const KEYS_AT_ONCE: usize = 500;

/// The status line, updated in place on a terminal, one line a second elsewhere.
pub(crate) struct StatusLine {
    in_place: bool,
    shown: Instant,
    phase: usize,
    acknowledged: usize,
}

impl StatusLine {
    /// Nothing shown yet.
    pub(crate) fn new() -> Self {
        Self {
            in_place: io::stdout().is_terminal(),
            shown: Instant::now(),
            phase: 0,
            acknowledged: 0,
        }
    }

    /// Shows the present state, unless that was done a moment ago.
    pub(crate) fn update(&mut self, bed: &Bed, board: &Board) {
        let since = self.shown.elapsed();
        if since < if self.in_place { ON_TERMINAL } else { IN_LOG } {
            return;
        }
        let phase = board.phase();
        let pause = board.longest_pause();
        let tally = board.tally(phase);
        if phase != self.phase {
            (self.phase, self.acknowledged) = (phase, 0);
        }
        let new = tally.acknowledged.len() - self.acknowledged;
        let rate = u128::try_from(new).unwrap_or_default() * 1000 / since.as_millis().max(1);
        self.acknowledged = tally.acknowledged.len();
        self.shown = Instant::now();
        let errors: u64 = tally.errors.values().sum();
        let closed = tally.closed;
        drop(tally);
        let primary = match bed.named_primary() {
            Some(port) => format!("127.0.0.1:{port}"),
            None => "unknown".to_owned(),
        };
        self.show(&format!(
            "  primary {primary:<15} | {rate:>6} acknowledged/s | errors {errors} | closed {closed} \
             | longest pause {:.2} s",
            pause.as_secs_f64()
        ));
    }

    /// Prints a line of its own, above the status line.
    pub(crate) fn headline(&mut self, text: &str) {
        if self.in_place {
            print!("\r\x1b[K");
        }
        println!("{text}");
    }

    fn show(&self, line: &str) {
        if self.in_place {
            print!("\r\x1b[K{line}");
            // A terminal that went away is no reason to stop.
            let _ = io::stdout().flush();
        } else {
            println!("{line}");
        }
    }
}

/// Prints what each phase saw, and looks every acknowledged write up on the final primary.
pub(crate) fn print_table(board: &Board, names: &[&str], primary: u16) -> Result<(), Failure> {
    let mut client = Client::connect(primary, LOOK_UP_LIMIT)?;
    println!();
    println!(
        "{:<18} {:>12} {:>7} {:>7} {:>8} {:>14} {:>8}",
        "phase", "acknowledged", "reads", "errors", "closed", "longest pause", "missing"
    );
    let mut errors = Vec::new();
    let mut lost = 0;
    for (phase, name) in names.iter().enumerate() {
        let tally = board.tally(phase);
        let missing = count_missing(&mut client, &tally.acknowledged)?;
        lost += missing;
        let failed: u64 = tally.errors.values().sum();
        println!(
            "{name:<18} {:>12} {:>7} {failed:>7} {:>8} {:>12.2} s {missing:>8}",
            tally.acknowledged.len(),
            tally.reads,
            tally.closed,
            tally.longest_pause.as_secs_f64(),
        );
        let seen = tally.errors.iter();
        errors.extend(seen.map(|(text, count)| format!("  {name}: {count} x {text}")));
    }
    println!();
    println!("acknowledged writes missing on the final primary: {lost}");
    if !errors.is_empty() {
        println!("errors the clients saw:\n{}", errors.join("\n"));
    }
    Ok(())
}

fn count_missing(client: &mut Client, keys: &[String]) -> Result<usize, Failure> {
    let mut missing = 0;
    for some in keys.chunks(KEYS_AT_ONCE) {
        let mut command = vec!["EXISTS"];
        command.extend(some.iter().map(String::as_str));
        let there: usize = match client.call(&command)? {
            Reply::Text(count) => count.parse().unwrap_or_default(),
            other => return Err(Failure::Setup(format!("EXISTS answered {other:?}"))),
        };
        missing += some.len().saturating_sub(there);
    }
    Ok(missing)
}
