//! What every server answers to the few commands that streams are made of.

/// How much of name and arguments a server repeats of a command it does not know.
const REPEATED_LEN_MAX: usize = 128;

/// What the server must answer to one command.
pub(super) enum Answer {
    Exactly(Vec<u8>),
    /// Any one reply, for it may not be predicted.
    One,
}

/// What every server answers to these words.
pub(super) fn answer(name: &[u8], args: &[&[u8]]) -> Answer {
    let upper = name.to_ascii_uppercase();
    Answer::Exactly(match (upper.as_slice(), args) {
        (b"PING", []) => b"+PONG\r\n".to_vec(),
        (b"PING" | b"ECHO", [word]) => bulk(word),
        (b"FCALL", [b"words", b"0", words @ ..]) => {
            let words: Vec<_> = words.iter().map(|word| bulk(word)).collect();
            let header = format!("*{}\r\n", words.len()).into_bytes();
            [header, words.concat()].concat()
        }
        (b"PING" | b"ECHO" | b"FCALL", _) => return Answer::One,
        _ => unknown(name, args),
    })
}

pub(super) fn bulk(word: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat()
}

/// The error about a command that a server does not know (`commandCheckExistence`).
fn unknown(name: &[u8], args: &[&[u8]]) -> Vec<u8> {
    let mut repeated = Vec::new();
    for arg in args {
        let room = REPEATED_LEN_MAX.saturating_sub(repeated.len());
        if room == 0 {
            break;
        }
        repeated.extend([b"'", c_string(arg, room), b"' "].concat());
    }
    let name = c_string(name, REPEATED_LEN_MAX);
    let text = [
        &b"-ERR unknown command '"[..],
        name,
        b"', with args beginning with: ",
        &repeated,
    ];
    let mut line: Vec<u8> = text.concat();
    for byte in line.iter_mut().filter(|byte| b"\r\n".contains(byte)) {
        *byte = b' ';
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// What C prints of a word: at most `len` bytes, up to a NUL.
fn c_string(word: &[u8], len: usize) -> &[u8] {
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    word.get(..len).unwrap_or(word)
}
