//! The obvious parser: whole stream, recursion, no state. Slow, and right by inspection.

use crate::resp::reply::{AGGREGATE_LEN_MAX, REPLY_BULK_LEN_MAX};
use crate::resp::request::{ARGS_MAX, BULK_LEN_MAX};

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Not {
    Complete,
    Valid,
}

/// The end of the multibulk command that begins `data`, and its arguments.
pub(super) fn command(data: &[u8]) -> Result<(usize, Vec<Vec<u8>>), Not> {
    let mut at = 0;
    expect(data, &mut at, b"*")?;
    let argc = number(data, &mut at, ARGS_MAX)?;
    let mut args = Vec::new();
    for _ in 0..argc {
        expect(data, &mut at, b"$")?;
        let len = number(data, &mut at, BULK_LEN_MAX)?;
        args.push(body(data, &mut at, len)?.to_vec());
    }
    Ok((at, args))
}

/// The end of the reply that begins `data`, and its type.
pub(super) fn reply(data: &[u8]) -> Result<(usize, u8), Not> {
    let mut at = 0;
    let kind = value(data, &mut at, false)?;
    Ok((at, kind))
}

fn value(data: &[u8], at: &mut usize, nested: bool) -> Result<u8, Not> {
    let kind = *data.get(*at).ok_or(Not::Complete)?;
    *at += 1;
    let null = data.get(*at..*at + 1) == Some(b"-");
    match kind {
        b'$' | b'*' if null => expect(data, at, b"-1\r\n")?,
        b'$' | b'!' | b'=' => {
            let len = number(data, at, REPLY_BULK_LEN_MAX)?;
            body(data, at, len)?;
        }
        b'>' if nested => return Err(Not::Valid),
        b'*' | b'~' | b'>' => {
            for _ in 0..number(data, at, AGGREGATE_LEN_MAX)? {
                value(data, at, true)?;
            }
        }
        b'%' | b'|' => {
            for _ in 0..number(data, at, AGGREGATE_LEN_MAX)? * 2 {
                value(data, at, true)?;
            }
        }
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => text(data, at)?,
        _ => return Err(Not::Valid),
    }
    match kind {
        b'|' => value(data, at, nested),
        _ => Ok(kind),
    }
}

fn text(data: &[u8], at: &mut usize) -> Result<(), Not> {
    while !b"\r\n".contains(data.get(*at).ok_or(Not::Complete)?) {
        *at += 1;
    }
    expect(data, at, b"\r\n")
}

fn body<'a>(data: &'a [u8], at: &mut usize, len: usize) -> Result<&'a [u8], Not> {
    let body = data.get(*at..*at + len).ok_or(Not::Complete)?;
    *at += len;
    expect(data, at, b"\r\n")?;
    Ok(body)
}

fn number(data: &[u8], at: &mut usize, max: usize) -> Result<usize, Not> {
    let rest = &data[*at..];
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (text, tail) = rest.split_at(digits);
    let canonical = text.len() < 2 || text[0] != b'0';
    let value: usize = match str::from_utf8(text).expect("digits").parse() {
        Ok(value) => value,
        Err(_) if text.is_empty() => 0,
        Err(_) => return Err(Not::Valid),
    };
    if !canonical || value > max || (text.is_empty() && !tail.is_empty()) {
        return Err(Not::Valid);
    }
    *at += digits;
    expect(data, at, b"\r\n")?;
    Ok(value)
}

fn expect(data: &[u8], at: &mut usize, wanted: &[u8]) -> Result<(), Not> {
    for byte in wanted {
        match data.get(*at) {
            None => return Err(Not::Complete),
            Some(got) if got != byte => return Err(Not::Valid),
            Some(_) => *at += 1,
        }
    }
    Ok(())
}
