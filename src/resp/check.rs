//! Properties that fuzz targets and unit tests share; no part of the program uses them.
//!
//! Each function takes any bytes, and panics when a property does not hold. Where division into
//! chunks matters the first bytes choose it: a count (modulo 8), then that many chunk lengths, used
//! in turn.

mod answer;
mod command;

pub use answer::answer;
pub use command::command;

use super::{Args, ProtocolError, ReplyError, ReplyScanner, RequestScanner, Scanned, inline};

/// One frame as a scanner reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    /// Where it ended, counted from the start of the stream.
    end: usize,
    /// What it was: the variant of [`Scanned`] without its length, or the kind of a reply.
    what: char,
    /// The command's name and number of arguments; empty for replies.
    command: (Vec<u8>, usize),
}

/// All that can be seen of a scan over a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trace<E> {
    frames: Vec<Frame>,
    failure: Option<E>,
    at_boundary: bool,
    body_left: usize,
}

/// Division into chunks never changes what the request scanner finds, and every accepted command
/// can be walked, or, for an inline one, re-encoded into a command.
pub fn request(input: &[u8]) {
    let (stream, cuts) = plan(input);
    let whole = trace_requests(stream, &[stream.len()], false);
    assert_eq!(trace_requests(stream, &cuts, false), whole);
    let moved = trace_requests(stream, &cuts, true);
    assert!(
        ends(&moved.frames).eq(ends(&whole.frames)),
        "skipped bodies"
    );
    assert_eq!(moved.failure, whole.failure);
    let mut start = 0;
    for frame in &whole.frames {
        accepted(&stream[start..frame.end], frame);
        start = frame.end;
    }
}

/// Division into chunks never changes what the reply scanner finds.
pub fn reply(input: &[u8]) {
    let (stream, cuts) = plan(input);
    let whole = trace_replies(stream, &[stream.len()], false);
    assert_eq!(trace_replies(stream, &cuts, false), whole);
    assert_eq!(trace_replies(stream, &cuts, true), whole);
}

/// What an inline line becomes is one canonical command of the same words; what it does not
/// become leaves nothing behind.
pub fn inline(line: &[u8]) {
    let mut command = b"kept".to_vec();
    let encoded = inline::encode(line, &mut command);
    let command = command.strip_prefix(b"kept").expect("only appends");
    if encoded != Ok(true) {
        assert!(command.is_empty(), "{encoded:?} left bytes behind");
        return;
    }
    let mut scanner = RequestScanner::new();
    let len = command.len();
    assert_eq!(scanner.scan(command), Ok(Scanned::Command { len }));
    assert_eq!(Args::new(command).count(), scanner.argc());
    let mut again = Vec::new();
    let quoted = quote(Args::new(command));
    // Quoting makes a line longer, perhaps over the limit.
    if quoted.len() <= super::request::INLINE_LEN_MAX {
        assert_eq!(inline::encode(&quoted, &mut again), Ok(true));
        assert_eq!(again, command);
    }
}

/// The words as one line in which each byte is escaped.
fn quote<'a>(words: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut line = String::new();
    for word in words {
        let hex: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        line.push_str(&format!(" \"{hex}\""));
    }
    line.into_bytes()
}

fn accepted(bytes: &[u8], frame: &Frame) {
    let (name, argc) = &frame.command;
    match frame.what {
        'c' => {
            let args: Vec<_> = Args::new(bytes).collect();
            assert_eq!(args.len(), *argc);
            assert!(name.is_empty() || args[0].eq_ignore_ascii_case(name));
        }
        'i' => inline(bytes),
        _ => assert_eq!(Args::new(bytes).next(), None),
    }
}

fn ends(frames: &[Frame]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    frames.iter().map(|f| (f.end, f.what, f.command.1))
}

/// Splits an input into the stream and the lengths of its chunks.
pub(crate) fn plan(input: &[u8]) -> (&[u8], Vec<usize>) {
    let [count, rest @ ..] = input else {
        return (input, vec![1]);
    };
    let (lens, stream) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let mut cuts: Vec<_> = lens.iter().map(|len| usize::from(*len) + 1).collect();
    if cuts.is_empty() {
        cuts.push(1);
    }
    (stream, cuts)
}

fn trace_requests(stream: &[u8], cuts: &[usize], skip: bool) -> Trace<ProtocolError> {
    let mut scanner = RequestScanner::new();
    let mut frames = Vec::new();
    let failure = feed(stream, cuts, |at, chunk| {
        let moved = match skip {
            true => scanner.body_left().saturating_sub(2).min(chunk.len()),
            false => 0,
        };
        assert!(scanner.skip_body(moved), "payload may be skipped");
        let (len, what) = match scanner.scan(&chunk[moved..])? {
            Scanned::More => return Ok(chunk.len()),
            Scanned::Command { len } => (len, 'c'),
            Scanned::Inline { len } => (len, 'i'),
            Scanned::Nothing { len } => (len, 'n'),
        };
        assert!(scanner.at_boundary());
        frames.push(Frame {
            end: at + moved + len,
            what,
            command: (scanner.name().to_vec(), scanner.argc()),
        });
        Ok(moved + len)
    });
    Trace {
        frames,
        failure,
        at_boundary: failure.is_none() && scanner.at_boundary(),
        body_left: failure.map_or(scanner.body_left(), |_| 0),
    }
}

fn trace_replies(stream: &[u8], cuts: &[usize], skip: bool) -> Trace<ReplyError> {
    let mut scanner = ReplyScanner::new();
    let mut frames = Vec::new();
    let failure = feed(stream, cuts, |at, chunk| {
        let moved = match skip {
            true => scanner.body_left().saturating_sub(2).min(chunk.len()),
            false => 0,
        };
        assert!(scanner.skip_body(moved), "payload may be skipped");
        let Some(len) = scanner.scan(&chunk[moved..])? else {
            return Ok(chunk.len());
        };
        assert!(scanner.at_boundary());
        frames.push(Frame {
            end: at + moved + len,
            what: char::from(scanner.kind()),
            command: (Vec::new(), 0),
        });
        Ok(moved + len)
    });
    Trace {
        frames,
        failure,
        at_boundary: failure.is_none() && scanner.at_boundary(),
        body_left: failure.map_or(scanner.body_left(), |_| 0),
    }
}

/// Hands `stream` to `scan` in chunks of the lengths in `cuts`, in turn, and each chunk again
/// from where the last frame in it ended. `scan` gets the offset of what it is given and says
/// how much it consumed.
fn feed<E>(
    stream: &[u8],
    cuts: &[usize],
    mut scan: impl FnMut(usize, &[u8]) -> Result<usize, E>,
) -> Option<E> {
    let mut start = 0_usize;
    for len in cuts.iter().cycle() {
        let end = start.saturating_add(*len).min(stream.len());
        while start < end {
            match scan(start, &stream[start..end]) {
                Ok(consumed) => {
                    assert!(consumed > 0 && start + consumed <= end, "must move on");
                    start += consumed;
                }
                Err(failure) => return Some(failure),
            }
        }
        if start == stream.len() {
            break;
        }
    }
    None
}
