//! Steadfast logs in upstream for clients that cannot (`--username`, `--password-file`): their own
//! AUTH and HELLO AUTH are answered here and never reach the server, whose identity on the link
//! must stay ours.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::net::Transport;
use crate::resp::{Args, Special, replies};
use crate::secrets::{Credentials, Refusal, Secret, Whose};

use super::intake::Intake;
use super::link::Link;
use super::permit::Permit;
use super::session::Session;
use super::slot::Kind;

/// Longest answer to AUTH that is read.
const ANSWER_MAX: usize = 1024;
/// What a count or a length, and the line ends around it, take up at most.
const HEAD_LEN_MAX: usize = 25;

/// A client that has not presented the password yet: only AUTH and HELLO AUTH get it any further.
pub(super) fn admit(
    session: &Rc<Session>,
    intake: &mut Intake,
    command: Special,
    frame: &[u8],
) -> Permit {
    let config = &session.worker.config;
    match command {
        Special::Auth => {
            let verdict = check_auth(config, frame);
            intake.admitted = verdict.is_ok();
            session.deliver_local(verdict.err().unwrap_or(replies::OK));
        }
        Special::Hello => {
            let hello = split_hello(frame);
            if hello.presented.is_empty() {
                session.deliver_local(replies::NOAUTH_HELLO);
            } else if hello.is_acceptable(config) {
                intake.admitted = true;
                intake.replace_by(hello.rest);
            } else {
                session.deliver_local(replies::WRONGPASS);
            }
        }
        Special::Reset => session.deliver_local(replies::RESET),
        _ => session.deliver_local(replies::NOAUTH),
    }
    if intake.admitted {
        session.permit(intake)
    } else {
        Permit::Login
    }
}

/// AUTH and HELLO of a client that is in already.
pub(super) fn answer_for_server(
    session: &Rc<Session>,
    intake: &mut Intake,
    link: &Rc<Link>,
    command: Special,
    frame: &[u8],
) {
    let permit = Permit::Send(link.clone());
    let config = &session.worker.config;
    if command == Special::Auth {
        let verdict = check_auth(config, frame);
        return session.answer(&permit, verdict.err().unwrap_or(replies::OK));
    }
    let hello = split_hello(frame);
    if hello.is_acceptable(config) {
        let kind = match intake.in_multi {
            true => Kind::Queued,
            false => Kind::Hello(false),
        };
        link.command(session, kind, &hello.rest);
        intake.blocked = false;
    } else {
        session.answer(&permit, replies::WRONGPASS);
    }
}

/// RESET makes the link's user the default one again; ours is restored before anything else.
pub(super) fn renew(session: &Rc<Session>, intake: &mut Intake, link: &Link) {
    if let Some(login) = &session.worker.config.login {
        let known = login.password.known();
        // Should the server want the one before, the link ends, and the next one is asked with both.
        if let Some(secret) = known.in_turn().next() {
            link.ask(session, Kind::Login, &auth_command(login, secret));
        }
        intake.blocked = true;
        intake.admitted = session.worker.config.client_password.is_none();
    }
}

/// Logs a fresh connection in; where the password was replaced lately, the server may still want the
/// one before.
///
/// # Errors
/// The socket's, or `PermissionDenied` with the server's words.
pub(super) async fn log_in(
    stream: &mut Transport,
    login: &Credentials,
    limit: Duration,
) -> io::Result<()> {
    let exchange = async {
        let mut refusal = None;
        for secret in login.password.known().in_turn() {
            stream.write_all(&auth_command(login, secret)).await?;
            let words = answer(stream).await?;
            if words.starts_with('+') {
                return Ok(());
            }
            let words = words.trim_start_matches('-');
            let is_wrong = Refusal::of(words) == Some(Refusal::WrongPassword);
            // What was said of the newest is what counts.
            refusal.get_or_insert_with(|| words.to_owned());
            if !is_wrong {
                break;
            }
        }
        login.password.doubt();
        let words = refusal.unwrap_or_default();
        Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
    };
    timeout(limit, exchange)
        .await
        .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// One line from the server.
async fn answer(stream: &mut Transport) -> io::Result<String> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        if answer.len() >= ANSWER_MAX || stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}

/// What to do about a login of ours that failed.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match Refusal::of(&error.to_string()) {
        Some(refusal) => refusal.advice(Whose::Clients),
        None => "Steadfast could not log in for its clients",
    }
}

fn auth_command(login: &Credentials, secret: &Secret) -> Zeroizing<Vec<u8>> {
    let user = login.username.as_deref().map(str::as_bytes);
    let words = [Some(&b"AUTH"[..]), user, Some(secret.expose())];
    Zeroizing::new(command(words.into_iter().flatten()))
}

/// A multibulk command of `args`.
pub(super) fn command<'a>(args: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let sizes = args.clone().map(|arg| arg.len() + HEAD_LEN_MAX);
    // Large enough from the start: where it is to be wiped, growing leaves no copy behind.
    let mut frame = Vec::with_capacity(HEAD_LEN_MAX + sizes.sum::<usize>());
    frame.extend_from_slice(format!("*{}\r\n", args.clone().count()).as_bytes());
    for arg in args {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

/// AUTH password, or AUTH user password: the password is what counts, the user name is the
/// client's affair. Without a client password the answer is that of a server without one.
fn check_auth(config: &Config, frame: &[u8]) -> Result<(), &'static [u8]> {
    let args: Vec<_> = Args::new(frame).skip(1).take(3).collect();
    let (user, presented) = match args[..] {
        [password] => (None, password),
        [user, password] => (Some(user), password),
        _ => return Err(replies::AUTH_SYNTAX),
    };
    match (&config.client_password, user) {
        (Some(password), _) if password.matches(presented) => Ok(()),
        (Some(_), _) => Err(replies::WRONGPASS),
        (None, Some(user)) if user == b"default" => Ok(()),
        (None, Some(_)) => Err(replies::WRONGPASS),
        (None, None) => Err(replies::AUTH_WITHOUT_PASSWORD),
    }
}

fn accepts(config: &Config, presented: &[u8]) -> bool {
    config
        .client_password
        .as_ref()
        .is_none_or(|password| password.matches(presented))
}

/// This HELLO without any AUTH.
pub(super) fn without_auth(hello: &[u8]) -> Vec<u8> {
    split_hello(hello).rest
}

/// A HELLO taken apart: the passwords of its AUTHs (the server takes several, and the last one
/// counts), and the command without any of them.
struct Hello<'a> {
    presented: Vec<&'a [u8]>,
    rest: Vec<u8>,
}

impl Hello<'_> {
    fn is_acceptable(&self, config: &Config) -> bool {
        self.presented.iter().all(|given| accepts(config, given))
    }
}

fn split_hello(frame: &[u8]) -> Hello<'_> {
    let args: Vec<_> = Args::new(frame).collect();
    // HELLO version [AUTH user password] [SETNAME name], in any order after the version.
    let mut kept: Vec<_> = args.iter().take(2).copied().collect();
    let mut presented = Vec::new();
    let mut options = args.get(2..).unwrap_or_default();
    while let [option, after @ ..] = options {
        options = match after {
            [_, password, after @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                presented.push(*password);
                after
            }
            [name, after @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                kept.extend([*option, *name]);
                after
            }
            _ => {
                kept.push(*option);
                after
            }
        };
    }
    Hello {
        presented,
        rest: command(kept.into_iter()),
    }
}
