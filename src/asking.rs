//! `healthcheck` and `status`: ask the running process, and say what it said.
//!
//! What is asked, and how answers are laid out, is the library's.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use steadfast::admin::{self, Answer};
use steadfast::config::{AdminListen, Command, Question};

use crate::{EXIT_FAILURE, block_on, complain};

/// How often `status --watch` asks.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// To the first column of the first line, with nothing left on the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";
const OK: u16 = 200;

/// Asks what the command asks for.
pub(crate) fn answer(question: &Question) -> ExitCode {
    let at = question.admin_listen.as_ref();
    match question.command {
        Command::Healthcheck { ready } => healthcheck(at, ready),
        Command::Status { watch, json } => status(at, watch, json),
        // These ask nobody.
        Command::Run | Command::Check | Command::Config { .. } => ExitCode::SUCCESS,
    }
}

/// Whether it is live, or `ready`: by the exit status, and in a line.
fn healthcheck(at: Option<&AdminListen>, ready: bool) -> ExitCode {
    let path = if ready { "/readyz" } else { "/livez" };
    match block_on(admin::ask(at, path)) {
        Ok(Ok(Answer { status: OK, body })) => {
            print(&body);
            ExitCode::SUCCESS
        }
        Ok(Ok(Answer { body, .. })) => complain(body.trim_end(), EXIT_FAILURE),
        Ok(Err(unanswered)) => complain(unanswered, EXIT_FAILURE),
        Err(error) => complain(error, EXIT_FAILURE),
    }
}

/// What it says of itself, once or, with `watch`, until nobody reads it any more.
fn status(at: Option<&AdminListen>, watch: bool, json: bool) -> ExitCode {
    match (watch, block_on(ask(at, json))) {
        (false, Ok(Ok(text))) => {
            print(&text);
            ExitCode::SUCCESS
        }
        (false, Ok(Err(reason))) => complain(reason, EXIT_FAILURE),
        (true, Ok(first)) => follow(at, json, first),
        (_, Err(error)) => complain(error, EXIT_FAILURE),
    }
}

/// A process that does not answer may do so again: that is what is watched for.
fn follow(at: Option<&AdminListen>, json: bool, first: Result<String, String>) -> ExitCode {
    let clear = if io::stdout().is_terminal() {
        CLEAR
    } else {
        ""
    };
    let mut said = first;
    loop {
        let text = said.unwrap_or_else(|reason| format!("{reason}\n"));
        if !print(format_args!("{clear}{text}")) {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(WATCH_EVERY);
        said = match block_on(ask(at, json)) {
            Ok(said) => said,
            Err(error) => return complain(error, EXIT_FAILURE),
        };
    }
}

async fn ask(at: Option<&AdminListen>, json: bool) -> Result<String, String> {
    let answer = admin::ask(at, "/status").await;
    let body = match answer {
        Ok(Answer { status: OK, body }) => body,
        Ok(Answer { body, .. }) => return Err(body.trim_end().to_owned()),
        Err(unanswered) => return Err(unanswered.to_string()),
    };
    if json {
        return Ok(body);
    }
    admin::lay_out(&body).map_err(|error| format!("its status makes no sense: {error}"))
}

/// Whether there is still somebody who reads.
fn print(text: impl Display) -> bool {
    let mut out = io::stdout();
    write!(out, "{text}").and_then(|()| out.flush()).is_ok()
}
