//! New certificates, keys and CAs are taken over while connections go on.
//!
//! Kubernetes swaps a symbolic link two levels up, which no watch on a file survives, and others
//! write in place: so the content is read again and compared.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::Unusable;
use super::expiry::Expiry;
use super::files::{Contents, Paths};
use super::handshakes::HandshakeCounts;
use super::{Client, Leg, Server};
use crate::reload::{Content, Occasion, Record, Schedule};

/// What a look at the files brought.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing that was not known.
    None,
    /// Something new, now in use.
    Renewed,
    /// Something new that cannot be used; what was in use still is.
    Refused(Unusable),
}

/// What the files held when they were last read, or why that could not be read.
pub(super) struct Seen(Mutex<Result<Contents, String>>);

impl Seen {
    pub(super) fn new(contents: Contents) -> Self {
        Self(Mutex::new(Ok(contents)))
    }

    /// Reads the files; what is new is given to `take`. Each state of them is news once.
    pub(super) fn refresh(
        &self,
        leg: Leg,
        paths: &Paths,
        take: impl FnOnce(&Contents) -> Result<(), Unusable>,
    ) -> News {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match paths.read(leg) {
            Ok(contents) if seen.as_ref().is_ok_and(|seen| *seen == contents) => News::None,
            Ok(contents) => {
                let taken = take(&contents);
                *seen = Ok(contents);
                taken.map_or_else(News::Refused, |()| News::Renewed)
            }
            Err(fault) => {
                let text = Err(fault.to_string());
                if seen.as_ref().err() == text.as_ref().err() {
                    return News::None;
                }
                *seen = text;
                News::Refused(fault)
            }
        }
    }
}

/// The legs of an endpoint that have TLS.
#[derive(Debug, Clone, Default)]
pub struct Legs {
    /// Clients to us.
    pub listen: Option<Arc<Server>>,
    /// Us to data nodes.
    pub upstream: Option<Arc<Client>>,
    /// Us to Sentinels.
    pub sentinel: Option<Arc<Client>>,
}

impl Legs {
    /// Whether no leg has TLS.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listen.is_none() && self.upstream.is_none() && self.sentinel.is_none()
    }

    /// Until when what each leg that has TLS uses is valid.
    #[must_use]
    pub fn expiries(&self) -> Vec<(Leg, Expiry)> {
        let listen = self
            .listen
            .iter()
            .map(|server| (Leg::Listen, server.expiry()));
        let clients = [&self.upstream, &self.sentinel].into_iter().flatten();
        listen
            .chain(clients.map(|client| (client.leg(), client.expiry())))
            .collect()
    }

    /// The handshakes of each leg that has TLS.
    #[must_use]
    pub fn handshakes(&self) -> Vec<(Leg, HandshakeCounts)> {
        let listen = self.listen.iter();
        let listen = listen.map(|server| (Leg::Listen, server.handshakes()));
        let clients = [&self.upstream, &self.sentinel].into_iter().flatten();
        listen
            .chain(clients.map(|client| (client.leg(), client.handshakes())))
            .collect()
    }

    /// Reads all files again, takes over what is new, and logs it, as of `whose` legs. Blocks.
    fn refresh(&self, whose: &str, occasion: Occasion, record: &Record) {
        let tell = |leg, news| tell(leg, whose, &news, occasion, record);
        if let Some(server) = &self.listen {
            tell(Leg::Listen, server.refresh());
        }
        for client in [&self.upstream, &self.sentinel].into_iter().flatten() {
            tell(client.leg(), client.refresh());
        }
    }
}

fn tell(leg: Leg, whose: &str, news: &News, occasion: Occasion, record: &Record) {
    let (leg, asked) = (leg.flag(), occasion == Occasion::Asked);
    if !matches!(news, News::None) {
        let files = format!("{leg} of {whose}");
        record.note(Content::Tls, &files, matches!(news, News::Renewed));
    }
    match news {
        News::None if asked => tracing::info!(
            event = "tls_unchanged",
            leg,
            "certificates, keys and CAs are what they were"
        ),
        News::None => {}
        News::Renewed => tracing::info!(
            event = "tls_renewed",
            leg,
            asked,
            "certificates, keys or CAs are new; connections that are open keep theirs"
        ),
        News::Refused(fault) => tracing::error!(
            event = "tls_not_renewed",
            leg,
            asked,
            error = %fault,
            "what is new cannot be used; the old is kept"
        ),
    }
}

/// Looks at the files of all legs of the endpoint called `whose` whenever it is due, for ever.
pub async fn watch(whose: String, legs: Legs, mut schedule: Schedule) {
    loop {
        let occasion = schedule.due().await;
        let (whose, legs, record) = (whose.clone(), legs.clone(), schedule.record());
        let span = tracing::Span::current();
        let look = move || span.in_scope(|| legs.refresh(&whose, occasion, &record));
        // A volume that hangs must hang nothing else. Nothing in there panics.
        let _ = tokio::task::spawn_blocking(look).await;
    }
}
