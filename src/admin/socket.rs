//! Where the admin port is served: by TCP, or at a Unix socket, and who can reach it there.

use std::io;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::net::Listener;

/// A listening socket of the control runtime.
#[derive(Debug)]
pub enum Socket {
    /// By TCP.
    Tcp(TcpListener),
    /// At a Unix socket.
    Unix(UnixListener),
}

/// Who can reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Other machines.
    Anybody,
    /// This machine, and with it the pages that a browser on it shows.
    Loopback,
    /// Whoever may write to a file, or shares our network namespace; no browser does.
    Local,
}

impl TryFrom<Listener> for Socket {
    type Error = io::Error;

    fn try_from(listener: Listener) -> io::Result<Self> {
        match listener.into_socket() {
            Either::Left(listener) => TcpListener::from_std(listener).map(Self::Tcp),
            Either::Right(listener) => UnixListener::from_std(listener).map(Self::Unix),
        }
    }
}

impl Socket {
    /// Who can reach it.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Unix(_) => Reach::Local,
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) if address.ip().to_canonical().is_loopback() => Reach::Loopback,
                _ => Reach::Anybody,
            },
        }
    }

    /// The next connection.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<Either<TcpStream, UnixStream>> {
        match self {
            Self::Tcp(listener) => Ok(Either::Left(listener.accept().await?.0)),
            Self::Unix(listener) => Ok(Either::Right(listener.accept().await?.0)),
        }
    }
}
