//! Makes a fresh connection what a key says, before any client's command is sent on it, and finds out
//! whether it can be: the server has the last word about who may be who.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::net::Transport;
use crate::resp::questions::{BARE_HELLO, CAPA_REDIRECT, PING, RESET, ROLE};
use crate::resp::{Class, Peek, Rejection, ReplyScanner, first_word, rejection};

use super::key::Key;
use super::own_answers::will_pass;

/// Longest replies that are read.
const REPLIES_MAX: usize = 64 * 1024;
/// What is asked besides becoming what the key says.
const OWN_QUESTIONS_LEN: usize = CAPA_REDIRECT.len() + PING.len() + ROLE.len() + BARE_HELLO.len();

/// What the server made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The connection is what the key says.
    Welcome,
    /// It is that, and the server lets a script finish before it serves anybody.
    Busy,
    /// It cannot be: the server asks for a login, and there is none.
    NoLogin,
    /// It cannot be: the login is not valid any more, or a script is in the
    /// way.
    Refused,
    /// The node is no primary.
    NotPrimary,
}

/// Tells `transport` to be what `key` says. `asks_role`: its node is not known to be a primary.
///
/// # Errors
/// The socket's, `TimedOut`, or `Other` for what is only so at the moment.
pub(super) async fn greet(
    transport: &mut Transport,
    key: &Key,
    knows_capa: bool,
    asks_role: bool,
    limit: Duration,
) -> io::Result<Outcome> {
    // Large enough from the start, so that growing leaves no copy of a password behind unwiped.
    let len = key.commands().len() + OWN_QUESTIONS_LEN;
    let mut request = Zeroizing::new(Vec::with_capacity(len));
    request.extend_from_slice(key.commands());
    if knows_capa {
        request.extend_from_slice(CAPA_REDIRECT);
    }
    request.extend_from_slice(PING);
    if asks_role {
        request.extend_from_slice(ROLE);
        request.extend_from_slice(BARE_HELLO);
    }
    let exchange = async {
        transport.write_all(&request).await?;
        let mut input = Replies::new(transport);
        for _ in 0..key.len() {
            if let Some(outcome) = judged(&input.next().await?)? {
                return Ok(outcome);
            }
        }
        if knows_capa {
            input.next().await?;
        }
        let pong = input.next().await?;
        // Who may not even ask is somebody all the same.
        let known = pong.starts_with(b"-NOPERM ") || is_busy(&pong);
        if let Some(outcome) = judged(&pong)?.filter(|_| !known) {
            return Ok(outcome);
        }
        if asks_role && is_replica(&input.next().await?, &input.next().await?) {
            return Ok(Outcome::NotPrimary);
        }
        Ok(match is_busy(&pong) {
            true => Outcome::Busy,
            false => Outcome::Welcome,
        })
    };
    timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What a connection of another key that is at rest is told first: to have none of its names, some of
/// which a RESET leaves, and that.
///
/// # Errors
/// As [`greet`], and where the server does not know RESET.
pub(super) async fn reset(
    transport: &mut Transport,
    nameless: &[Vec<u8>],
    limit: Duration,
) -> io::Result<()> {
    let mut request = nameless.concat();
    request.extend_from_slice(RESET);
    let exchange = async {
        transport.write_all(&request).await?;
        let mut input = Replies::new(transport);
        for _ in nameless {
            input.next().await?;
        }
        match input.next().await?.first() {
            Some(b'+') => Ok(()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    };
    timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What the answer to one of the commands means; none where it is as it should be.
fn judged(reply: &[u8]) -> io::Result<Option<Outcome>> {
    if reply.first() != Some(&b'-') || reply.starts_with(b"-MISCONF ") {
        return Ok(None);
    }
    match rejection(reply, Class::Connection) {
        _ if is_busy(reply) => Ok(Some(Outcome::Refused)),
        _ if reply.starts_with(b"-NOAUTH ") => Ok(Some(Outcome::NoLogin)),
        Rejection::None if !will_pass(reply) => Ok(Some(Outcome::Refused)),
        Rejection::NotPrimary => Ok(Some(Outcome::NotPrimary)),
        _ => Err(io::Error::other(
            String::from_utf8_lossy(reply).trim().to_owned(),
        )),
    }
}

/// Whether a script is in the way of all that follows; who may not ask is told that first.
fn is_busy(reply: &[u8]) -> bool {
    reply.starts_with(b"-BUSY ")
}

/// Whether the answers to ROLE and, where that is not permitted, to HELLO say so; a node that says
/// neither is believed to be what Sentinel calls it.
fn is_replica(role: &[u8], hello: &[u8]) -> bool {
    let says = |text: &[u8]| hello.windows(text.len()).any(|window| window == text);
    match role.first() {
        Some(b'*') => !matches!(first_word(role), Peek::Word(b"master")),
        _ => says(b"\r\nreplica\r\n"),
    }
}

/// The replies that come on a connection of ours, one by one.
struct Replies<'a> {
    transport: &'a mut Transport,
    input: Vec<u8>,
}

impl<'a> Replies<'a> {
    fn new(transport: &'a mut Transport) -> Self {
        let input = Vec::new();
        Self { transport, input }
    }

    async fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut scanner = ReplyScanner::new();
        let mut scanned = 0;
        loop {
            let rest = self.input.get(scanned..).unwrap_or_default();
            let found = scanner.scan(rest);
            let found = found.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            if let Some(len) = found {
                let rest = self.input.split_off(scanned + len);
                return Ok(std::mem::replace(&mut self.input, rest));
            }
            scanned = self.input.len();
            if scanned > REPLIES_MAX || self.transport.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_who_asks_is_a_refusal() {
        let judged = |reply: &[u8]| judged(reply).ok();
        assert_eq!(judged(b"+OK\r\n"), Some(None));
        assert_eq!(judged(b"%1\r\n+a\r\n+b\r\n"), Some(None));
        assert_eq!(judged(b"-MISCONF Errors writing\r\n"), Some(None));
        let stranger = b"-NOAUTH Authentication required.\r\n";
        assert_eq!(judged(stranger), Some(Some(Outcome::NoLogin)));
        for refused in [
            &b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"[..],
            b"-NOPROTO unsupported protocol version\r\n",
            b"-NOPERM no\r\n",
        ] {
            assert_eq!(judged(refused), Some(Some(Outcome::Refused)));
        }
        let down = b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to \
'no'.\r\n";
        assert_eq!(judged(down), Some(Some(Outcome::NotPrimary)));
        assert_eq!(judged(b"-BUSY a script\r\n"), Some(Some(Outcome::Refused)));
        assert_eq!(judged(b"-ERR max number of clients reached\r\n"), None);
    }

    #[test]
    fn a_node_is_a_replica_if_it_says_so() {
        let silent = b"-NOPERM no\r\n";
        assert!(is_replica(b"*1\r\n$5\r\nslave\r\n", silent));
        assert!(!is_replica(b"*1\r\n$6\r\nmaster\r\n", silent));
        assert!(is_replica(silent, b"*2\r\n$4\r\nrole\r\n$7\r\nreplica\r\n"));
        assert!(!is_replica(silent, silent));
    }
}
