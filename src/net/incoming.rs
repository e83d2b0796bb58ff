//! A client between the thread that accepted it and the worker it will live on.

use std::io;
use std::net::TcpStream;
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
    /// A client of a simulation.
    #[cfg(test)]
    Simulated(crate::simulation::End),
}

impl Incoming {
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
            #[cfg(test)]
            Self::Simulated(end) => Ok(Transport::Simulated(end)),
        }
    }
}
