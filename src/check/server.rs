//! Asks one primary or replica who it is and how it is set up.

use std::sync::Arc;

use super::explain::Party;
use super::sentinel::{explained, resolved};
use crate::config::Config;
use crate::discovery::connection::{Connection, Reply};
use crate::discovery::error::{Error, Rejection, RejectionKind};
use crate::discovery::message::{self, Role};
use crate::net::HostPort;
use crate::secrets::Whose;

/// Settings that should not change with a failover.
pub(super) const SETTINGS: [&str; 6] = [
    "maxmemory-policy",
    "timeout",
    "notify-keyspace-events",
    "min-replicas-to-write",
    "save",
    "appendonly",
];
/// Longest setting shown.
const SETTING_LEN_MAX: usize = 60;

/// One data server and what it said.
#[derive(Debug)]
pub(super) struct Server {
    /// Where it was asked.
    pub(super) address: HostPort,
    /// What it said, or what to do about it.
    pub(super) answer: Result<Answer, String>,
}

/// What a data server says about itself.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// Its role, or what kept us from learning it.
    pub(super) role: Result<Role, Rejection>,
    /// What it calls this run of itself; none where it may not be asked.
    pub(super) run_id: Option<String>,
    /// It is part of a Cluster.
    pub(super) cluster: bool,
    /// Values of [`SETTINGS`], in their order; none where it may not be asked.
    pub(super) settings: Option<Vec<String>>,
}

/// Asks the server at `address`; takes a few `--connect-timeout`s at most.
pub(super) async fn ask(config: Arc<Config>, address: HostPort) -> Server {
    let answer = match resolved(&address, config.connect_timeout).await {
        Err(sentence) => Err(sentence),
        Ok(()) => ask_with_each_login(&config, &address).await,
    };
    Server { address, answer }
}

/// The clients' login is tried as well where Steadfast's own checks have another.
async fn ask_with_each_login(config: &Config, address: &HostPort) -> Result<Answer, String> {
    let limit = config.connect_timeout;
    let (whose, _) = config.checks_as();
    let answer = match converse(config, address).await {
        Ok(answer) => answer,
        Err(error) => return Err(explained(config, Party::Server(whose), address, error).await),
    };
    if whose == Whose::Control && config.login.is_some() {
        let party = Party::Server(Whose::Clients);
        if let Err(error) = Connection::open(
            address,
            config.tls.upstream.as_ref(),
            config.login.as_ref(),
            limit,
        )
        .await
        {
            return Err(explained(config, party, address, error).await);
        }
    }
    Ok(answer)
}

async fn converse(config: &Config, address: &HostPort) -> Result<Answer, Error> {
    let limit = config.connect_timeout;
    let (_, credentials) = config.checks_as();
    let mut connection =
        Connection::open(address, config.tls.upstream.as_ref(), credentials, limit).await?;
    let mut replies = connection
        .pipeline(&[&[b"ROLE"], &[b"HELLO"], &[b"INFO", b"server"]], limit)
        .await?
        .into_iter();
    let (Some(role), Some(hello), Some(info)) = (replies.next(), replies.next(), replies.next())
    else {
        return Err(Error::Unexpected("a wrong number of replies"));
    };
    let cluster = matches!(&hello, Ok(hello) if message::field(hello, "mode") == Some("cluster"));
    let role = match (role, hello) {
        (Ok(reply), _) => Ok(message::role(&reply).unwrap_or(Role::Other)),
        // ROLE is an administrator's command, HELLO is everybody's and says it too.
        (Err(rejection), Ok(hello)) => message::hello_role(&hello).ok_or(rejection),
        (Err(rejection), Err(_)) => Err(rejection),
    };
    if let Err(rejection) = &role {
        refuse_the_unusable(rejection)?;
    }
    Ok(Answer {
        role,
        run_id: info.ok().as_ref().and_then(message::info_run_id),
        cluster,
        settings: settings(&mut connection, config).await?,
    })
}

/// A server that wants a login, or grants no right to ask, still serves: clients log in
/// themselves. Whatever else it says instead of its role needs somebody to look.
fn refuse_the_unusable(rejection: &Rejection) -> Result<(), Error> {
    match rejection.kind {
        RejectionKind::NoAuth | RejectionKind::NoPerm | RejectionKind::Busy => Ok(()),
        _ => Err(Error::Rejected(rejection.clone())),
    }
}

async fn settings(
    connection: &mut Connection,
    config: &Config,
) -> Result<Option<Vec<String>>, Error> {
    // One question each: only newer servers take several names at once.
    let questions = SETTINGS.map(|name| [b"CONFIG".as_slice(), b"GET", name.as_bytes()]);
    let questions = questions.each_ref().map(<[&[u8]; 3]>::as_slice);
    let replies = connection
        .pipeline(&questions, config.connect_timeout)
        .await?;
    let value = |(name, reply): (&str, Result<Reply, Rejection>)| {
        let reply = reply.ok()?;
        let value = message::field(&reply, name).unwrap_or_default();
        Some(value.escape_debug().take(SETTING_LEN_MAX).collect())
    };
    Ok(SETTINGS.into_iter().zip(replies).map(value).collect())
}
