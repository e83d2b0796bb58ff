//! What a data node says of itself: its role, its run id, what it understands. Pure.

use super::{HOST_LEN_MAX, field, run_id_text, text};
use crate::discovery::connection::Reply;
use crate::net::{HostPort, usual_spelling};

/// Reads `run_id` from `INFO server`.
pub fn info_run_id(reply: &Reply) -> Option<String> {
    let line = text(reply)?
        .lines()
        .find_map(|line| line.strip_prefix("run_id:"))?;
    run_id_text(line.trim())
}

/// First major version of Valkey that understands `CLIENT CAPA redirect`.
const CAPA_MAJOR: u32 = 8;

/// Whether `INFO server` comes from a server that understands `CLIENT CAPA redirect`. A Valkey
/// tells its own version beside the one it is compatible with.
pub fn info_knows_capa(reply: &Reply) -> bool {
    let version = text(reply).and_then(|text| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix("valkey_version:"))
    });
    version.is_some_and(is_capa_version)
}

/// The same from the reply to a bare `HELLO`, for those who may not ask for `INFO`.
pub fn hello_knows_capa(reply: &Reply) -> bool {
    field(reply, "server") == Some("valkey") && field(reply, "version").is_some_and(is_capa_version)
}

fn is_capa_version(version: &str) -> bool {
    let major = version.trim().split('.').next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major >= CAPA_MAJOR)
}

/// What a data node says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Primary, at this replication offset if it was told.
    Master {
        /// Bytes of replication stream produced so far.
        offset: Option<i64>,
    },
    /// Replica.
    Replica,
    /// No data node at all, or something new.
    Other,
}

/// Reads the reply to `ROLE`.
pub fn role(reply: &Reply) -> Option<Role> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let offset = match parts.get(1) {
        Some(Reply::Integer(offset)) => Some(*offset),
        _ => None,
    };
    role_word(text(parts.first()?)?, offset)
}

/// Whom a replica follows, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Following {
    /// The node it was told to follow, as it was told.
    pub primary: HostPort,
    /// It receives from there: the link is up, and all data is there.
    pub is_linked: bool,
    /// Bytes of that node's replication stream it has executed; none while it does not say.
    pub offset: Option<i64>,
}

/// Reads the reply to `ROLE` of a replica; none where it is none, or makes no sense.
pub fn following(reply: &Reply) -> Option<Following> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let [role, host, Reply::Integer(port), state, offset, ..] = parts.as_slice() else {
        return None;
    };
    if role_word(text(role)?, None) != Some(Role::Replica) {
        return None;
    }
    let (host, port) = (text(host)?, u16::try_from(*port).ok()?);
    if host.len() > HOST_LEN_MAX || !HostPort::is_host(host) || port == 0 {
        return None;
    }
    Some(Following {
        primary: HostPort::new(usual_spelling(host), port),
        is_linked: text(state) == Some("connected"),
        offset: match offset {
            Reply::Integer(offset) => Some(*offset).filter(|offset| *offset >= 0),
            _ => None,
        },
    })
}

/// Reads the role field from the reply to a bare `HELLO`.
pub fn hello_role(reply: &Reply) -> Option<Role> {
    role_word(field(reply, "role")?, None)
}

fn role_word(word: &str, offset: Option<i64>) -> Option<Role> {
    Some(match word {
        "master" | "primary" => Role::Master { offset },
        "slave" | "replica" => Role::Replica,
        _ => Role::Other,
    })
}
