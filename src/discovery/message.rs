//! What Sentinels and data nodes answer, as plain values.
//!
//! Pure: a decoded reply in, a value out. Whatever a peer says that makes no sense becomes a
//! [`BadAnswer`] or a missing field, never a panic. The old command and field names are read
//! (master, slave): every version speaks them.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::connection::Reply;
use crate::net::HostPort;

/// Longest host name taken from a Sentinel (the limit of DNS).
const HOST_LEN_MAX: usize = 253;
/// Longest run id kept; Sentinels use 40.
const RUN_ID_LEN_MAX: usize = 64;
/// Peers read from one list.
const PEERS_MAX: usize = 64;

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
    /// A failover is under way and its outcome open, or a quorum believes the primary down.
    pub in_trouble: bool,
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
    let trouble = |flag: &str| {
        matches!(
            flag,
            "failover_in_progress" | "force_failover" | "coordinated_failover" | "o_down"
        )
    };
    Ok(MasterFields {
        epoch: number("config-epoch").ok_or(BadAnswer::Shape)?,
        quorum: number("quorum").unwrap_or(1),
        down_after: Duration::from_millis(number("down-after-milliseconds").unwrap_or(0)),
        other_sentinels: number("num-other-sentinels").unwrap_or(0),
        in_trouble: !decided && flags.split(',').any(trouble),
    })
}

/// Reads the reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`.
///
/// # Errors
/// The reason why no address can be taken from it.
pub fn address(reply: &Reply, asked_on_loopback: bool) -> Result<HostPort, BadAnswer> {
    match reply {
        Reply::Null => Err(BadAnswer::UnknownName),
        Reply::Array(parts) => match parts.as_slice() {
            [host, port] => {
                let host = text(host).ok_or(BadAnswer::Shape)?;
                let port = text(port).ok_or(BadAnswer::Shape)?;
                host_port(host, port, asked_on_loopback)
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
pub fn consistent(
    before: &Reply,
    middle: &Reply,
    after: &Reply,
    asked_on_loopback: bool,
) -> Result<(HostPort, MasterFields), BadAnswer> {
    let address = address(middle, asked_on_loopback)?;
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
pub fn peers(reply: &Reply, asked_on_loopback: bool) -> Vec<Peer> {
    let Reply::Array(entries) = reply else {
        return Vec::new();
    };
    let peer = |entry: &Reply| {
        let address = host_port(
            field(entry, "ip")?,
            field(entry, "port")?,
            asked_on_loopback,
        );
        Some(Peer {
            run_id: run_id_text(field(entry, "runid")?)?,
            address: address.ok()?,
        })
    };
    entries.iter().filter_map(peer).take(PEERS_MAX).collect()
}

/// Reads the reply to `SENTINEL MYID`.
pub fn run_id(reply: &Reply) -> Option<String> {
    run_id_text(text(reply)?)
}

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

/// Checks a host and a port as a Sentinel wrote them; literal addresses get one spelling.
///
/// # Errors
/// The reason why they name nothing that could be dialled.
pub fn host_port(host: &str, port: &str, asked_on_loopback: bool) -> Result<HostPort, BadAnswer> {
    if host.is_empty() {
        return Err(BadAnswer::EmptyHost);
    }
    if host.len() > HOST_LEN_MAX || host.contains(|c: char| c.is_control() || c == ' ') {
        return Err(BadAnswer::Shape);
    }
    let port = match port.parse() {
        Ok(0) | Err(_) => return Err(BadAnswer::BadPort),
        Ok(port) => port,
    };
    let literal = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let loopback = match literal {
        Some(ip) => ip.is_loopback() || ip.is_unspecified(),
        None => host.eq_ignore_ascii_case("localhost"),
    };
    if loopback && !asked_on_loopback {
        return Err(BadAnswer::Loopback);
    }
    let host = literal.map_or_else(|| host.to_owned(), |ip| ip.to_string());
    Ok(HostPort::new(host, port))
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
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::BulkString(text.as_bytes().to_vec())
    }

    fn list(parts: &[&str]) -> Reply {
        Reply::Array(parts.iter().map(|part| bulk(part)).collect())
    }

    fn master(epoch: &str, flags: &str) -> Reply {
        list(&[
            "name",
            "mymaster",
            "ip",
            "10.0.0.9",
            "port",
            "1",
            "flags",
            flags,
            "config-epoch",
            epoch,
            "quorum",
            "2",
            "down-after-milliseconds",
            "1000",
            "num-other-sentinels",
            "2",
        ])
    }

    #[test]
    fn reads_a_consistent_answer_and_refuses_a_torn_one() {
        let middle = list(&["10.0.0.2", "6379"]);
        let (address, fields) = consistent(
            &master("3", "master"),
            &middle,
            &master("3", "master"),
            false,
        )
        .expect("consistent");
        assert_eq!(address, HostPort::new("10.0.0.2", 6379));
        assert_eq!((fields.epoch, fields.quorum), (3, 2));
        assert_eq!(fields.down_after, Duration::from_secs(1));
        assert!(!fields.in_trouble);
        let torn = consistent(
            &master("2", "master"),
            &middle,
            &master("3", "master"),
            false,
        );
        assert_eq!(torn, Err(BadAnswer::Torn));
    }

    #[test]
    fn sees_a_failover_in_the_flags() {
        for flags in [
            "master,o_down",
            "master,failover_in_progress,force_failover",
            "master,coordinated_failover",
        ] {
            assert!(
                master_fields(&master("0", flags))
                    .expect("fields")
                    .in_trouble
            );
        }
        let sdown = master_fields(&master("0", "master,s_down")).expect("fields");
        assert!(!sdown.in_trouble, "one Sentinel's opinion is no failover");
    }

    #[test]
    fn rejects_addresses_that_cannot_be_meant() {
        let refused = |host, port| host_port(host, port, false).expect_err("refused");
        assert_eq!(address(&Reply::Null, false), Err(BadAnswer::UnknownName));
        assert_eq!(refused("", "6379"), BadAnswer::EmptyHost);
        assert_eq!(refused("10.0.0.1", "0"), BadAnswer::BadPort);
        assert_eq!(refused("10.0.0.1", "65536"), BadAnswer::BadPort);
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "localhost",
            "::ffff:127.0.0.1",
            "0.0.0.0",
        ] {
            assert_eq!(refused(host, "6379"), BadAnswer::Loopback);
        }
        assert!(host_port("127.0.0.1", "6379", true).is_ok());
        assert_eq!(address(&bulk("x"), false), Err(BadAnswer::Shape));
    }

    #[test]
    fn an_ipv6_address_has_one_spelling() {
        let address = host_port("2001:DB8:0::1", "6379", false).expect("fine");
        assert_eq!(address.to_string(), "[2001:db8::1]:6379");
    }

    #[test]
    fn reads_peers_and_leaves_out_the_senseless() {
        let good = list(&[
            "name", "a", "ip", "10.0.0.3", "port", "26379", "runid", "abc",
        ]);
        let bad = list(&["name", "a", "ip", "", "port", "26379", "runid", "abd"]);
        let found = peers(&Reply::Array(vec![good, bad, Reply::Null]), false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].run_id, "abc");
    }

    #[test]
    fn reads_roles_from_role_and_hello() {
        let primary = Reply::Array(vec![
            bulk("master"),
            Reply::Integer(7),
            Reply::Array(vec![]),
        ]);
        assert_eq!(role(&primary), Some(Role::Master { offset: Some(7) }));
        assert_eq!(
            role(&list(&["slave", "10.0.0.1", "6379"])),
            Some(Role::Replica)
        );
        assert_eq!(role(&list(&["sentinel"])), Some(Role::Other));
        assert_eq!(role(&Reply::Null), None);
        let hello = list(&["server", "redis", "mode", "standalone", "role", "replica"]);
        assert_eq!(hello_role(&hello), Some(Role::Replica));
        let info = bulk("# Server\r\nredis_version:7.0.15\r\nrun_id:ab12\r\n");
        assert_eq!(info_run_id(&info).as_deref(), Some("ab12"));
    }

    #[test]
    fn tells_who_understands_capa_redirect() {
        let info = |versions: &str| info_knows_capa(&bulk(&format!("# Server\r\n{versions}\r\n")));
        assert!(info(
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1"
        ));
        assert!(info("redis_version:7.2.4\r\nvalkey_version:10.1.0"));
        assert!(!info("redis_version:7.2.4\r\nvalkey_version:7.2.9"));
        assert!(!info("redis_version:8.2.1"));
        assert!(!info_knows_capa(&Reply::Null));
        let hello = |server, version| {
            hello_knows_capa(&list(&["server", server, "version", version, "proto", "2"]))
        };
        assert!(hello("valkey", "9.1.2"));
        assert!(!hello("valkey", "7.2.9"));
        assert!(!hello("redis", "8.2.1"));
        assert!(!hello("valkey", "eight"));
    }
}
