//! Goal: each leg can be encrypted by itself, and nothing that holds without TLS is lost with it.
//! Method: real servers and Sentinels that speak TLS alone, certificates of a CA of the test, and
//! every way in which a certificate, a file or a peer can be wrong.

mod legs;
mod peers;
mod redis_rs;
mod reload;
mod resumption;
mod rotation;
mod trouble;

use crate::pki::Secured;
use crate::proxy::Builder;

/// Flags for one leg: the CA, and a certificate to show.
pub(crate) fn leg(proxy: Builder, leg: &str, by: &Secured) -> Builder {
    proxy
        .flag(&format!("--{leg}-tls-ca-file"), by.pki.ca())
        .flag(&format!("--{leg}-tls-cert-file"), &by.nodes.cert)
        .flag(&format!("--{leg}-tls-key-file"), &by.nodes.key)
}

/// Flags for all three legs, each asking for a certificate.
pub(crate) fn all_legs(proxy: Builder, by: &Secured) -> Builder {
    let proxy = leg(leg(proxy, "upstream", by), "sentinel", by);
    leg(proxy, "listen", by).flag("--listen-tls", "127.0.0.1:0")
}
