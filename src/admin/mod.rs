//! The admin port: probes for whoever starts and watches the process, `/status` for programs, `/metrics`
//! for Prometheus, and a page for people.
//!
//! Only looks, unless `--admin-actions` is on: then `action` is what can be asked, and by whom `guard`
//! says. What each probe means, and why
//! readiness does not follow the primary, is in `probe`; how loops that have stopped are noticed, in
//! `watchdog`.
//!
//! The other side of it is here as well: `ask` and `terminal` are what `healthcheck` and `status` use.

mod action;
mod ask;
mod fullness;
mod guard;
mod http;
mod metrics;
mod page;
mod probe;
mod reply;
mod socket;
mod status;
mod terminal;
#[cfg(test)]
mod tests;
mod watchdog;

pub use action::Controls;
pub use ask::{Answer, Unanswered, ask};
pub use http::{AdminState, serve};
pub use socket::Socket;
pub use terminal::lay_out;
