//! A client between the thread that accepted it and the worker it will live on.

use std::io;
use std::net::TcpStream;

use super::Transport;

/// An accepted client that belongs to no runtime yet.
#[derive(Debug)]
pub enum Incoming {
    /// Plain TCP, non-blocking and with its options set.
    Tcp(TcpStream),
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
            Self::Tcp(stream) => tokio::net::TcpStream::from_std(stream).map(Transport::Tcp),
            #[cfg(test)]
            Self::Simulated(end) => Ok(Transport::Simulated(end)),
        }
    }
}
