//! A listening socket of either kind. Binding is not done here, and nothing is awaited.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use tokio_util::either::Either;

use super::{Incoming, has_options, set_options};

/// Where clients come in; non-blocking.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    is_lent: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// The same, which whoever started this process keeps open for the next one.
    #[must_use]
    pub fn lent(self) -> Self {
        let is_lent = true;
        Self { is_lent, ..self }
    }

    /// Whether those who wait at it lose nothing when this process closes it: the next one takes them in.
    pub fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// The socket itself, for who accepts something else than clients.
    #[must_use]
    pub(crate) fn into_socket(self) -> Either<TcpListener, UnixListener> {
        match self.socket {
            Socket::Tcp(listener) => Either::Left(listener),
            Socket::Unix(listener) => Either::Right(listener),
        }
    }

    /// The next client, non-blocking and with its options set.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; the system's, and a client's that is already gone.
    pub fn accept(&self) -> io::Result<Incoming> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (client, _) = listener.accept()?;
                client.set_nonblocking(true)?;
                if !has_options(&client)? {
                    set_options(&client)?;
                }
                Ok(Incoming::Tcp(client))
            }
            Socket::Unix(listener) => {
                let (client, _) = listener.accept()?;
                client.set_nonblocking(true)?;
                Ok(Incoming::Unix(client))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Socket::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => error.fmt(f),
            },
            Socket::Unix(listener) => match listener.local_addr() {
                Ok(address) => f.write_str(&written(&address)),
                Err(error) => error.fmt(f),
            },
        }
    }
}

/// As `--listen` takes it.
fn written(address: &SocketAddr) -> String {
    if let Some(path) = address.as_pathname() {
        return format!("unix:{}", path.display());
    }
    let name = address.as_abstract_name().unwrap_or_default();
    format!("unix:@{}", String::from_utf8_lossy(name))
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Socket::Tcp(listener).into()
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Socket::Unix(listener).into()
    }
}

impl From<Socket> for Listener {
    fn from(socket: Socket) -> Self {
        let is_lent = false;
        Self { socket, is_lent }
    }
}
