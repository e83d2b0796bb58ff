//! The data path.

mod counters;

pub use counters::Counters;
