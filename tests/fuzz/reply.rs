//! Replies of a server, in any division into chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast::resp::check;

fuzz_target!(|input: &[u8]| check::reply(input));
