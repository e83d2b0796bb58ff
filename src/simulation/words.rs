//! The fakes' own idea of RESP2: commands in, replies out. Not the proxy's scanner, which is under
//! test.

/// Takes one whole command from the front of `input`.
pub(super) fn take_command(input: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let mut at = 0;
    let count = number(input, &mut at, b'*')?;
    let mut args = Vec::new();
    for _ in 0..count {
        let len = number(input, &mut at, b'$')?;
        args.push(input.get(at..at + len)?.to_vec());
        input.get(at + len..at + len + 2)?;
        at += len + 2;
    }
    input.drain(..at);
    Some(args)
}

fn number(input: &[u8], at: &mut usize, sigil: u8) -> Option<usize> {
    let line = input.get(*at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    assert_eq!(line.first(), Some(&sigil), "the proxy sent no command");
    *at += end + 2;
    std::str::from_utf8(&line[1..end]).ok()?.parse().ok()
}

/// A command, or a reply of bulk strings.
pub(super) fn bulks(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out += &format!("${}\r\n{word}\r\n", word.len());
    }
    out.into_bytes()
}

pub(super) fn bulk(word: &str) -> Vec<u8> {
    format!("${}\r\n{word}\r\n", word.len()).into_bytes()
}
