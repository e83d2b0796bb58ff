//! Where the clients of a load connect, and what they say first.

use std::io;
use std::net::SocketAddr;

use crate::client::Client;
use crate::pki::Trust;
use crate::proxy::Proxy;

/// One or more proxies, and a login.
#[derive(Clone)]
pub(super) struct Entrance {
    addresses: Vec<SocketAddr>,
    login: Vec<&'static str>,
    trust: Option<Trust>,
}

impl Entrance {
    /// Clients are spread over these.
    pub(super) fn of(proxies: &[&Proxy]) -> Self {
        Self {
            addresses: proxies.iter().map(|proxy| proxy.addr()).collect(),
            login: Vec::new(),
            trust: None,
        }
    }

    /// The port for TLS of `proxy`.
    pub(super) fn secured(proxy: &Proxy, trust: Trust) -> Self {
        Self {
            addresses: proxy.listeners("clients_tls"),
            login: Vec::new(),
            trust: Some(trust),
        }
    }

    /// Every client says this first.
    pub(super) fn login(mut self, words: &[&'static str]) -> Self {
        self.login = words.to_vec();
        self
    }

    /// A connection for client number `index`, logged in.
    pub(super) fn open(&self, index: usize) -> io::Result<Client> {
        let address = self.addresses[index % self.addresses.len()];
        let mut client = Client::try_connect_as(address, self.trust.as_ref())?;
        if !self.login.is_empty() {
            let reply = client.try_call(&self.login)?;
            if !reply.is_ok() {
                return Err(io::Error::other(format!("login: {reply:?}")));
            }
        }
        Ok(client)
    }
}
