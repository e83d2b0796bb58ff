//! Sockets: addresses, dialling, listening, and the one transport type the data path uses.
//!
//! Everything that touches the network is made here, so that a simulation can replace it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Idle time before the kernel probes a connection, and the gap between probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
/// How long bytes sent to a server may stay unacknowledged before the kernel gives the connection
/// up (`TCP_USER_TIMEOUT`): a host that vanished without a reset is noticed by then.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// A host (name or literal address) and a port, as written or as a Sentinel said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// Name or address, never in brackets.
    pub host: String,
    /// Port, never 0 after validation.
    pub port: u16,
}

impl HostPort {
    /// From its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// The literal address, if the host is one.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.host
            .parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Every address the host has now. Asked anew at each dial: pods and Services move.
    ///
    /// # Errors
    /// When the name cannot be resolved, or has no address.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(literal) = self.literal() {
            return Ok(vec![literal]);
        }
        let found: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect();
        if found.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        Ok(found)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self::new(addr.ip().to_string(), addr.port())
    }
}

/// Why a text is no `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadHostPort(String);

impl fmt::Display for BadHostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not HOST:PORT (an IPv6 address goes in brackets, as in [::1]:6379)",
            self.0
        )
    }
}

impl std::error::Error for BadHostPort {}

impl FromStr for HostPort {
    type Err = BadHostPort;

    fn from_str(text: &str) -> Result<Self, BadHostPort> {
        let bad = || BadHostPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(bad)?,
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(bad());
        }
        Ok(Self::new(host, port.parse().map_err(|_| bad())?))
    }
}

/// Connects to `address` within `limit`. Its addresses are tried in turn, each with an equal part of
/// what time is left, so that one that swallows packets does not hide the next.
///
/// # Errors
/// The last attempt's error, or `TimedOut`.
pub async fn dial(address: &HostPort, limit: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + limit;
    let attempt = async {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        let addresses = address.resolve().await?;
        for (index, addr) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(addr)).await {
                Ok(Ok(stream)) => {
                    set_options(&stream)?;
                    SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = too_late(limit),
            }
        }
        Err(last)
    };
    timeout_at(deadline, attempt)
        .await
        .unwrap_or_else(|_| Err(too_late(limit)))
}

fn too_late(limit: Duration) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no connection within {limit:?}"),
    )
}

/// No Nagle delay, and keepalive, for either side of the proxy.
///
/// No bound on unacknowledged bytes here: the kernel (Linux since 5.11) counts against it the time
/// a client that is alive does not read, and would cut one that pauses over a large reply.
///
/// # Errors
/// When the socket is already gone.
pub fn set_options(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)
}

/// One connection of the data path, either side. Writes need no `&mut`, so that a reply can be
/// written by whoever holds it.
#[derive(Debug)]
pub enum Transport {
    /// Plain TCP.
    Tcp(TcpStream),
}

impl Transport {
    /// Reads into the spare room of `buffer`; 0 is the end of the stream.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => tokio_util::io::poll_read_buf(Pin::new(stream), cx, buffer),
        }
    }

    /// Writes what the socket takes at once; `Ok(0)` when it takes nothing now.
    ///
    /// # Errors
    /// The socket's, never `WouldBlock`.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Self::Tcp(stream) = self;
        match stream.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Waits until a write may take bytes again.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Tcp(stream) = self;
        stream.poll_write_ready(cx)
    }

    /// Ends both directions at once, whoever else still refers to the socket.
    pub fn close(&self) {
        let Self::Tcp(stream) = self;
        let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
    }

    /// Whether the peer is known to have stopped sending, although not all it sent has been read.
    pub fn is_read_closed(&self, cx: &mut Context<'_>) -> bool {
        let Self::Tcp(stream) = self;
        let ready = std::pin::pin!(stream.ready(Interest::READABLE)).poll(cx);
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Says that nothing more will be sent (a FIN).
    pub fn shutdown_write(&self) {
        let Self::Tcp(stream) = self;
        // A peer that is already gone needs no FIN.
        let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_servers_have_to_acknowledge_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = HostPort::from(listener.local_addr().expect("an address"));
        let server = dial(&address, Duration::from_secs(1))
            .await
            .expect("dialled");
        let (client, _) = listener.accept().expect("accepted");
        set_options(&client).expect("alive");
        let limit = |socket: SockRef<'_>| socket.tcp_user_timeout().expect("readable");
        assert_eq!(limit(SockRef::from(&server)), Some(USER_TIMEOUT));
        assert_eq!(
            limit(SockRef::from(&client)).unwrap_or_default(),
            Duration::ZERO
        );
    }
}
