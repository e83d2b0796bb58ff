//! The leg on which clients connect to us.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{Connection, HandshakeKind, ServerConfig, ServerConnection};

use super::error::{Part, Unusable};
use super::expiry::Expiry;
use super::failure::Failure;
use super::files::{Contents, Paths};
use super::handshakes::{HandshakeCounts, Handshakes};
use super::reload::{News, Seen};
use super::{Leg, material, provider};

/// How clients' connections are secured. With a CA, clients have to show a certificate of it.
pub struct Server {
    paths: Paths,
    seen: Seen,
    config: ArcSwap<ServerConfig>,
    expiry: ArcSwap<Expiry>,
    handshakes: Handshakes,
}

impl Server {
    /// Reads the files. Blocks.
    ///
    /// # Errors
    /// When they cannot be used, or there is no certificate.
    pub fn load(paths: Paths) -> Result<Self, Unusable> {
        let contents = paths.read(Leg::Listen)?;
        let config = prepare(&paths, &contents)?;
        Ok(Self {
            paths,
            expiry: ArcSwap::from_pointee(Expiry::of(&contents)),
            seen: Seen::new(contents),
            config: ArcSwap::from_pointee(config),
            handshakes: Handshakes::default(),
        })
    }

    /// Whether clients have to show a certificate.
    #[must_use]
    pub fn requires_certificates(&self) -> bool {
        self.paths.ca.is_some()
    }

    /// Until when what is in use is valid.
    pub fn expiry(&self) -> Expiry {
        **self.expiry.load()
    }

    /// Counts a handshake that was completed.
    pub fn note_handshake(&self, kind: Option<HandshakeKind>) {
        self.handshakes.note(kind);
    }

    /// The handshakes of so far.
    #[must_use]
    pub fn handshakes(&self) -> HandshakeCounts {
        self.handshakes.load()
    }

    /// The beginning of a client's connection.
    ///
    /// # Errors
    /// Never with what [`Server::load`] accepts.
    pub fn begin(&self) -> Result<Connection, Failure> {
        ServerConnection::new(self.config.load_full())
            .map(Connection::Server)
            .map_err(|error| self.failure(error))
    }

    /// What a failed handshake means.
    #[must_use]
    pub fn failure(&self, error: rustls::Error) -> Failure {
        Failure::new(Leg::Listen, true, error)
    }

    /// Takes over what the files hold now, if it is something else than before. Blocks.
    pub(super) fn refresh(&self) -> News {
        self.seen.refresh(Leg::Listen, &self.paths, |contents| {
            self.config.store(Arc::new(prepare(&self.paths, contents)?));
            self.expiry.store(Arc::new(Expiry::of(contents)));
            Ok(())
        })
    }
}

/// With tickets of its own: a session that began under another CA is not resumed under this one.
fn prepare(paths: &Paths, contents: &Contents) -> Result<ServerConfig, Unusable> {
    let provider = provider();
    let rejected = |error: &dyn fmt::Display| Unusable::rejected(Leg::Listen, error);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| rejected(&error))?;
    let builder = if paths.ca.is_some() {
        let roots = material::roots(Leg::Listen, paths, contents)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let verifier = verifier.build().map_err(|error| rejected(&error))?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let Some(pair) = material::identity(Leg::Listen, paths, contents)? else {
        return Err(Unusable::missing(Leg::Listen, Part::Cert, Part::Key));
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.ticketer = Ticketer::new().map_err(|error| rejected(&error))?;
    // Tickets carry all there is to know, so nothing is kept for clients that may never come back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}
