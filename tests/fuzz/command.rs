//! Commands of a client, and what is read from them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::resp::check;

fuzz_target!(|input: &[u8]| check::command(input));
