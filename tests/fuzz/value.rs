//! One value of a setting: a time, a size, an address, a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::config::check;

fuzz_target!(|input: &[u8]| check::value(input));
