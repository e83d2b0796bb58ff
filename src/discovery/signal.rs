//! What discovery's own tasks tell its main loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::earshot::Earshot;
use super::election::Says;
use super::event::Event;
use super::message::{BadAnswer, Following, MasterFields, Peer};
use crate::net::HostPort;
use crate::resp::Commands;

/// Signals queued towards the main loop; a task with more to say waits.
pub(super) const SIGNALS_MAX: usize = 256;

/// One piece of news.
#[derive(Debug)]
pub(super) enum Signal {
    /// From or about a Sentinel.
    Sentinel { from: HostPort, news: News },
    /// From a watch of a data node.
    Reading(Reading),
    /// The primary of this generation told of its commands.
    Commands {
        generation: u64,
        commands: Arc<Commands>,
    },
    /// A configured name was looked up.
    Resolved {
        seed: HostPort,
        result: Result<Vec<SocketAddr>, String>,
    },
}

/// From or about one Sentinel.
#[derive(Debug)]
pub(super) enum News {
    /// It answered a poll sent at `asked`.
    Answer {
        asked: Instant,
        run_id: String,
        result: Result<(HostPort, MasterFields), BadAnswer>,
    },
    /// A poll begun at `asked` brought nothing.
    Failed { asked: Instant, error: String },
    /// The peers it knows.
    Peers(Vec<Peer>),
    /// The replicas it knows.
    Replicas(Vec<HostPort>),
    /// It published something about our primary.
    Event(Event),
    /// Its events reach us from now on, as far as it grants them.
    Subscribed(Earshot),
    /// Its events do not reach us.
    Unsubscribed { error: String },
}

/// What one look at a data node showed.
#[derive(Debug)]
pub(super) struct Reading {
    /// Which watch looked; addresses come back, numbers do not.
    pub(super) watch: u64,
    pub(super) address: HostPort,
    /// When the question was sent: what it proves, it proves from here on.
    pub(super) sent: Instant,
    pub(super) says: Says,
    /// Told once per connection, where permitted.
    pub(super) run_id: Option<String>,
    /// Where the connection led.
    pub(super) peer: Option<SocketAddr>,
    /// It understands `CLIENT CAPA redirect`, as far as is known.
    pub(super) knows_capa: bool,
    /// The replication offset of a primary.
    pub(super) offset: Option<i64>,
    /// Whom a replica follows, where it may be asked.
    pub(super) following: Option<Following>,
    /// Why it says no better, in a sentence.
    pub(super) error: Option<String>,
}

/// A random duration between the two bounds, so that many processes do not act in step.
pub(super) fn jitter(from: Duration, to: Duration) -> Duration {
    let span = to.saturating_sub(from);
    from + span * u32::try_from(random() % 1024).unwrap_or(0) / 1024
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    #[cfg(test)]
    if let Some(network) = crate::simulation::Network::current() {
        return network.random();
    }
    RandomState::new().hash_one(())
}
