//! Discovery against real servers.

mod access;
mod bed;
mod failovers;
mod planned;
mod record;
