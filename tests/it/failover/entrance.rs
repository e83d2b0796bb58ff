//! Where the clients of a load connect, and what they say first.

use std::io;
use std::net::SocketAddr;

use crate::client::Client;
use crate::proxy::Proxy;

/// One or more proxies, and a login.
#[derive(Clone)]
pub(super) struct Entrance {
    addresses: Vec<SocketAddr>,
    login: Vec<&'static str>,
}

impl Entrance {
    /// Clients are spread over these.
    pub(super) fn of(proxies: &[&Proxy]) -> Self {
        Self {
            addresses: proxies.iter().map(|proxy| proxy.addr()).collect(),
            login: Vec::new(),
        }
    }

    /// Every client says this first.
    pub(super) fn login(mut self, words: &[&'static str]) -> Self {
        self.login = words.to_vec();
        self
    }

    /// A connection for client number `index`, logged in.
    pub(super) fn open(&self, index: usize) -> io::Result<Client> {
        let mut client = Client::try_connect(self.addresses[index % self.addresses.len()])?;
        if !self.login.is_empty() {
            let reply = client.try_call(&self.login)?;
            if !reply.is_ok() {
                return Err(io::Error::other(format!("login: {reply:?}")));
            }
        }
        Ok(client)
    }
}
