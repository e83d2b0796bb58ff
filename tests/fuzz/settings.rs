//! A command line and its environment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::config::check;

fuzz_target!(|input: &[u8]| check::settings(input));
