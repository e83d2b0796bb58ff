//! What is read from one reply of a server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::resp::check;

fuzz_target!(|input: &[u8]| check::answer(input));
