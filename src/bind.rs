//! Opens the listening sockets, those aside that were handed over, before anything else starts, so that
//! a port that is taken is said at once and in words that help.
//!
//! Accepts nothing; whoever gets the sockets does.

pub(crate) mod given;
mod unix;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};

use steadfast::config::SocketPermissions;
use steadfast::listener;
use steadfast::net::{HostPort, Listener, LocalAddress};

pub(crate) use unix::SocketFile;

/// Why an address cannot be listened on.
#[derive(Debug)]
pub(crate) enum BindError {
    /// By TCP.
    Tcp {
        address: HostPort,
        flag: &'static str,
        error: io::Error,
    },
    /// At a Unix socket.
    Unix {
        address: LocalAddress,
        flag: &'static str,
        fault: unix::Fault,
    },
    /// What was handed over cannot be used.
    Given(given::Fault),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, flag, error) = match self {
            Self::Unix {
                address,
                flag,
                fault,
            } => {
                return write!(f, "cannot listen on {address} ({flag}): {fault}");
            }
            Self::Given(fault) => return fault.fmt(f),
            Self::Tcp {
                address,
                flag,
                error,
            } => (address, *flag, error),
        };
        write!(f, "cannot listen on {address}: ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse if flag == "--listen" => f.write_str(
                "the port is taken, likely by a valkey-server or redis-server (or another \
                 Steadfast) on this machine; stop it or choose another --listen (address already \
                 in use)",
            ),
            io::ErrorKind::AddrInUse => write!(
                f,
                "the port is taken, likely by another Steadfast on this machine; stop it or \
                 choose another {flag} (address already in use)"
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
        match self {
            Self::Tcp { error, .. } => Some(error),
            Self::Unix { fault, .. } => Some(fault),
            Self::Given(fault) => Some(fault),
        }
    }
}

/// Listens on every address that `address`, which `flag` gave, stands for. `[::]` takes IPv4 too,
/// and means `0.0.0.0` where the machine has no IPv6.
///
/// # Errors
/// When one of them cannot be listened on. An IPv6 address that a name also has does not count on
/// a machine without IPv6: `localhost` has one in most containers.
pub(crate) fn bind(address: &HostPort, flag: &'static str) -> Result<Vec<TcpListener>, BindError> {
    let failed = |error| BindError::Tcp {
        address: address.clone(),
        flag,
        error,
    };
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let mut listeners = Vec::new();
    let mut lacking = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for found in found.map_err(failed)? {
        match listen(found) {
            Ok(new) => listeners.extend(new),
            Err(error) if lacks_ipv6(found, &error) => lacking = error,
            Err(error) => return Err(failed(error)),
        }
    }
    if listeners.is_empty() {
        return Err(failed(lacking));
    }
    Ok(listeners)
}

/// Listens at a Unix socket, which `flag` gave, as `permissions` say. The second value is its file, if it has one.
///
/// # Errors
/// When somebody answers there already, or the system refuses.
pub(crate) fn bind_unix(
    address: &LocalAddress,
    permissions: &SocketPermissions,
    flag: &'static str,
) -> Result<(Listener, Option<SocketFile>), BindError> {
    unix::listen(address, permissions).map_err(|fault| BindError::Unix {
        address: address.clone(),
        flag,
        fault,
    })
}

fn listen(address: SocketAddr) -> io::Result<Vec<TcpListener>> {
    match listener::bind(&address.into()) {
        Err(error) if address.ip().is_unspecified() && lacks_ipv6(address, &error) => {
            let ipv4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            listener::bind(&ipv4.into())
        }
        result => result,
    }
}

/// Turned off at boot (no such family) or by sysctl (no such address).
fn lacks_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    let family = Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    let missing = error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == family;
    address.is_ipv6() && missing
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
        let taken = first[0].local_addr().expect("its address").to_string();
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
        let port = listener[0].local_addr().expect("its address").port();
        TcpStream::connect(("127.0.0.1", port)).expect("an IPv4 client gets in");
    }
}
