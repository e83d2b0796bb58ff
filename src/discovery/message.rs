//! What Sentinels and data nodes answer, as plain values; what nodes say of themselves is read in
//! `node`.
//!
//! Pure: a decoded reply in, a value out. Whatever a peer says that makes no sense becomes a
//! [`BadAnswer`] or a missing field, never a panic. The old command and field names are read
//! (master, slave): every version speaks them.

use std::fmt;
use std::time::Duration;

use super::connection::Reply;
use crate::config::AddressMap;
use crate::net::{HostPort, usual_spelling};

mod node;

pub use node::{
    Following, Role, following, hello_knows_capa, hello_role, info_knows_capa, info_run_id, role,
};

/// Longest host name taken from a Sentinel (the limit of DNS).
pub(super) const HOST_LEN_MAX: usize = 253;
/// Longest run id kept; Sentinels use 40.
const RUN_ID_LEN_MAX: usize = 64;
/// Peers, or replicas, read from one list.
pub(super) const PEERS_MAX: usize = 64;

/// Why an answer is not usable. Kept for `/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadAnswer {
    /// The Sentinel does not monitor this name.
    UnknownName,
    /// An empty host: the Sentinel could not resolve it.
    EmptyHost,
    /// Port 0, or no number.
    BadPort,
    /// A loopback address from a Sentinel that is not on our loopback.
    Loopback,
    /// Not the shape that belongs to the question.
    Shape,
    /// The two epochs around the address differ: a change came in between.
    Torn,
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownName => "it does not know the primary name",
            Self::EmptyHost => "it names a primary without a host",
            Self::BadPort => "it names a primary without a port",
            Self::Loopback => "it names a loopback address but is not on this machine",
            Self::Shape => "its reply has an unknown shape; is it a Sentinel?",
            Self::Torn => "its answer changed while it was asked",
        })
    }
}

/// How to read the addresses that a Sentinel names.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// It was asked on our loopback, so that it may name addresses there.
    pub on_loopback: bool,
    /// Where nodes are that it names elsewhere.
    pub map: &'a AddressMap,
}

/// Without a map.
impl From<bool> for Reading<'static> {
    fn from(on_loopback: bool) -> Self {
        static NOTHING: AddressMap = AddressMap::EMPTY;
        Self {
            on_loopback,
            map: &NOTHING,
        }
    }
}

/// The fields of `SENTINEL MASTER` that are used. Its address is not: on a leader it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterFields {
    /// The version of the configuration.
    pub epoch: u64,
    /// Sentinels that must agree.
    pub quorum: u64,
    /// How long silence lasts before the Sentinel calls a node down.
    pub down_after: Duration,
    /// Peers the Sentinel knows.
    pub other_sentinels: u64,
    /// What the Sentinel thinks is happening to the primary it names.
    pub trouble: Trouble,
}

/// Trouble with a primary, as the flags of `SENTINEL MASTER` show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// None that a quorum knows of.
    None,
    /// A quorum believes it down.
    Down,
    /// A failover is under way and its outcome open.
    Failover,
}

impl Trouble {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Down => Some("down"),
            Self::Failover => Some("failover"),
        }
    }
}

/// Reads the reply to `SENTINEL MASTER`.
///
/// # Errors
/// [`BadAnswer::Shape`] when it is no such reply.
pub fn master_fields(reply: &Reply) -> Result<MasterFields, BadAnswer> {
    let number = |name| field(reply, name).and_then(|text| text.parse::<u64>().ok());
    let flags = field(reply, "flags").unwrap_or_default();
    let state = field(reply, "failover-state").unwrap_or_default();
    // From here on the Sentinel names the new primary, although the flags still tell of the old.
    let decided = state.starts_with("reconf") || state.starts_with("update");
    let trouble = |flag: &str| match flag {
        "failover_in_progress" | "force_failover" | "coordinated_failover" => Trouble::Failover,
        "o_down" => Trouble::Down,
        _ => Trouble::None,
    };
    let worst = flags.split(',').map(trouble).max();
    Ok(MasterFields {
        epoch: number("config-epoch").ok_or(BadAnswer::Shape)?,
        quorum: number("quorum").unwrap_or(1),
        down_after: Duration::from_millis(number("down-after-milliseconds").unwrap_or(0)),
        other_sentinels: number("num-other-sentinels").unwrap_or(0),
        trouble: worst.filter(|_| !decided).unwrap_or(Trouble::None),
    })
}

/// Reads the reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`.
///
/// # Errors
/// The reason why no address can be taken from it.
pub fn address<'a>(reply: &Reply, reading: impl Into<Reading<'a>>) -> Result<HostPort, BadAnswer> {
    match reply {
        Reply::Null => Err(BadAnswer::UnknownName),
        Reply::Array(parts) => match parts.as_slice() {
            [host, port] => {
                let host = text(host).ok_or(BadAnswer::Shape)?;
                let port = text(port).ok_or(BadAnswer::Shape)?;
                host_port(host, port, reading)
            }
            _ => Err(BadAnswer::Shape),
        },
        _ => Err(BadAnswer::Shape),
    }
}

/// One answer, read consistently: the address lies between two equal epochs.
///
/// # Errors
/// The reason why it cannot be used.
pub fn consistent<'a>(
    before: &Reply,
    middle: &Reply,
    after: &Reply,
    reading: impl Into<Reading<'a>>,
) -> Result<(HostPort, MasterFields), BadAnswer> {
    let address = address(middle, reading)?;
    let fields = master_fields(after)?;
    if master_fields(before)?.epoch != fields.epoch {
        return Err(BadAnswer::Torn);
    }
    Ok((address, fields))
}

/// A peer from `SENTINEL SENTINELS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its run id.
    pub run_id: String,
    /// Where it listens.
    pub address: HostPort,
}

/// Reads the reply to `SENTINEL SENTINELS`; peers that make no sense are left out.
pub fn peers<'a>(reply: &Reply, reading: impl Into<Reading<'a>>) -> Vec<Peer> {
    let reading = reading.into();
    let Reply::Array(entries) = reply else {
        return Vec::new();
    };
    let peer = |entry: &Reply| {
        let address = host_port(field(entry, "ip")?, field(entry, "port")?, reading);
        Some(Peer {
            run_id: run_id_text(field(entry, "runid")?)?,
            address: address.ok()?,
        })
    };
    entries.iter().filter_map(peer).take(PEERS_MAX).collect()
}

/// Reads the reply to `SENTINEL REPLICAS`; entries that make no sense are left out.
pub fn replicas<'a>(reply: &Reply, reading: impl Into<Reading<'a>>) -> Vec<HostPort> {
    let reading = reading.into();
    let Reply::Array(entries) = reply else {
        return Vec::new();
    };
    let replica = |entry: &Reply| {
        let (host, port) = (field(entry, "ip")?, field(entry, "port")?);
        host_port(host, port, reading).ok()
    };
    entries.iter().filter_map(replica).take(PEERS_MAX).collect()
}

/// Reads the reply to `SENTINEL MYID`.
pub fn run_id(reply: &Reply) -> Option<String> {
    run_id_text(text(reply)?)
}

/// Checks a host and a port as a Sentinel wrote them, and says where that is from here; literal
/// addresses and the case of names get one spelling.
///
/// # Errors
/// The reason why they name nothing that could be dialled.
pub fn host_port<'a>(
    host: &str,
    port: &str,
    reading: impl Into<Reading<'a>>,
) -> Result<HostPort, BadAnswer> {
    if host.is_empty() {
        return Err(BadAnswer::EmptyHost);
    }
    if host.len() > HOST_LEN_MAX || !HostPort::is_host(host) {
        return Err(BadAnswer::Shape);
    }
    let port = match port.parse() {
        Ok(0) | Err(_) => return Err(BadAnswer::BadPort),
        Ok(port) => port,
    };
    let (named, reading) = (HostPort::new(usual_spelling(host), port), reading.into());
    if let Some(mapped) = reading.map.get(&named) {
        // Loopback or not: the operator knows where it is.
        return Ok(mapped);
    }
    let unspecified = named.literal().is_some_and(|it| it.ip().is_unspecified());
    if (unspecified || named.is_loopback()) && !reading.on_loopback {
        return Err(BadAnswer::Loopback);
    }
    Ok(named)
}

/// The text of a bulk or status reply.
pub(super) fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::BulkString(bytes) | Reply::SimpleString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// A value from a flat list of names and values.
pub(crate) fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    parts.chunks_exact(2).find_map(|pair| match pair {
        [key, value] if text(key) == Some(name) => text(value),
        _ => None,
    })
}

fn run_id_text(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= RUN_ID_LEN_MAX;
    (fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
