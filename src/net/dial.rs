//! Dialling: from an address to a connection, within a time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{HostPort, TlsStream, Transport, set_options};
use crate::tls::Client;

/// How long bytes sent to a server may stay unacknowledged before the kernel gives the connection
/// up (`TCP_USER_TIMEOUT`): a host that vanished without a reset is noticed by then.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects to `address` within `limit`, and secures the connection where `tls` is given. Its addresses are tried in turn, each with an equal part of
/// what time is left, so that one that swallows packets does not hide the next.
///
/// # Errors
/// The last attempt's error, or `TimedOut`; `InvalidData` with a [`tls::Failure`] where TLS fails.
///
/// [`tls::Failure`]: crate::tls::Failure
pub async fn dial(
    address: &HostPort,
    tls: Option<&Arc<Client>>,
    limit: Duration,
) -> io::Result<Transport> {
    let deadline = Instant::now() + limit;
    let attempt = async {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        let addresses = address.resolve().await?;
        for (index, addr) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            match timeout(share, connect(*addr, &address.host, tls)).await {
                Ok(Ok(stream)) => {
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

async fn connect(
    address: SocketAddr,
    host: &str,
    tls: Option<&Arc<Client>>,
) -> io::Result<Transport> {
    #[cfg(test)]
    if let Some(network) = crate::simulation::Network::current() {
        return network.connect(address).await.map(Transport::Simulated);
    }
    let stream = TcpStream::connect(address).await?;
    set_options(&stream)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    match tls {
        None => Ok(stream.into()),
        Some(client) => {
            let stream = TlsStream::connect(stream, client.clone(), host).await?;
            Ok(Transport::Tls(Box::new(stream)))
        }
    }
}

fn too_late(limit: Duration) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no connection within {limit:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_servers_have_to_acknowledge_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = HostPort::from(listener.local_addr().expect("an address"));
        let server = dial(&address, None, Duration::from_secs(1))
            .await
            .expect("dialled");
        let (client, _) = listener.accept().expect("accepted");
        set_options(&client).expect("alive");
        let Transport::Tcp { stream: server, .. } = server else {
            panic!("no simulation is running");
        };
        let limit = |socket: SockRef<'_>| socket.tcp_user_timeout().expect("readable");
        assert_eq!(limit(SockRef::from(&server)), Some(USER_TIMEOUT));
        assert_eq!(
            limit(SockRef::from(&client)).unwrap_or_default(),
            Duration::ZERO
        );
    }
}
