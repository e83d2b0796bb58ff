//! Deterministic simulation of the whole proxy: the production code of discovery and of the workers
//! over a simulated network, on one thread whose clock moves only when everybody waits.
//!
//! ```text
//!   faults --> cluster { sentinels, nodes } <--- network, wiretap ---> proxy { discovery, workers }
//!                              |                                           ^
//!                              v                                           |
//!                            ledger <------------ clients -----------------+
//!                              |
//!                              +--> oracle
//! ```
//!
//! A seed decides everything: which servers, clients and faults there are, when each byte arrives,
//! and where connections break. The same seed tells the same story; one that fails is printed, and
//! `STEADFAST_SEED` tells it again alone, with all that happened in it.
//!
//! It does not simulate TLS, logins, scripts or large values: `tests/it` has those on real servers.

mod chance;
mod client;
mod cluster;
mod commands;
mod composing;
mod crowd;
mod data;
mod end;
mod faults;
mod havoc;
mod lane;
mod ledger;
mod network;
mod node;
mod oracle;
mod panics;
mod pausing;
mod planted;
mod proxy;
mod sentinel;
mod story;
mod tests;
mod verdict;
mod wire;
mod wiretap;
mod words;

pub(crate) use chance::Chance;
pub(crate) use end::End;
pub(crate) use network::Network;
pub(crate) use planted::{Bug, planted};
