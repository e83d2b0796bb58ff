//! TLS without sockets: which certificates, keys and CAs each leg has, whom it believes, and what a
//! failed handshake means in words.
//!
//! A leg is [`Server`] (clients to us) or [`Client`] (us to data nodes, us to Sentinels). Each reads
//! its files at the start and again when their content changes ([`watch`]); what does not parse then
//! leaves the old in place. Moving bytes is `net`'s.

mod client;
mod error;
mod expiry;
mod failure;
mod files;
mod handshakes;
mod material;
mod reload;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod tickets;
mod unverified;

pub use client::Client;
pub use error::Unusable;
pub use expiry::Expiry;
pub use failure::Failure;
pub use files::Paths;
pub use handshakes::HandshakeCounts;
pub use reload::{Legs, watch};
pub use server::Server;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Which connections a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// Clients to Steadfast.
    Listen,
    /// Steadfast to data nodes.
    Upstream,
    /// Steadfast to Sentinels.
    Sentinel,
}

impl Leg {
    /// For labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Upstream => "upstream",
            Self::Sentinel => "sentinel",
        }
    }

    /// What all flags of the leg begin with.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Listen => "--listen-tls",
            Self::Upstream => "--upstream-tls",
            Self::Sentinel => "--sentinel-tls",
        }
    }
}

/// The cryptography of every leg. `ring` builds with a C compiler and nothing else, in seconds, and
/// brings no licence that is not a permissive one.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
