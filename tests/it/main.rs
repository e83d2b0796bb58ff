//! Integration tests: a real primary, real replicas and real Sentinels, and the built binary in
//! front of them, looked at from outside, byte by byte.
//!
//! `bed` builds deployments, `client` speaks RESP, `proxy` runs the binary, `fakes` do what a real
//! server cannot be made to do. Every other module is one theme; every test is one story.
#![allow(
    clippy::unwrap_used,
    reason = "in a test an unwrap is an assertion, and these helpers run nowhere else"
)]

mod bed;
mod client;
mod fakes;
mod pki;
mod proxy;
mod rng;
mod value;
mod writer;

mod admin;
mod auth;
mod bed_smoke;
mod check;
mod check_advice;
mod cursors;
mod differential;
mod discovery;
mod dormant;
mod drain;
mod endings;
mod endpoints;
mod failover;
mod fleet;
mod held_bytes;
mod hold;
mod hostile;
mod identity;
mod lifecycle;
mod limits;
mod lobby;
mod metrics;
mod names;
mod names_limit;
mod nat;
mod partition;
mod quiescing_reads;
mod refusals;
mod replica_endpoint;
mod resources;
mod restoring;
mod scripts;
mod secrets;
mod sentinel_trouble;
mod serving;
mod settings;
mod sharing;
mod soak;
mod storm;
mod switch;
mod tls;
mod transactions;
mod uncertain;
mod unix_socket;
mod waiting;
mod waiting_calls;
