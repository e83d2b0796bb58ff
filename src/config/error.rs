//! Why settings are refused. Each text says what to do.

use std::fmt;

use super::FileFault;
use crate::{secrets, tls};

/// Settings that are each well formed but cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The file of settings cannot be used.
    File(FileFault),
    /// A platform's variable does not hold what its name promises.
    Environment {
        /// The variable.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A password file holds no password that could be used.
    Password(secrets::Unusable),
    /// A user without a password.
    UserWithoutPassword {
        /// `""`, `"control-"`, `"sentinel-"` or `"replica-"`.
        prefix: &'static str,
        /// The variable that could hold the password.
        variable: &'static str,
    },
    /// A URL of Sentinels beside other values.
    UrlNotAlone,
    /// The URL of Sentinels says what another setting says as well.
    SaidTwice {
        /// What it says.
        what: &'static str,
        /// Where that stands besides.
        other: String,
    },
    /// One address is said to be in two places.
    MappedTwice {
        /// Its host.
        host: String,
    },
    /// A client password although Steadfast does not log in for clients.
    ClientPasswordWithoutLogin,
    /// TLS cannot be set up.
    Tls(tls::Unusable),
    /// No client could connect.
    NoListener,
    /// No such user or group for a Unix socket.
    Owner {
        /// As it was given.
        name: String,
    },
    /// Permissions for what has no file.
    NoFile {
        /// The listener.
        listen: String,
    },
    /// What is wrong with the settings of one of several endpoints.
    Endpoint {
        /// What it is called.
        name: String,
        /// What is wrong with them.
        error: Box<Self>,
    },
    /// Two endpoints have one name.
    SameName {
        /// The name.
        name: String,
    },
    /// Two endpoints listen at one address.
    SameListener {
        /// The address.
        listen: String,
        /// What the two are called.
        names: [String; 2],
    },
    /// Anyone on the network could use our login.
    OpenLogin {
        /// The listener that is not on loopback.
        listen: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(fault) => fault.fmt(f),
            Self::Environment { name, reason } => write!(
                f,
                "the environment variable {name} is of no use: {reason}; correct it, or give --sentinel"
            ),
            Self::Password(unusable) => unusable.fmt(f),
            Self::UserWithoutPassword { prefix, variable } => write!(
                f,
                "--{prefix}username is given without a password: add --{prefix}password-file or {variable} (for a user without one, any text will do)"
            ),
            Self::UrlNotAlone => f.write_str(
                "--sentinel is given a URL and something else: put every Sentinel into the URL, with commas between them, or give HOST:PORT for each",
            ),
            Self::SaidTwice { what, other } => write!(
                f,
                "the URL given with --sentinel has {what} in it, which {other} gives as well: leave one of them out"
            ),
            Self::MappedTwice { host } => write!(
                f,
                "--address-map leads {host} to two places: name a different port on the left of each, or leave one out"
            ),
            Self::ClientPasswordWithoutLogin => f.write_str(
                "a client password is given, but Steadfast does not log in for clients, so they must present the server's own password: add --password-file or STEADFAST_PASSWORD, or leave the client password out",
            ),
            Self::Tls(unusable) => unusable.fmt(f),
            Self::NoListener => f.write_str(
                "--listen is off and no --listen-tls is given, so no client could connect: give one of them",
            ),
            Self::Owner { name } => write!(
                f,
                "--listen-unix-owner: '{name}' names no user or group of this system; write USER, USER:GROUP or :GROUP, and numbers where /etc/passwd and /etc/group do not have the names"
            ),
            Self::NoFile { listen } => write!(
                f,
                "--listen-unix-mode and --listen-unix-owner mean nothing to {listen}: a name without a file has no permissions, and every process in the same network namespace may connect; give a path, or leave the two out"
            ),
            Self::Endpoint { name, error } => write!(f, "endpoint {name}: {error}"),
            Self::SameName { name } => write!(
                f,
                "two endpoints are called {name}: give each a name of its own with name = \"...\" (without one, it is the primary's)"
            ),
            Self::SameListener {
                listen,
                names: [one, other],
            } => write!(
                f,
                "the endpoints {one} and {other} both listen on {listen}: give each a listen (and listen_tls) of its own, or \"off\" where its other listeners are enough; what an endpoint does not say, it has from above, from flags and from the environment"
            ),
            Self::OpenLogin { listen } => write!(
                f,
                "refusing to start: Steadfast logs in to the primary for its clients and listens on {listen}, beyond this machine, so anyone who can reach that port could use the server without a password; \
                 give --client-password-file (or STEADFAST_CLIENT_PASSWORD), listen on 127.0.0.1 only, or accept it with --allow-unauthenticated-clients"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(fault) => fault.source(),
            Self::Password(unusable) => unusable.source(),
            Self::Tls(unusable) => unusable.source(),
            Self::Endpoint { error, .. } => error.source(),
            _ => None,
        }
    }
}
