//! Discovery against real servers.

mod access;
mod bed;
mod failovers;
