//! Which error replies prove that a command was not executed, because of the state of the node.
//!
//! By the exact words of Redis 7.0 and Valkey 8.0 and 9.1, and by who can say them: the errors of
//! a listed command come from the server, those of a script or a module may be anybody's. Errors
//! that prove the same but are no matter of a failover (OOM, MISCONF, BUSY, NOAUTH, NOPERM) are
//! not told from the rest, and neither are errors within a reply: other parts of it may have been
//! executed.

use super::class::Class;

/// What an error reply proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Not executed: the node is no primary.
    NotPrimary,
    /// Not executed: the node is loading its data.
    Loading,
    /// Not executed: too few replicas follow the node.
    NoReplicas,
    /// Not executed: the call was waiting and somebody ended that with CLIENT UNBLOCK.
    Unblocked,
    /// Not executed: the node does not have the script. Only EVALSHA and `EVALSHA_RO` are
    /// answered so by the server; from EVAL and FCALL it is the script's own word.
    NoScript,
    /// Nothing that recovery may act on.
    None,
}

const READONLY: &[u8] = b"READONLY You can't write against a read only replica.";
const MASTERDOWN: &[u8] =
    b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
const NOREPLICAS: &[u8] = b"NOREPLICAS Not enough good replicas to write.";
const LOADING: [&[u8]; 2] = [
    b"LOADING Redis is loading the dataset in memory",
    b"LOADING Valkey is loading the dataset in memory",
];
const NOSCRIPT: [&[u8]; 2] = [
    b"NOSCRIPT No matching script. Please use EVAL.",
    b"NOSCRIPT No matching script.",
];
const REDIRECT: &[u8] = b"REDIRECT ";
const DEMOTED: &[u8] = b"UNBLOCKED force unblock from blocking operation, \
instance state changed (master -> replica?)";
const UNBLOCKED: &[u8] = b"UNBLOCKED client unblocked via CLIENT UNBLOCK";
const DISCARDED: &[u8] = b"EXECABORT Transaction discarded because of: ";
/// Of a script that declares that it writes.
const READONLY_FLAG: &[u8] = b"READONLY Can not run script with write flag on readonly replica";

/// What `error`, the whole line of a top-level error reply, proves about a command of `class`.
///
/// READONLY and the like of a script prove something only with the place in the script that the
/// server adds when it ends one; a script can hand on, or make up, all the others.
#[must_use]
pub fn rejection(error: &[u8], class: Class) -> Rejection {
    let Some(text) = text(error) else {
        return Rejection::None;
    };
    match class {
        Class::Exec => of_exec(text),
        Class::Script => of_script(text),
        Class::Blocking | Class::BlockingRead { .. } => of_blocking(text),
        // A script among these may be lying, and may be asked again all the same.
        Class::Read if NOSCRIPT.contains(&text) => Rejection::NoScript,
        // WAIT means nothing on another connection, NODE commands are never resent, and the rest
        // may have acted before it said so.
        Class::Wait | Class::Node | Class::Unknown => Rejection::None,
        Class::Read
        | Class::Scan
        | Class::Connection
        | Class::Subscription
        | Class::Multi
        | Class::Discard
        | Class::Watch
        | Class::Unwatch
        | Class::Publish
        | Class::Effect => of_command(text),
    }
}

/// The text of an error line.
fn text(error: &[u8]) -> Option<&[u8]> {
    error.strip_prefix(b"-")?.strip_suffix(b"\r\n")
}

/// What a server says before it executes any command.
fn of_command(text: &[u8]) -> Rejection {
    match text {
        READONLY | MASTERDOWN => Rejection::NotPrimary,
        NOREPLICAS => Rejection::NoReplicas,
        _ if LOADING.contains(&text) => Rejection::Loading,
        _ if is_redirect(text) => Rejection::NotPrimary,
        _ => Rejection::None,
    }
}

fn of_blocking(text: &[u8]) -> Rejection {
    match text {
        DEMOTED => Rejection::NotPrimary,
        UNBLOCKED => Rejection::Unblocked,
        _ => of_command(text),
    }
}

/// A rejected EXEC discards everything and says why, except that a redirection stands alone.
fn of_exec(text: &[u8]) -> Rejection {
    match text.strip_prefix(DISCARDED) {
        Some(reason) => of_command(reason),
        None if is_redirect(text) => Rejection::NotPrimary,
        None => Rejection::None,
    }
}

/// The server checks a script's first write only, so that none came before one it rejects.
fn of_script(text: &[u8]) -> Rejection {
    let ended = |reason: &[u8]| text.strip_prefix(reason).is_some_and(is_place);
    match text {
        READONLY_FLAG => Rejection::NotPrimary,
        _ if ended(READONLY) => Rejection::NotPrimary,
        _ if ended(NOREPLICAS) => Rejection::NoReplicas,
        _ if NOSCRIPT.contains(&text) => Rejection::NoScript,
        _ => Rejection::None,
    }
}

/// Whether this is ` script: ID, on SOURCE:LINE.`, as Redis says it, or without the id, as Valkey
/// 9.1 does.
fn is_place(text: &[u8]) -> bool {
    let place = text
        .strip_prefix(b" script: ")
        .and_then(|rest| rest.strip_suffix(b"."));
    let Some((place, line)) = place.and_then(|place| split_last(place, b':')) else {
        return false;
    };
    let source = place.rsplit(|byte| *byte == b' ').next();
    let before = source.and_then(|source| place.strip_suffix(source));
    matches!(source, Some(b"@user_script" | b"@user_function"))
        && is_number(line)
        && before.is_some_and(is_before_source)
}

/// Whether this is `ID, on ` or `on `.
fn is_before_source(text: &[u8]) -> bool {
    let Some(id) = text.strip_suffix(b", on ") else {
        return text == b"on ";
    };
    !id.is_empty() && id.iter().all(|byte| is_of_name(*byte))
}

/// What the digest of a script and the name of a function are made of.
const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether this is `REDIRECT HOST:PORT`.
fn is_redirect(text: &[u8]) -> bool {
    let address = text.strip_prefix(REDIRECT);
    address
        .and_then(|address| split_last(address, b':'))
        .is_some_and(|(host, port)| {
            !host.is_empty() && host.iter().all(u8::is_ascii_graphic) && is_number(port)
        })
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// What is before and after the last `at`.
fn split_last(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = text.iter().rposition(|byte| *byte == at)?;
    let (before, rest) = text.split_at_checked(index)?;
    Some((before, rest.get(1..)?))
}
