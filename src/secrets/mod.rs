//! Passwords: what Steadfast logs in with, and what it asks of its clients.
//!
//! Those that come from files are read again when the files change ([`watch()`]); what cannot be used
//! then leaves the old in place. Sending them is the business of who logs in, and so is what a server
//! says to them; [`Refusal`] tells the three kinds of that apart and what to do about each.

mod file;
mod password;
mod refusal;
mod secret;
mod watch;

pub use file::{SecretFile, Unusable};
pub use password::{Known, Password};
pub use refusal::{Refusal, Whose};
pub use secret::Secret;
pub use watch::watch;

/// Who to log in as. Without a user name the password alone is sent (`requirepass`).
#[derive(Debug, Clone)]
pub struct Credentials {
    /// ACL user, or none for the default user.
    pub username: Option<String>,
    /// Its password.
    pub password: Password,
}
