//! Sockets that whoever starts the process has opened and hands over, as systemd does it (socket
//! activation): they stay open, with whoever waits at them, while one process ends and the next begins.
//!
//! Opens nothing, and takes only what listens.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use socket2::{Domain, SockRef};
use steadfast::config::{self, Config};
use steadfast::net::Listener;

/// What systemd calls a socket that was given no name.
const NAMELESS: [&str; 2] = ["", "unknown"];
/// How the unit ends after which systemd names a socket otherwise.
const UNIT: &str = ".socket";

/// What was handed over, by what it is for; most processes get nothing.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// For the clients of each endpoint, in their order.
    pub(crate) endpoints: Vec<ForClients>,
    pub(crate) admin: Vec<Listener>,
}

/// Where the clients of one endpoint come in.
#[derive(Debug, Default)]
pub(crate) struct ForClients {
    pub(crate) plain: Vec<Listener>,
    pub(crate) tls: Vec<Listener>,
    /// For those who only read; never handed over.
    pub(crate) readers: Vec<Listener>,
}

/// Why what was handed over cannot be used.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The variables that tell of it make no sense.
    Malformed(sd_listen_fds::Error),
    /// Its name says nothing to us.
    Name(String),
    /// There are several endpoints it could be for.
    WhichEndpoint(String),
    /// It is no socket that listens.
    Socket { name: String, error: io::Error },
    /// Nobody could have its clients believe us.
    NoCertificate,
    /// Anyone could use our login.
    Open(config::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "LISTEN_FDS or LISTEN_PID: {error}; unset them"),
            Self::Name(name) => write!(
                f,
                "a socket named '{name}' was handed over, and that says nothing to Steadfast; set \
                 FileDescriptorName= to listen, listen-tls or admin"
            ),
            Self::WhichEndpoint(name) => write!(
                f,
                "a socket named '{name}' was handed over, and that does not say for which endpoint; set \
                 FileDescriptorName= to listen.NAME or listen-tls.NAME with the name of one"
            ),
            Self::Socket { name, error } => write!(
                f,
                "the socket '{name}' that was handed over cannot be used: {error}; ListenStream= and \
                 Accept=no are needed"
            ),
            Self::NoCertificate => f.write_str(
                "a socket was handed over for listen-tls, and there is no certificate; add \
                 --listen-tls-cert-file and --listen-tls-key-file",
            ),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

/// Takes what was handed over to this process. To be called once.
///
/// # Errors
/// When any of it cannot be used: whoever hands it over means it.
pub(crate) fn take(configs: &[Config]) -> Result<Given, Fault> {
    let handed = sd_listen_fds::get().map_err(Fault::Malformed)?;
    let mut given = Given {
        endpoints: configs.iter().map(|_| ForClients::default()).collect(),
        admin: Vec::new(),
    };
    for (name, socket) in handed {
        let name = name.unwrap_or_default();
        let (purpose, endpoint) = Purpose::of(&name).ok_or_else(|| Fault::Name(name.clone()))?;
        let unusable = |error| Fault::Socket {
            name: name.clone(),
            error,
        };
        let socket = listening(socket.into_std()).map_err(unusable)?;
        if purpose == Purpose::Admin {
            given.admin.push(for_admin(socket));
            continue;
        }
        let all = configs.iter().zip(&mut given.endpoints);
        let mut meant = all.filter(|(config, _)| endpoint.is_none_or(|it| it == config.name));
        match (meant.next(), meant.next()) {
            (Some((config, sockets)), None) => sockets.add(purpose, socket, config)?,
            (None, _) => return Err(Fault::Name(name)),
            (Some(_), Some(_)) => return Err(Fault::WhichEndpoint(name)),
        }
    }
    Ok(given)
}

/// A socket that listens.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

fn for_admin(socket: Socket) -> Listener {
    match socket {
        Socket::Tcp(socket) => Listener::from(socket).lent(),
        Socket::Unix(socket) => Listener::from(socket).lent(),
    }
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Clients,
    ClientsTls,
    Admin,
}

impl Purpose {
    /// What a socket with this name is for, and of which endpoint, where it says.
    fn of(name: &str) -> Option<(Self, Option<&str>)> {
        // Who names none wants the usual.
        if NAMELESS.contains(&name) || name.ends_with(UNIT) {
            return Some((Self::Clients, None));
        }
        let (purpose, endpoint) = match name.split_once('.') {
            Some((purpose, endpoint)) => (purpose, Some(endpoint)),
            None => (name, None),
        };
        match (purpose, endpoint) {
            ("listen", endpoint) => Some((Self::Clients, endpoint)),
            ("listen-tls", endpoint) => Some((Self::ClientsTls, endpoint)),
            ("admin", None) => Some((Self::Admin, None)),
            _ => None,
        }
    }
}

impl ForClients {
    fn add(&mut self, purpose: Purpose, socket: Socket, config: &Config) -> Result<(), Fault> {
        let secured = purpose == Purpose::ClientsTls;
        if secured && config.tls.listen.is_none() {
            return Err(Fault::NoCertificate);
        }
        let socket = for_clients(socket, secured, config)?;
        match secured {
            true => self.tls.push(socket),
            false => self.plain.push(socket),
        }
        Ok(())
    }
}

/// By TCP under the same rule as `--listen`.
fn for_clients(socket: Socket, secured: bool, config: &Config) -> Result<Listener, Fault> {
    let tcp = match socket {
        Socket::Unix(unix) => return Ok(Listener::from(unix).lent()),
        Socket::Tcp(tcp) => tcp,
    };
    let unusable = |error| Fault::Socket {
        name: "TCP".to_owned(),
        error,
    };
    let address = tcp.local_addr().map_err(unusable)?;
    config::refuse_open(config, &address.into(), secured).map_err(Fault::Open)?;
    Ok(Listener::from(tcp).lent())
}

fn listening(socket: OwnedFd) -> io::Result<Socket> {
    let known = SockRef::from(&socket);
    if !known.is_listener()? {
        let reason = "it does not listen";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    known.set_nonblocking(true)?;
    known.set_cloexec(true)?;
    let unix = known.domain()? == Domain::UNIX;
    match unix {
        true => Ok(Socket::Unix(socket.into())),
        false => Ok(Socket::Tcp(socket.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_what_its_name_says() {
        let clients = Some((Purpose::Clients, None));
        for name in ["listen", "", "unknown", "steadfast.socket"] {
            assert_eq!(Purpose::of(name), clients, "{name}");
        }
        assert_eq!(Purpose::of("listen-tls"), Some((Purpose::ClientsTls, None)));
        assert_eq!(Purpose::of("admin"), Some((Purpose::Admin, None)));
        let of_cache = Some((Purpose::Clients, Some("cache.a")));
        assert_eq!(Purpose::of("listen.cache.a"), of_cache);
        for name in ["Listen", "metrics", "connection", "admin.cache"] {
            assert_eq!(Purpose::of(name), None, "{name}");
        }
    }
}
