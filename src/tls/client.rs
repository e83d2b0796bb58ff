//! A leg on which we are the client: to data nodes, or to Sentinels.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, HandshakeKind};

use super::error::Unusable;
use super::expiry::Expiry;
use super::failure::Failure;
use super::files::{Contents, Paths};
use super::handshakes::{HandshakeCounts, Handshakes};
use super::reload::{News, Seen};
use super::tickets::Tickets;
use super::unverified::Unverified;
use super::{Leg, material, provider};

/// Nodes whose sessions are remembered; more than any set has.
const NODES_MAX: usize = 64;

/// How connections of one leg are secured. Shared by all who dial.
pub struct Client {
    leg: Leg,
    paths: Paths,
    server_name: Option<ServerName<'static>>,
    skip_verify: bool,
    seen: Seen,
    /// Names that addresses were found by; oldest first.
    names: Mutex<VecDeque<(IpAddr, ServerName<'static>)>>,
    prepared: ArcSwap<Prepared>,
    handshakes: Handshakes,
}

/// What follows from the files.
struct Prepared {
    base: ClientConfig,
    has_identity: bool,
    expiry: Expiry,
    /// One configuration for each node, so that each has its own sessions; oldest first.
    nodes: Mutex<VecDeque<(SocketAddr, Arc<ClientConfig>)>>,
}

impl Client {
    /// Reads the files. `server_name`, where given, is whom every certificate must name, whatever
    /// address was dialled. Blocks.
    ///
    /// # Errors
    /// When the files cannot be used.
    pub fn load(
        leg: Leg,
        paths: Paths,
        server_name: Option<String>,
        skip_verify: bool,
    ) -> Result<Self, Unusable> {
        let contents = paths.read(leg)?;
        let prepared = Prepared::new(leg, &paths, &contents, skip_verify)?;
        let parsed = |name: String| {
            let found = ServerName::try_from(name.clone());
            found.map_err(|_| Unusable::server_name(leg, &name))
        };
        Ok(Self {
            leg,
            paths,
            server_name: server_name.map(parsed).transpose()?,
            skip_verify,
            seen: Seen::new(contents),
            names: Mutex::default(),
            prepared: ArcSwap::from_pointee(prepared),
            handshakes: Handshakes::default(),
        })
    }

    /// The leg.
    #[must_use]
    pub fn leg(&self) -> Leg {
        self.leg
    }

    /// Until when what is in use is valid.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.prepared.load().expiry
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

    /// Whether any server is believed.
    #[must_use]
    pub fn skips_verification(&self) -> bool {
        self.skip_verify
    }

    /// From now on the certificate of whoever is at `ip` must name `host`, unless all have to name the
    /// same.
    pub fn expect(&self, ip: IpAddr, host: &str) {
        let Ok(name) = ServerName::try_from(host.to_owned()) else {
            return;
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|(known, _)| *known != ip);
        if names.len() >= NODES_MAX {
            names.pop_front();
        }
        names.push_back((ip, name));
    }

    /// What the certificate of `node`, which was dialled as `host`, must name.
    fn name_of(&self, node: SocketAddr, host: &str) -> Result<ServerName<'static>, Failure> {
        if let Some(name) = &self.server_name {
            return Ok(name.clone());
        }
        let ip = node.ip().to_canonical();
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, name)) = names.iter().find(|(known, _)| *known == ip) {
            return Ok(name.clone());
        }
        let name = ServerName::try_from(host.to_owned());
        name.map_err(|_| Failure::unusable_name(self.leg, host))
    }

    /// The beginning of a connection to `node`, which was dialled as `host`.
    ///
    /// # Errors
    /// When there is no name to expect in its certificate.
    pub fn begin(&self, node: SocketAddr, host: &str) -> Result<Connection, Failure> {
        let name = self.name_of(node, host)?;
        let prepared = self.prepared.load();
        ClientConnection::new(prepared.config_for(node), name)
            .map(Connection::Client)
            .map_err(|error| self.failure(error))
    }

    /// What a failed handshake means.
    #[must_use]
    pub fn failure(&self, error: rustls::Error) -> Failure {
        Failure::new(self.leg, self.prepared.load().has_identity, error)
    }

    /// Takes over what the files hold now, if it is something else than before. Blocks.
    pub(super) fn refresh(&self) -> News {
        self.seen.refresh(self.leg, &self.paths, |contents| {
            let prepared = Prepared::new(self.leg, &self.paths, contents, self.skip_verify)?;
            self.prepared.store(Arc::new(prepared));
            Ok(())
        })
    }
}

impl Prepared {
    fn new(
        leg: Leg,
        paths: &Paths,
        contents: &Contents,
        skip_verify: bool,
    ) -> Result<Self, Unusable> {
        let provider = provider();
        let rejected = |error: &dyn fmt::Display| Unusable::rejected(leg, error);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| rejected(&error))?;
        // Read in any case: a file that is named and cannot be used is a mistake.
        let roots = material::roots(leg, paths, contents)?;
        let builder = if skip_verify {
            let verifier = Arc::new(Unverified(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        } else {
            let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
            let verifier = verifier.build().map_err(|error| rejected(&error))?;
            builder.with_webpki_verifier(verifier)
        };
        let identity = material::identity(leg, paths, contents)?;
        let has_identity = identity.is_some();
        let base = match identity {
            Some(pair) => builder
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair))),
            None => builder.with_no_client_auth(),
        };
        Ok(Self {
            base,
            has_identity,
            expiry: Expiry::of(contents),
            nodes: Mutex::default(),
        })
    }

    fn config_for(&self, node: SocketAddr) -> Arc<ClientConfig> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, config)) = nodes.iter().find(|(known, _)| *known == node) {
            return config.clone();
        }
        let mut config = self.base.clone();
        config.resumption = Resumption::store(Arc::new(Tickets::default()));
        let config = Arc::new(config);
        if nodes.len() >= NODES_MAX {
            nodes.pop_front();
        }
        nodes.push_back((node, config.clone()));
        config
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("leg", &self.leg)
            .field("paths", &self.paths)
            .field("server_name", &self.server_name)
            .field("skip_verify", &self.skip_verify)
            .finish_non_exhaustive()
    }
}
