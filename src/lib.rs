//! Steadfast.
#![warn(missing_docs)]

pub mod admin;
pub mod config;
pub mod discovery;
pub mod net;
pub mod resp;
pub mod shutdown;
pub mod topology;
pub mod worker;
