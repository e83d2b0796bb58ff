//! From PEM to what rustls takes; pure but for the system's own CAs.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::error::{Part, Unusable, Why};
use super::files::{Contents, Paths};
use super::{Leg, provider};

/// What an encrypted key's block begins with, in the two forms OpenSSL writes.
const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// Whom to believe: the CA file, or whom the system believes, or else the browsers' list we carry.
pub(super) fn roots(
    leg: Leg,
    paths: &Paths,
    contents: &Contents,
) -> Result<RootCertStore, Unusable> {
    let Some(bytes) = &contents.ca else {
        return Ok(common_roots().clone());
    };
    let fault = |why| paths.fault(leg, Part::Ca, why);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(bytes).map_err(fault)? {
        let added = roots.add(certificate);
        added.map_err(|error| fault(Why::BadCertificate(error)))?;
    }
    Ok(roots)
}

/// Read once: it takes long, and does not change under a running process.
fn common_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}

/// Our certificate with its key, if there is one.
pub(super) fn identity(
    leg: Leg,
    paths: &Paths,
    contents: &Contents,
) -> Result<Option<Arc<CertifiedKey>>, Unusable> {
    let (cert, key) = match (&contents.cert, &contents.key) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(Unusable::half(leg, Part::Cert, Part::Key)),
        (None, Some(_)) => return Err(Unusable::half(leg, Part::Key, Part::Cert)),
        (Some(cert), Some(key)) => (cert, key),
    };
    let chain = certificates(cert).map_err(|why| paths.fault(leg, Part::Cert, why))?;
    let key = private_key(key).map_err(|why| paths.fault(leg, Part::Key, why))?;
    let pair = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => paths.fault(leg, Part::Key, Why::Mismatch),
        rustls::Error::InvalidCertificate(_) => {
            paths.fault(leg, Part::Cert, Why::BadCertificate(error))
        }
        _ => paths.fault(leg, Part::Key, Why::BadKey),
    })?;
    Ok(Some(Arc::new(pair)))
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Why> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(Why::NoCertificate),
        Ok(found) => Ok(found),
        Err(_) => Err(Why::HalfWritten),
    }
}

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Why> {
    let holds = |text: &&[u8]| bytes.windows(text.len()).any(|window| window == *text);
    if ENCRYPTED.iter().any(holds) {
        return Err(Why::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => Why::NoKey,
        _ => Why::HalfWritten,
    })
}
