//! The admin port: probes for whoever starts and watches the process, and `/status` for people.
//!
//! Only looks; nothing that can be asked here changes anything. What each probe means, and why
//! readiness does not follow the primary, is in `probe`; how loops that have stopped are noticed, in
//! `watchdog`.

mod http;
mod probe;
mod status;
#[cfg(test)]
mod tests;
mod watchdog;

pub use http::{AdminState, serve};
