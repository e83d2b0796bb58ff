//! Discovery as a whole: against real servers, and with signs given by hand.

mod access;
mod bed;
mod failovers;
mod first;
mod interrupted;
#[path = "../../../tests/it/bed/panics.rs"]
mod panics;
mod planned;
#[path = "../../../tests/it/bed/ports.rs"]
mod ports;
mod record;
mod repeated;
mod running;
mod signs;
mod spelling;
#[path = "../../../tests/it/bed/stall.rs"]
mod stall;
