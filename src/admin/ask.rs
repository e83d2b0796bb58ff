//! Asks the admin port of the process that runs with the same settings, as `healthcheck` and `status`
//! do where there is neither a shell nor a browser. One question for each connection.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::AdminListen;
use crate::net::{HostPort, LocalAddress};

/// For one address, from the dial to the end of the answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of an answer; `/status` has a few KiB.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// What the admin port said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// What came with it.
    pub body: String,
}

/// Why it said nothing.
#[derive(Debug)]
pub enum Unanswered {
    /// `--admin-listen` is off.
    Off,
    /// Only the process itself knows which port it got.
    AnyPort,
    /// Nobody answers there.
    Unreachable {
        /// Where.
        address: AdminListen,
        /// Why not.
        error: io::Error,
    },
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("--admin-listen is off, so there is nobody to ask"),
            Self::AnyPort => f.write_str(
                "--admin-listen names port 0, which stands for any: give the port the process says \
                 it listens on",
            ),
            Self::Unreachable { address, error } => write!(
                f,
                "no answer from the admin port at {address}: {error}; is Steadfast running, and \
                 with this --admin-listen?"
            ),
        }
    }
}

impl std::error::Error for Unanswered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { error, .. } => Some(error),
            Self::Off | Self::AnyPort => None,
        }
    }
}

/// Asks for `path` at the admin port that `--admin-listen` means.
///
/// # Errors
/// When there is no such port, or nobody answers there in time.
///
/// # Cancel safety
/// Dropping it closes the connection.
pub async fn ask(listen: Option<&AdminListen>, path: &str) -> Result<Answer, Unanswered> {
    let listen = listen.ok_or(Unanswered::Off)?;
    let result = match listen {
        AdminListen::Tcp(address) if address.port == 0 => return Err(Unanswered::AnyPort),
        AdminListen::Tcp(address) => ask_hosts(address, path).await,
        AdminListen::Unix(address) => in_time(ask_file(address, path)).await,
    };
    let address = listen.clone();
    result.map_err(|error| Unanswered::Unreachable { address, error })
}

async fn in_time(asking: impl Future<Output = io::Result<Answer>>) -> io::Result<Answer> {
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
    timeout(ANSWER_LIMIT, asking).await.unwrap_or_else(late)
}

async fn ask_hosts(listen: &HostPort, path: &str) -> io::Result<Answer> {
    let mut result = Err(io::ErrorKind::NotFound.into());
    for host in hosts(listen) {
        result = in_time(ask_host(&host, listen.port, path)).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Where to dial: who listens on all addresses does so on loopback, and on a machine without IPv6
/// `[::]` stands for `0.0.0.0`.
fn hosts(listen: &HostPort) -> Vec<String> {
    match listen.literal().map(|literal| literal.ip()) {
        Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => vec![Ipv4Addr::LOCALHOST.to_string()],
        Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => vec![
            Ipv4Addr::LOCALHOST.to_string(),
            Ipv6Addr::LOCALHOST.to_string(),
        ],
        _ => vec![listen.host.clone()],
    }
}

async fn ask_host(host: &str, port: u16, path: &str) -> io::Result<Answer> {
    let stream = TcpStream::connect((host, port)).await?;
    let peer = stream.peer_addr()?.to_string();
    converse(stream, &peer, path).await
}

async fn ask_file(address: &LocalAddress, path: &str) -> io::Result<Answer> {
    let stream = match address {
        LocalAddress::Path(file) => UnixStream::connect(file).await?,
        LocalAddress::Abstract(name) => {
            // Does not wait: it is taken up at once, or refused.
            let address = SocketAddr::from_abstract_name(name)?;
            let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)?
        }
    };
    converse(stream, "localhost", path).await
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream
        .take(ANSWER_LEN_MAX)
        .read_to_end(&mut response)
        .await?;
    let response = String::from_utf8_lossy(&response);
    parse(&response)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what answers is no admin port"))
}

/// Status and body of a whole response that ends with its connection.
fn parse(response: &str) -> Option<Answer> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_here() {
        let at = |text: &str| hosts(&text.parse().expect("an address"));
        assert_eq!(at("0.0.0.0:1"), ["127.0.0.1"]);
        assert_eq!(at("[::]:1"), ["127.0.0.1", "::1"]);
        assert_eq!(at("10.0.0.1:1"), ["10.0.0.1"]);
        assert_eq!(at("localhost:1"), ["localhost"]);
    }

    #[test]
    fn only_http_counts_as_an_answer() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\nno\n");
        let body = "no\n".to_owned();
        assert_eq!(answer, Some(Answer { status: 503, body }));
        for bad in [
            "",
            "-ERR no\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 x\r\n\r\n",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn nobody_to_ask_is_said_plainly() {
        let off = ask(None, "/livez").await.expect_err("off");
        assert!(off.to_string().contains("--admin-listen is off"));
        let any = AdminListen::Tcp(HostPort::new("127.0.0.1", 0));
        let any = ask(Some(&any), "/livez").await.expect_err("port 0");
        assert!(any.to_string().contains("port 0"));
    }
}
