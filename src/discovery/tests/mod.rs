//! Discovery as a whole: against real servers, and with signs given by hand.

mod access;
mod bed;
mod failovers;
mod planned;
mod record;
mod repeated;
mod signs;
mod spelling;
