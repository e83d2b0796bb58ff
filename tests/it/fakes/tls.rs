//! A port that speaks TLS with a certificate of the test's choice, and nothing after the handshake.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::Acceptor;
use crate::pki::Pair;

/// A listener that ends its handshakes and then its connections.
pub(crate) struct FakeTls {
    acceptor: Acceptor,
}

impl FakeTls {
    /// One that shows `pair`.
    pub(crate) fn start(pair: &Pair) -> Self {
        let chain = vec![CertificateDer::from_pem_file(&pair.cert).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let acceptor = Acceptor::start(move |mut stream, stop| {
            let mut session = ServerConnection::new(config.clone()).unwrap();
            while session.is_handshaking() && !stop.load(Ordering::Relaxed) {
                match session.complete_io(&mut stream) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        });
        Self { acceptor }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.address
    }
}
