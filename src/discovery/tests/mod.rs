//! Discovery as a whole: against real servers, and with signs given by hand.

mod access;
mod bed;
mod failovers;
mod first;
mod interrupted;
mod planned;
#[allow(dead_code, reason = "the beds of these tests are not counted")]
#[path = "../../../tests/it/bed/ports.rs"]
mod ports;
mod record;
mod repeated;
mod running;
mod signs;
mod spelling;
#[path = "../../../tests/it/bed/stall.rs"]
mod stall;
