//! What stands for the placeholders of a command: few keys, so that commands meet, and values of
//! every length that matters.

use super::mask::OURS;
use crate::rng::Rng;

/// Keys of each kind; few, so that commands meet.
const KEYS_PER_KIND: usize = 3;
const KINDS: &[u8] = b"slhtzxbgy";
/// What lies about the size from which frames are streamed.
const BOUNDARY: usize = 64 * 1024;

/// Fills the placeholders of one word.
pub(super) fn fill(word: &str, tag: u64, rng: &mut Rng) -> Vec<u8> {
    let Some((before, after)) = word.split_once('$').filter(|(_, after)| !after.is_empty()) else {
        return word.into();
    };
    let (kind, rest) = (after.as_bytes()[0], &after[1..]);
    let filled = match kind {
        b'v' => value(rng),
        b'm' => rng
            .pick(&["a", "b", "c", "dd", "", "e\r\n", "10", "-1"])
            .into(),
        b'i' => (i64::try_from(rng.below(40)).unwrap() - 20)
            .to_string()
            .into(),
        b'n' => rng.below(30).to_string().into(),
        b'f' => rng
            .pick(&["1.5", "-2.25", "3", "0", "1e3", "inf", "0.1", "x"])
            .into(),
        b'c' => format!("{OURS}{}:{}", tag, rng.pick(&["one", "two", "", "3"])).into(),
        b'k' => any_key(tag, rng),
        kind if rng.chance(95) => key(kind, tag, rng),
        _ => any_key(tag, rng),
    };
    [before.as_bytes(), &filled, rest.as_bytes()].concat()
}

fn any_key(tag: u64, rng: &mut Rng) -> Vec<u8> {
    let kind = KINDS[rng.below(KINDS.len())];
    key(kind, tag, rng)
}

fn key(kind: u8, tag: u64, rng: &mut Rng) -> Vec<u8> {
    let number = rng.below(KEYS_PER_KIND);
    format!("{OURS}{}:{}{number}", tag, char::from(kind)).into()
}

fn value(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(100) {
        0..8 => 0,
        8..55 => {
            return rng
                .pick(&["1", "12", "-7", "hello", "a b", "x'y\"z", "3.5", "\u{e9}"])
                .into();
        }
        55..65 => {
            let traps = &[
                "*1\r\n$4\r\nPING\r\n",
                "\r\n+OK\r\n",
                "$-1\r\n",
                "\r",
                "\n",
                ">2\r\n",
                "QUIT\r\n",
            ];
            return rng.pick(traps).into();
        }
        65..80 => rng.below(40),
        80..92 => rng.below(2000),
        92..97 => rng.below(20_000),
        97..99 => BOUNDARY - 50 + rng.below(60),
        _ => rng.below(300_000),
    };
    (0..length).map(|_| rng.byte()).collect()
}
