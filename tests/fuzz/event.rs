//! One published event of a Sentinel.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::discovery::check;

fuzz_target!(|input: &[u8]| check::event(input));
