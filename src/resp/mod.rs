//! RESP framing: bytes in, boundaries out.
//!
//! Two resumable scanners find where a command or a reply ends without looking at its payload;
//! around them are the few things a session must read (the command name, the arguments of one
//! command, the first word of a published message) and the few it must say on its own.
//!
//! Nothing here knows a socket, a clock, a runtime or a log, nothing recurses, and the scanners
//! allocate nothing: what a peer sends decides only how far a cursor moves.

pub mod args;
pub mod blocking;
#[doc(hidden)]
pub mod check;
pub mod class;
pub mod commands;
pub mod element;
pub mod errors;
mod framing;
pub mod hello_id;
pub mod inline;
pub mod peek;
pub mod questions;
pub mod rejection;
pub mod replies;
pub mod reply;
pub mod request;
#[cfg(test)]
mod tests;
mod word;
mod xread;

pub use args::Args;
pub use blocking::Timeout;
pub use class::{Class, Commands, Heard, class};
pub use commands::{Channels, Iteration, Special, special};
pub use element::{Elements, elements};
pub use errors::{ProtocolError, ReplyError};
pub use hello_id::{hello_id, integer};
pub use peek::{Peek, first_word};
pub use rejection::{Rejection, rejection};
pub use reply::ReplyScanner;
pub use request::{LOGIN_ARGS_MAX, LOGIN_BULK_LEN_MAX, RequestScanner, Scanned};
pub use word::NAME_LEN_MAX;
