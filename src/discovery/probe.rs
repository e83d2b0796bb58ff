//! One look at a data node over a control connection of our own: is it alive, and what is it? How
//! often it is looked at is `watch`'s business, what follows from it `steering`'s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Reply};
use super::election::Says;
use super::error::{Error, Rejection, RejectionKind};
use super::message::{self, Following, Role};
use super::signal::Reading;
use crate::net::HostPort;
use crate::secrets::{Credentials, Whose};
use crate::tls::Client;

/// How a node is logged in to and how long it may take.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) tls: Option<Arc<Client>>,
    pub(super) credentials: Option<Credentials>,
    pub(super) whose: Whose,
    pub(super) connect_timeout: Duration,
    pub(super) heartbeat_timeout: Duration,
}

/// What one look showed.
#[derive(Debug)]
pub(super) struct Look {
    sent: Instant,
    says: Says,
    identity: Identity,
    offset: Option<i64>,
    following: Option<Following>,
    error: Option<String>,
}

impl Look {
    /// As it is told to the main loop.
    pub(super) fn reading(self, watch: u64, address: &HostPort) -> Reading {
        Reading {
            watch,
            address: address.clone(),
            sent: self.sent,
            says: self.says,
            run_id: self.identity.run_id,
            peer: self.identity.peer,
            knows_capa: self.identity.knows_capa,
            offset: self.offset,
            following: self.following,
            error: self.error,
        }
    }
}

/// A control connection to a data node, opened when needed.
pub(super) struct Probe {
    address: HostPort,
    settings: Arc<Settings>,
    connection: Option<Connection>,
    /// The process that answers on `connection`, as far as it told.
    identity: Identity,
}

/// What a process tells of itself, once per connection.
#[derive(Debug, Clone, Default)]
struct Identity {
    run_id: Option<String>,
    peer: Option<SocketAddr>,
    knows_capa: bool,
}

/// The replies of one look.
struct Pulse {
    sent: Instant,
    ping: Result<Reply, Rejection>,
    role: Result<Option<Role>, Rejection>,
    following: Option<Following>,
    identity: Identity,
}

impl Probe {
    pub(super) fn new(address: HostPort, settings: Arc<Settings>) -> Self {
        Self {
            address,
            settings,
            connection: None,
            identity: Identity::default(),
        }
    }

    /// Asks the node what it is; none when the fault lies with us and nothing was learned.
    ///
    /// A kept connection may have been cut for itself alone (CLIENT KILL, a restart); only when a
    /// fresh one fails too does that say something about the node.
    pub(super) async fn look(&mut self) -> Option<Look> {
        let reused = self.connection.is_some();
        let began = Instant::now();
        let mut result = self.pulse().await;
        if reused && matches!(result, Err(Error::Lost(_))) {
            self.connection = None;
            result = self.pulse().await;
        }
        match result {
            Ok(pulse) => Some(judge(pulse, self.settings.whose)),
            Err(error) => {
                self.connection = None;
                (!error.is_local()).then(|| without_pulse(began, &error, self.settings.whose))
            }
        }
    }

    async fn pulse(&mut self) -> Result<Pulse, Error> {
        let limit = self.settings.heartbeat_timeout;
        let fresh = self.connection.is_none();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            vacant => vacant.insert(
                Connection::open(
                    &self.address,
                    self.settings.tls.as_ref(),
                    self.settings.credentials.as_ref(),
                    self.settings.connect_timeout,
                )
                .await?,
            ),
        };
        let sent = Instant::now();
        let ping: &[&[u8]] = &[b"PING"];
        let role: &[&[u8]] = &[b"ROLE"];
        let mut replies = connection.pipeline(&[ping, role], limit).await?.into_iter();
        let (Some(ping), Some(role)) = (replies.next(), replies.next()) else {
            return Err(Error::Unexpected("too few replies"));
        };
        let following = role.as_ref().ok().and_then(message::following);
        let role = match role {
            Ok(reply) => Ok(message::role(&reply)),
            Err(rejection) => hello_role(connection, rejection, limit).await?,
        };
        if fresh {
            self.identity = Identity {
                peer: connection.peer_addr(),
                ..identify(connection, limit).await?
            };
        }
        Ok(Pulse {
            sent,
            ping,
            role,
            following,
            identity: self.identity.clone(),
        })
    }
}

/// ROLE is in the dangerous category and often not granted; HELLO tells the role too, and is
/// answered even while a script runs.
async fn hello_role(
    connection: &mut Connection,
    rejection: Rejection,
    limit: Duration,
) -> Result<Result<Option<Role>, Rejection>, Error> {
    if !matches!(rejection.kind, RejectionKind::NoPerm | RejectionKind::Busy) {
        return Ok(Err(rejection));
    }
    match connection.request(&[b"HELLO"], limit).await {
        Ok(reply) => Ok(Ok(message::hello_role(&reply))),
        Err(Error::Rejected(_)) => Ok(Err(rejection)),
        Err(error) => Err(error),
    }
}

/// Tells a restarted node from the one before, and what it understands; not everybody may ask, and
/// HELLO tells the version too.
async fn identify(connection: &mut Connection, limit: Duration) -> Result<Identity, Error> {
    match connection.request(&[b"INFO", b"server"], limit).await {
        Ok(reply) => {
            return Ok(Identity {
                run_id: message::info_run_id(&reply),
                knows_capa: message::info_knows_capa(&reply),
                ..Identity::default()
            });
        }
        Err(Error::Rejected(rejection)) if rejection.kind == RejectionKind::NoPerm => {}
        Err(Error::Rejected(_)) => return Ok(Identity::default()),
        Err(error) => return Err(error),
    }
    match connection.request(&[b"HELLO"], limit).await {
        Ok(reply) => Ok(Identity {
            knows_capa: message::hello_knows_capa(&reply),
            ..Identity::default()
        }),
        Err(Error::Rejected(_)) => Ok(Identity::default()),
        Err(error) => Err(error),
    }
}

fn judge(pulse: Pulse, whose: Whose) -> Look {
    let mut offset = None;
    let (says, error) = match (&pulse.ping, &pulse.role) {
        (_, Ok(Some(Role::Replica))) => (Says::Replica, None),
        (_, Ok(Some(Role::Other))) => (Says::Replica, Some("it is no data node".to_owned())),
        (Err(ping), _) if ping.kind == RejectionKind::Loading => {
            (Says::Nothing, Some("it is loading its data".to_owned()))
        }
        (_, Ok(Some(Role::Master { offset: told }))) => {
            offset = *told;
            (Says::Master, None)
        }
        (_, Ok(None)) => (Says::Alive, Some("its role reply is unknown".to_owned())),
        (_, Err(rejection)) => (says(rejection.kind), Some(rejection.advised(whose))),
    };
    Look {
        sent: pulse.sent,
        says,
        identity: pulse.identity,
        offset,
        following: pulse.following,
        error,
    }
}

fn without_pulse(sent: Instant, error: &Error, whose: Whose) -> Look {
    Look {
        sent,
        says: match error {
            Error::Rejected(rejection) => says(rejection.kind),
            _ => Says::Nothing,
        },
        identity: Identity::default(),
        offset: None,
        following: None,
        error: Some(error.advised(whose)),
    }
}

/// What an error reply to a login or a role question says about the node.
fn says(kind: RejectionKind) -> Says {
    match kind {
        RejectionKind::NoAuth | RejectionKind::WrongPass | RejectionKind::NoPerm => Says::MayNotAsk,
        RejectionKind::Loading => Says::Nothing,
        _ => Says::Alive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(ping: Option<&str>, role: Result<Role, &str>) -> Says {
        let pulse = Pulse {
            sent: Instant::now(),
            ping: match ping {
                None => Ok(Reply::SimpleString(b"PONG".to_vec())),
                Some(text) => Err(Rejection::new(text)),
            },
            role: role.map(Some).map_err(Rejection::new),
            following: None,
            identity: Identity::default(),
        };
        judge(pulse, Whose::Nobody).says
    }

    #[test]
    fn judges_by_role_and_takes_odd_answers_for_life() {
        let master = || Ok(Role::Master { offset: None });
        assert_eq!(pulse(None, master()), Says::Master);
        assert_eq!(pulse(Some("MISCONF disk"), master()), Says::Master);
        assert_eq!(pulse(None, Ok(Role::Replica)), Says::Replica);
        assert_eq!(
            pulse(Some("MASTERDOWN x"), Ok(Role::Replica)),
            Says::Replica
        );
        assert_eq!(pulse(Some("LOADING x"), master()), Says::Nothing);
        assert_eq!(pulse(Some("NOAUTH x"), Err("NOAUTH x")), Says::MayNotAsk);
        assert_eq!(pulse(None, Err("NOPERM x")), Says::MayNotAsk);
        assert_eq!(pulse(Some("BUSY x"), Err("BUSY x")), Says::Alive);
        let full = Error::Rejected(Rejection::new("ERR max number of clients reached"));
        let says = |error: &Error| without_pulse(Instant::now(), error, Whose::Nobody).says;
        assert_eq!(says(&full), Says::Alive);
        let gone = Error::TimedOut(Duration::from_secs(1));
        assert_eq!(says(&gone), Says::Nothing);
    }
}
