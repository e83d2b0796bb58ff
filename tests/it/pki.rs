//! Certificates made for one test: a CA, what it signs, and clients that believe it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

/// Names of whoever listens in tests.
pub(crate) const LOCAL: [&str; 2] = ["127.0.0.1", "localhost"];

/// A CA and the directory of its files.
pub(crate) struct Pki {
    name: String,
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
    issued: AtomicUsize,
}

/// The files of one certificate.
#[derive(Clone)]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) cert: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

impl Pair {
    /// Both as they are in the files.
    pub(crate) fn read(&self) -> (String, String) {
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        (text(&self.cert), text(&self.key))
    }
}

impl Pki {
    /// A new CA with a name of its own.
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self::called(&format!("CA {number} of the tests"))
    }

    /// Another CA of the same name, as one that was made anew.
    pub(crate) fn made_anew(&self) -> Self {
        Self::called(&self.name)
    }

    fn called(name: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("steadfast-pki-")
            .tempdir()
            .unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        fs::write(dir.path().join("ca.pem"), cert.pem()).unwrap();
        Self {
            name: name.to_owned(),
            dir,
            issuer: Issuer::new(params, key),
            issued: AtomicUsize::new(0),
        }
    }

    /// Its own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for `names`.
    pub(crate) fn issue(&self, names: &[&str]) -> Pair {
        self.issue_until(names, 4000)
    }

    /// One that expired long ago.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Pair {
        self.issue_until(names, 2020)
    }

    fn issue_until(&self, names: &[&str], year: i32) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let pair = Pair {
            cert: self.dir.path().join(format!("{number}.pem")),
            key: self.dir.path().join(format!("{number}.key")),
        };
        fs::write(&pair.cert, cert.pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    /// A test client that believes this CA alone and shows `pair`, if there is one.
    pub(crate) fn trust(&self, pair: Option<&Pair>) -> Trust {
        self.trust_by(pair, rustls::ALL_VERSIONS)
    }

    /// As [`Pki::trust`], with these versions of TLS alone.
    pub(crate) fn trust_by(
        &self,
        pair: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Trust {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.ca()).unwrap();
        roots.add(ca).unwrap();
        let builder = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_file(&pair.cert).unwrap()];
                let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Trust {
            config: Arc::new(config),
            name: None,
        }
    }
}

/// How a test client secures its connections.
#[derive(Clone)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    name: Option<&'static str>,
}

impl Trust {
    /// Certificates must have this name, whatever address was dialled.
    pub(crate) fn expecting(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The beginning of a connection to `address`.
    pub(crate) fn begin(&self, address: SocketAddr) -> ClientConnection {
        let by_address = ServerName::IpAddress(address.ip().into());
        let name = self.name.map(|name| ServerName::try_from(name).unwrap());
        ClientConnection::new(self.config.clone(), name.unwrap_or(by_address)).unwrap()
    }
}

/// What a whole deployment is secured with: one certificate for every node, which is both a server's
/// and a client's, and is asked of every client.
#[derive(Clone)]
pub(crate) struct Secured {
    /// The CA.
    pub(crate) pki: Arc<Pki>,
    /// What nodes show.
    pub(crate) nodes: Pair,
    /// What the tests show.
    pub(crate) trust: Trust,
}

impl Secured {
    /// By a CA of its own.
    pub(crate) fn new() -> Self {
        let pki = Arc::new(Pki::new());
        let nodes = pki.issue(&LOCAL);
        let trust = pki.trust(Some(&pki.issue(&["tests"])));
        Self { pki, nodes, trust }
    }
}
