//! Streams of commands as clients send them, in all the forms a server knows, and damaged ones.
//!
//! The same for the same seed. The commands are of the few whose replies repeat what the server took
//! for their arguments, and none of them changes anything.

use crate::resp::tests::values::frame;
use crate::simulation::Chance;

/// A function that answers its arguments, which a server needs to be given first.
pub(super) const FUNCTION: &str =
    "#!lua name=splitting\nredis.register_function('words', function(_, args) return args end)";

/// Most commands of one stream, and most changes made to it.
const COMMANDS_MAX: u64 = 8;
const CHANGES_MAX: u64 = 4;

/// Words that matter to whoever splits.
const WORDS: [&[u8]; 18] = [
    b"",
    b"a",
    b"17",
    b" ",
    b"a b",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"a\0b",
    b"\"",
    b"'",
    b"\\",
    b"\\x41",
    b"it's \"it\"",
    b"$4\r\nPING\r\n",
    b"\r\n*1\r\n$4\r\nPING\r\n",
    b"\xff\xfe",
];
/// Lines that are no command.
const BLANKS: [&[u8]; 6] = [b"*0\r\n", b"\r\n", b"\n", b" \t\r\n", b"\x0b\n", b"\r\r\n"];
const GAPS: [&str; 4] = [" ", "  ", "\t", " \t "];
const LINE_ENDS: [&str; 4] = ["\r\n", "\n", " \r\n", "\r\r\n"];
/// Numbers in the place of a count or length.
const NUMBERS: [&[u8]; 16] = [
    b"-1",
    b"-0",
    b"0",
    b"00",
    b"+1",
    b"01",
    b" 1",
    b"1 ",
    b"",
    b"2",
    b"10",
    b"99999",
    b"1048577",
    b"536870913",
    b"9223372036854775808",
    b"18446744073709551617",
];
const BYTES: &[u8] = b"\r\n\r\n*$0123456789-+ \t\"'\\x\0ab:\x0b\x0c";

/// The stream of this seed.
pub(super) fn stream(seed: u64) -> Vec<u8> {
    let chance = &mut Chance::new(seed);
    let mut stream = Vec::new();
    for _ in 0..chance.within(1, COMMANDS_MAX + 1) {
        match chance.index(8) {
            0 => stream.extend_from_slice(BLANKS[chance.index(BLANKS.len())]),
            1..4 => inline(chance, &mut stream),
            _ => stream.extend(frame(&words(chance))),
        }
    }
    if chance.once_in(2) {
        for _ in 0..chance.within(1, CHANGES_MAX + 1) {
            change(chance, &mut stream);
        }
    }
    stream
}

fn words(chance: &mut Chance) -> Vec<Vec<u8>> {
    let (fixed, more): (&[&str], _) = match chance.index(8) {
        0..3 => (&["ECHO"], 1),
        3 => (&["ping"], chance.index(3)),
        4..7 => (&["FCall", "words", "0"], chance.index(6)),
        _ => (&["no.such"], chance.index(5)),
    };
    let fixed = fixed.iter().map(|word| word.as_bytes().to_vec());
    let mut words: Vec<_> = fixed.collect();
    words.extend((0..more).map(|_| word(chance)));
    words
}

fn word(chance: &mut Chance) -> Vec<u8> {
    let len = match chance.index(16) {
        0..10 => return WORDS[chance.index(WORDS.len())].to_vec(),
        10..15 => chance.within(0, 24),
        // Longer than one read of a server, or than what it keeps in its usual buffer.
        _ if chance.once_in(64) => [16_384, 32_768][chance.index(2)] - 20 + chance.within(0, 40),
        _ => chance.within(24, 600),
    };
    (0..len).map(|_| chance.next().to_le_bytes()[0]).collect()
}

/// One line of words in all their spellings.
fn inline(chance: &mut Chance, out: &mut Vec<u8>) {
    for word in words(chance) {
        let plain = word.iter().all(u8::is_ascii_alphanumeric) && !word.is_empty();
        match chance.index(3) {
            _ if plain && !chance.once_in(4) => out.extend(word),
            0 if fits_single_quotes(&word) || chance.once_in(16) => {
                out.push(b'\'');
                out.extend(word.iter().flat_map(|byte| single_quoted(*byte)));
                out.push(b'\'');
            }
            _ => {
                out.push(b'"');
                let quoted = word.iter().map(|byte| double_quoted(chance, *byte));
                out.extend(quoted.collect::<Vec<_>>().concat());
                out.push(b'"');
            }
        }
        out.extend_from_slice(GAPS[chance.index(GAPS.len())].as_bytes());
    }
    out.extend_from_slice(LINE_ENDS[chance.index(LINE_ENDS.len())].as_bytes());
}

/// Whether this is the same between single quotes, which know no escape but their own.
fn fits_single_quotes(word: &[u8]) -> bool {
    !word.iter().any(|byte| b"\n\0\xff\\".contains(byte))
}

fn single_quoted(byte: u8) -> Vec<u8> {
    match byte {
        b'\'' => b"\\'".to_vec(),
        other => vec![other],
    }
}

fn double_quoted(chance: &mut Chance, byte: u8) -> Vec<u8> {
    match byte {
        b'\n' => b"\\n".to_vec(),
        b'"' | b'\\' => vec![b'\\', byte],
        0 | 0x80.. => format!("\\x{byte:02x}").into_bytes(),
        _ if chance.once_in(8) => format!("\\x{byte:02X}").into_bytes(),
        _ => vec![byte],
    }
}

/// Changes one thing somewhere.
fn change(chance: &mut Chance, stream: &mut Vec<u8>) {
    if stream.is_empty() {
        return;
    }
    let at = chance.index(stream.len());
    let end = (at + 1 + chance.index(8)).min(stream.len());
    let byte = BYTES[chance.index(BYTES.len())];
    match chance.index(8) {
        0 => stream[at] = byte,
        1 => stream.insert(at, byte),
        2 => drop(stream.remove(at)),
        3 => drop(stream.drain(at..end)),
        4 => stream.extend_from_within(at..end),
        5 => stream.truncate(at),
        _ => renumber(stream, at, NUMBERS[chance.index(NUMBERS.len())]),
    }
}

/// Puts `number` in the place of the first count or length from `at` on.
fn renumber(stream: &mut Vec<u8>, at: usize, number: &[u8]) {
    let header = stream.iter().skip(at).position(|byte| b"*$".contains(byte));
    let Some(start) = header.map(|offset| at + offset + 1) else {
        return;
    };
    let digits = stream
        .iter()
        .skip(start)
        .take_while(|byte| byte.is_ascii_digit());
    let end = start + digits.count();
    stream.splice(start..end, number.iter().copied());
}
