//! Discovery as a whole: against real servers, and with signs given by hand.

mod access;
mod bed;
mod failovers;
mod interrupted;
mod planned;
mod record;
mod repeated;
mod running;
mod signs;
mod spelling;
