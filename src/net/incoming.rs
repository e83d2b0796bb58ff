//! A client between the thread that accepted it and the worker it will live on.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::Transport;
use super::tls::TlsStream;
use crate::tls::Server;

/// An accepted client that belongs to no runtime yet.
#[derive(Debug)]
pub enum Incoming {
    /// Plain TCP, non-blocking and with its options set.
    Tcp(TcpStream),
    /// The same, to be secured before a command is read.
    Tls(TcpStream, Arc<Server>),
    /// A Unix socket, non-blocking.
    Unix(UnixStream),
    /// A client of a simulation.
    #[cfg(test)]
    Simulated(crate::simulation::End),
}

impl Incoming {
    /// The same client, to be secured by `server` if it came by TCP.
    #[must_use]
    pub fn secured(self, server: Arc<Server>) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tls(stream, server),
            other => other,
        }
    }

    /// Writes `words` to a client that is not taken in. Whether it still hears them is its affair; one
    /// that expects TLS is told nothing, because without a handshake there is no way to.
    pub fn turn_away(&self, words: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => (&*stream).write_all(words),
            Self::Unix(stream) => (&*stream).write_all(words),
            Self::Tls(..) => Ok(()),
            #[cfg(test)]
            Self::Simulated(_) => Ok(()),
        };
    }

    /// Makes it a connection of the runtime it is called on.
    ///
    /// # Errors
    /// When the socket is already gone.
    pub fn enter(self) -> io::Result<Transport> {
        match self {
            Self::Tcp(stream) => Ok(Transport::Tcp {
                stream: tokio::net::TcpStream::from_std(stream)?,
                unheard: true,
            }),
            Self::Tls(stream, server) => {
                let stream = TlsStream::accept(tokio::net::TcpStream::from_std(stream)?, server)?;
                Ok(Transport::Tls(Box::new(stream)))
            }
            Self::Unix(stream) => Ok(Transport::Unix {
                stream: tokio::net::UnixStream::from_std(stream)?,
                unheard: true,
            }),
            #[cfg(test)]
            Self::Simulated(end) => Ok(Transport::Simulated(end)),
        }
    }
}
