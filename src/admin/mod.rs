//! The admin port: probes for whoever starts and watches the process, and `/status` for people.
//!
//! Only looks; nothing that can be asked here changes anything. What each probe means, and why
//! readiness does not follow the primary, is in `probe`.

mod http;
mod probe;
mod status;
#[cfg(test)]
mod tests;

pub use http::{AdminState, serve};
