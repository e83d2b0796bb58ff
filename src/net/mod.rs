//! Sockets: addresses, dialling, and the one transport type of all connections to servers and clients.
//!
//! Every connection that is used is made here, so that a simulation can replace them; listening is
//! `listener`'s.

mod address;
mod complaint;
mod dial;
mod greeting;
mod incoming;
mod listening;
mod local;
mod options;
mod tls;
mod transport;

pub(crate) use address::usual_spelling;
pub use address::{BadHostPort, HostPort, without_userinfo};
pub(crate) use complaint::may_be_made;
pub use dial::dial;
pub use incoming::Incoming;
pub use listening::Listener;
pub use local::{BadLocalAddress, LOCAL_LEN_MAX, LocalAddress};
pub use options::{has_options, set_options};
pub use tls::TlsStream;
pub use transport::Transport;
