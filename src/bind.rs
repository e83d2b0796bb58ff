//! Opens the listening sockets before anything else starts, so that a port that is taken is said
//! at once and in words that help.
//!
//! Accepts nothing; whoever gets the sockets does.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use steadfast::net::HostPort;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`, whose own
/// default is this since Linux 5.4.
const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug)]
pub(crate) struct BindError {
    address: HostPort,
    flag: &'static str,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            flag,
            error,
        } = self;
        write!(f, "cannot listen on {address}: ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse if *flag == "--listen" => f.write_str(
                "the port is taken, likely by a valkey-server or redis-server (or another \
                 Steadfast) on this machine; stop it or choose another --listen",
            ),
            io::ErrorKind::AddrInUse => write!(
                f,
                "the port is taken, likely by another Steadfast on this machine; stop it or \
                 choose another {flag}"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "this user may not; ports below 1024 need the capability CAP_NET_BIND_SERVICE, \
                 choose a higher one with {flag}"
            ),
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "this machine has no such address; choose one of its own with {flag}, or 0.0.0.0 \
                 for all of them"
            ),
            _ => write!(f, "{error}; choose another {flag}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Listens on `address`, which `flag` gave. `[::]` takes IPv4 too, and stands for `0.0.0.0` where
/// the machine has no IPv6.
///
/// # Errors
/// When none of the addresses it stands for can be listened on.
pub(crate) fn bind(address: &HostPort, flag: &'static str) -> Result<TcpListener, BindError> {
    let failed = |error| BindError {
        address: address.clone(),
        flag,
        error,
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let candidates = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(failed)?;
    for candidate in candidates {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let any = match address.ip() {
        IpAddr::V6(ip) => ip.is_unspecified(),
        IpAddr::V4(_) => false,
    };
    match listen_exactly(address) {
        Err(error) if any && lacks_ipv6(&error) => {
            let ipv4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            listen_exactly(ipv4)
        }
        result => result,
    }
}

/// Turned off at boot (no such family) or by sysctl (no such address).
fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn listen_exactly(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old process's connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn message(address: &str, flag: &'static str) -> String {
        let address = address.parse().expect("an address");
        bind(&address, flag).expect_err("it must fail").to_string()
    }

    #[test]
    fn a_taken_port_is_explained() {
        let first = bind(&HostPort::new("127.0.0.1", 0), "--listen").expect("a free port");
        let taken = first.local_addr().expect("its address").to_string();
        let text = message(&taken, "--listen");
        assert!(text.starts_with(&format!("cannot listen on {taken}: the port is taken")));
        assert!(text.contains("valkey-server"), "{text}");
        assert!(message(&taken, "--admin-listen").contains("--admin-listen"));
    }

    #[test]
    fn a_foreign_address_is_explained() {
        // TEST-NET-1 (RFC 5737) belongs to no machine.
        assert!(message("192.0.2.1:0", "--listen").contains("no such address"));
    }

    #[test]
    fn the_ipv6_wildcard_takes_ipv4_too() {
        let listener = bind(&HostPort::new("::", 0), "--listen").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        TcpStream::connect(("127.0.0.1", port)).expect("an IPv4 client gets in");
    }
}
