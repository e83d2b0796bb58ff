//! Replies on control connections, in any division into chunks, and what is read from them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::discovery::check;

fuzz_target!(|input: &[u8]| check::sentinel(input));
