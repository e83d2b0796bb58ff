//! Asks one Sentinel everything that discovery will want to know from it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::explain::{self, Party};
use super::tls::{self, Speech};
use crate::config::Config;
use crate::discovery::connection::{Connection, Reply};
use crate::discovery::earshot::Earshot;
use crate::discovery::error::{Error, Rejection, RejectionKind};
use crate::discovery::event::CHANNELS;
use crate::discovery::message::{self, BadAnswer, MasterFields, Peer, Reading};
use crate::net::HostPort;

/// Primary names listed when the one asked for is unknown.
const NAMES_MAX: usize = 20;

/// One Sentinel and what it said.
#[derive(Debug)]
pub(super) struct Sentinel {
    /// Where it was asked.
    pub(super) address: HostPort,
    /// Another Sentinel named it.
    pub(super) learned: bool,
    /// What it said, or what to do about it.
    pub(super) answer: Result<Answer, String>,
}

/// What a Sentinel says about the set.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) run_id: Option<String>,
    pub(super) primary: HostPort,
    pub(super) fields: MasterFields,
    pub(super) flags: String,
    pub(super) peers: Vec<Peer>,
    pub(super) replicas: Vec<HostPort>,
    /// How much of what it publishes it lets us hear.
    pub(super) earshot: Earshot,
    /// What it refused to tell, if anything.
    pub(super) denied: Vec<&'static str>,
}

/// Asks the Sentinel at `address`; takes a few `--connect-timeout`s at most.
pub(super) async fn ask(config: Arc<Config>, address: HostPort, learned: bool) -> Sentinel {
    let limit = config.connect_timeout;
    let answer = match resolved(&address, limit).await {
        Err(sentence) => Err(sentence),
        Ok(()) => match converse(&config, &address).await {
            Ok(answer) => answer,
            Err(error) => Err(explained(&config, Party::Sentinel, &address, error).await),
        },
    };
    Sentinel {
        address,
        learned,
        answer,
    }
}

/// Whether the name has an address; said apart from a port that does not answer.
pub(super) async fn resolved(address: &HostPort, limit: Duration) -> Result<(), String> {
    match timeout(limit, address.resolve()).await {
        Ok(Err(error)) => Err(explain::unresolved(&address.host, &error)),
        // Too slow for us is too slow for the dial, which says so.
        _ => Ok(()),
    }
}

/// The sentence for `error`, with a second look at ports that hang up or talk something else.
pub(super) async fn explained(
    config: &Config,
    party: Party,
    address: &HostPort,
    error: Error,
) -> String {
    let tls = match party {
        Party::Sentinel => &config.tls.sentinel,
        Party::Server(_) => &config.tls.upstream,
    };
    let look = || tls::listen_to(address, config.connect_timeout);
    let speech = match error {
        // What speaks TLS has said by now what it does not like.
        Error::Unreachable(_) | Error::TimedOut(_) | Error::Lost(_) if tls.is_some() => {
            Some(look().await).filter(|speech| *speech == Speech::Resp)
        }
        Error::Lost(_) | Error::Protocol(_) => Some(look().await),
        _ => None,
    };
    explain::failure(party, &error, speech)
}

async fn converse(config: &Config, address: &HostPort) -> Result<Result<Answer, String>, Error> {
    let limit = config.connect_timeout;
    let credentials = config.sentinel_credentials.as_ref();
    let mut connection =
        Connection::open(address, config.tls.sentinel.as_ref(), credentials, limit).await?;
    let name = config.primary_name.as_bytes();
    let master: &[&[u8]] = &[b"SENTINEL", b"MASTER", name];
    let middle: &[&[u8]] = &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name];
    let [before, address, after] = three(
        connection
            .pipeline(&[master, middle, master], limit)
            .await?,
    )?;
    let (before, address, after) = match (before, address, after) {
        (Ok(before), Ok(address), Ok(after)) => (before, address, after),
        (_, Ok(Reply::Null), _) => return Ok(Err(unknown(config, &mut connection).await)),
        (Err(rejection), ..) if rejection.kind == RejectionKind::NoSuchMaster => {
            return Ok(Err(unknown(config, &mut connection).await));
        }
        (Err(rejection), ..) | (_, Err(rejection), _) | (_, _, Err(rejection)) => {
            return Err(Error::Rejected(rejection));
        }
    };
    let reading = reading(config, &connection);
    let (primary, fields) = match message::consistent(&before, &address, &after, reading) {
        Ok(read) => read,
        Err(bad) => return Ok(Err(unusable(bad))),
    };
    let mut answer = Answer {
        run_id: None,
        primary,
        fields,
        flags: message::field(&after, "flags")
            .unwrap_or_default()
            .to_owned(),
        peers: Vec::new(),
        replicas: Vec::new(),
        earshot: Earshot::All,
        denied: Vec::new(),
    };
    surroundings(config, &mut connection, &mut answer).await?;
    answer.earshot = subscribe(&mut connection, limit).await;
    Ok(Ok(answer))
}

/// Everybody else, as far as the Sentinel may tell.
async fn surroundings(
    config: &Config,
    connection: &mut Connection,
    answer: &mut Answer,
) -> Result<(), Error> {
    let name = config.primary_name.as_bytes();
    let reading = reading(config, connection);
    let questions: [&[&[u8]]; 3] = [
        &[b"SENTINEL", b"SENTINELS", name],
        &[b"SENTINEL", b"REPLICAS", name],
        &[b"SENTINEL", b"MYID"],
    ];
    let replies = connection
        .pipeline(&questions, config.connect_timeout)
        .await?;
    let [sentinels, replicas, run_id] = three(replies)?;
    match sentinels {
        Ok(reply) => answer.peers = message::peers(&reply, reading),
        Err(_) => answer.denied.push("SENTINEL SENTINELS"),
    }
    match replicas {
        Ok(reply) => answer.replicas = read_replicas(&reply, reading),
        Err(_) => answer.denied.push("SENTINEL REPLICAS"),
    }
    match run_id {
        Ok(reply) => answer.run_id = message::run_id(&reply),
        Err(_) => answer.denied.push("SENTINEL MYID"),
    }
    Ok(())
}

fn reading<'a>(config: &'a Config, connection: &Connection) -> Reading<'a> {
    Reading {
        on_loopback: connection.is_loopback(),
        map: &config.address_map,
    }
}

fn read_replicas(reply: &Reply, reading: Reading<'_>) -> Vec<HostPort> {
    let Reply::Array(entries) = reply else {
        return Vec::new();
    };
    let address = |entry: &Reply| {
        let host = message::field(entry, "ip")?;
        let port = message::field(entry, "port")?;
        message::host_port(host, port, reading).ok()
    };
    entries.iter().filter_map(address).collect()
}

/// Subscribes to everything discovery listens to; last on its connection, which then takes no
/// other command.
async fn subscribe(connection: &mut Connection, limit: Duration) -> Earshot {
    let commands: Vec<[&[u8]; 2]> = CHANNELS
        .iter()
        .map(|channel| [b"SUBSCRIBE".as_slice(), channel.as_bytes()])
        .collect();
    let commands: Vec<&[&[u8]]> = commands.iter().map(<[&[u8]; 2]>::as_slice).collect();
    match connection.pipeline(&commands, limit).await {
        Ok(replies) => {
            let answer = |reply: Result<Reply, Rejection>| match reply {
                Ok(_) => Ok(()),
                Err(rejection) => Err(rejection.to_string()),
            };
            let answers = replies.into_iter().map(answer);
            Earshot::of(CHANNELS.iter().copied().zip(answers))
        }
        Err(error) => Earshot::Nothing(error.to_string()),
    }
}

async fn unknown(config: &Config, connection: &mut Connection) -> String {
    let ask: &[&[u8]] = &[b"SENTINEL", b"MASTERS"];
    let names = match connection.request(ask, config.connect_timeout).await {
        Ok(Reply::Array(entries)) => entries
            .iter()
            .filter_map(|entry| message::field(entry, "name"))
            .take(NAMES_MAX)
            .map(|name| name.escape_debug().to_string())
            .collect(),
        _ => Vec::new(),
    };
    explain::unknown_name(&config.primary_name, &names)
}

fn unusable(bad: BadAnswer) -> String {
    let advice = match bad {
        BadAnswer::Loopback => {
            "clients elsewhere could not reach that: let the servers announce an address others can reach (replica-announce-ip, or `SENTINEL MONITOR` with one), or say with --address-map where they are"
        }
        BadAnswer::EmptyHost => "its DNS fails: check name resolution on the Sentinel's machine",
        BadAnswer::Torn => "a failover goes on right now: check again in a few seconds",
        _ => "check host and port",
    };
    format!("{bad}: {advice}")
}

/// Exactly three replies to three questions.
pub(super) fn three<T>(replies: Vec<T>) -> Result<[T; 3], Error> {
    let wrong = |_| Error::Unexpected("a wrong number of replies");
    replies.try_into().map_err(wrong)
}
