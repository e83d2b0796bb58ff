//! Hearing the events of one Sentinel address, on a connection of its own.
//!
//! Events only make discovery ask sooner. Where SUBSCRIBE is refused, polling alone goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};

use super::connection::{Connection, Reply};
use super::earshot::Earshot;
use super::error::{Error, Rejection, RejectionKind};
use super::event::{self, CHANNELS};
use super::message;
use super::sentinel::Settings;
use super::signal::{News, Signal, jitter};
use crate::net::HostPort;
use crate::secrets::Whose;

/// How often the connection is PINGed; silence for two of these ends it.
const PING_INTERVAL: Duration = Duration::from_secs(1);
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long subscribing may take.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(2);
/// Pause before the next attempt: doubled from the first to the last.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Pause after a refusal, which seldom changes.
const RETRY_REFUSED: Duration = Duration::from_secs(30);

/// Listens to one address for ever.
pub(super) struct Listener {
    pub(super) address: HostPort,
    pub(super) settings: Arc<Settings>,
    pub(super) out: mpsc::Sender<Signal>,
}

impl Listener {
    /// Ends only when nobody listens any more.
    pub(super) async fn run(self) {
        let mut pause = RETRY_MIN;
        while !self.out.is_closed() {
            let began = Instant::now();
            let error = match self.subscribe().await {
                Ok((connection, earshot)) => self.listen(connection, earshot).await,
                Err(error) => error,
            };
            if began.elapsed() > SUBSCRIBE_LIMIT * 2 {
                pause = RETRY_MIN;
            }
            let wait = match &error {
                Error::Rejected(Rejection { kind, .. }) if lasts(kind) => RETRY_REFUSED,
                _ => pause,
            };
            let error = error.advised(Whose::Sentinel);
            self.send(News::Unsubscribed { error }).await;
            sleep(jitter(wait / 2, wait)).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// Subscribes channel by channel, so that rights to a part of them are used.
    async fn subscribe(&self) -> Result<(Connection, Earshot), Error> {
        let credentials = self.settings.credentials.as_ref();
        let tls = self.settings.tls.as_ref();
        let limit = self.settings.connect_timeout;
        let mut connection = Connection::open(&self.address, tls, credentials, limit).await?;
        let commands: Vec<[&[u8]; 2]> = CHANNELS
            .iter()
            .map(|channel| [b"SUBSCRIBE".as_slice(), channel.as_bytes()])
            .collect();
        let commands: Vec<&[&[u8]]> = commands.iter().map(|args| args.as_slice()).collect();
        let attempt = async {
            connection.send(&commands).await?;
            self.confirmations(&mut connection).await
        };
        let earshot = timeout(SUBSCRIBE_LIMIT, attempt)
            .await
            .unwrap_or(Err(Error::TimedOut(SUBSCRIBE_LIMIT)))?;
        Ok((connection, earshot))
    }

    /// Collects one answer per channel, in their order; fails when none was granted.
    async fn confirmations(&self, connection: &mut Connection) -> Result<Earshot, Error> {
        let mut answers = Vec::with_capacity(CHANNELS.len());
        let mut refusal = None;
        let mut asked = CHANNELS.iter();
        while let Some(channel) = asked.as_slice().first() {
            match connection.receive().await? {
                Reply::Error(text) => {
                    let rejection = refusal.insert(Rejection::new(&text));
                    answers.push((*channel, Err(rejection.to_string())));
                }
                reply if is_kind(&reply, "subscribe") => answers.push((*channel, Ok(()))),
                other => {
                    self.deliver(&other).await;
                    continue;
                }
            }
            asked.next();
        }
        match (refusal, Earshot::of(answers)) {
            (Some(refusal), Earshot::Nothing(_)) => Err(Error::Rejected(refusal)),
            (_, earshot) => Ok(earshot),
        }
    }

    /// Hears events until the connection ends or falls silent.
    async fn listen(&self, mut connection: Connection, earshot: Earshot) -> Error {
        self.send(News::Subscribed(earshot)).await;
        let mut ping = interval(PING_INTERVAL);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                // What waits in the socket is heard before silence is judged.
                biased;
                reply = connection.receive() => match reply {
                    Ok(reply) => {
                        heard = Instant::now();
                        self.deliver(&reply).await;
                    }
                    Err(error) => return error,
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        return Error::TimedOut(SILENCE_MAX);
                    }
                    let ping: &[&[u8]] = &[b"PING"];
                    match timeout(PING_INTERVAL, connection.send(&[ping])).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error,
                        Err(_) => return Error::TimedOut(PING_INTERVAL),
                    }
                }
            }
        }
    }

    async fn deliver(&self, reply: &Reply) {
        let settings = &self.settings;
        if let Some(event) = event::read(reply, &settings.primary_name, &settings.address_map) {
            self.send(News::Event(event)).await;
        }
    }

    async fn send(&self, news: News) {
        let from = self.address.clone();
        // Fails only when the main loop is gone; `run` looks for that.
        let _ = self.out.send(Signal::Sentinel { from, news }).await;
    }
}

/// Whether a refusal stays until somebody changes the Sentinel's configuration. A password may just
/// be in the middle of being replaced.
fn lasts(kind: &RejectionKind) -> bool {
    !matches!(
        kind,
        RejectionKind::MaxClients | RejectionKind::Loading | RejectionKind::WrongPass
    )
}

fn is_kind(reply: &Reply, kind: &str) -> bool {
    match reply {
        Reply::Array(parts) => parts.first().and_then(message::text) == Some(kind),
        _ => false,
    }
}
