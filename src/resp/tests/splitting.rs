//! What the request scanner accepts, each server splits in the same way: as many commands, with the
//! same arguments. `STEADFAST_SOAK` asks for a million streams of each server.
//!
//! What is accepted of many streams goes to the server on one connection, its replies telling what it
//! took for arguments. A stream that is refused or cut short goes there whole on a connection of its
//! own: the server may have executed what was accepted, more only where the scanner is stricter than
//! it, and has refused nothing that the scanner still waits for.
//!
//! Where a server is known to differ, `differences` says how and why; what that leaves out is counted and
//! told.

mod answers;
mod differences;
mod streams;

use std::env;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::server::{Server, command};
use crate::resp::{Args, ReplyScanner, RequestScanner, Scanned, inline};
use answers::{Answer, answer, bulk};
use differences::Difference;
use streams::{FUNCTION, stream};

/// Streams told in every run, and with STEADFAST_SOAK.
const STREAMS: u64 = 4_000;
const STREAMS_SOAK: u64 = 1_000_000;
/// Streams sent at a time.
const BATCH: usize = 250;
/// What follows each stream on a shared connection.
const MARK: &[&str] = &["ECHO", "and that was all of it"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// All of it was accepted.
    Whole,
    /// The last command is not complete.
    Cut,
    Refused,
}

/// A stream as the scanner splits it.
struct Split {
    stream: Vec<u8>,
    /// Up to where it was accepted.
    end: usize,
    answers: Vec<Answer>,
    ending: Ending,
    /// Lines that the server is known to take otherwise.
    left_out: u64,
}

/// How many streams there were of each kind.
#[derive(Debug, Default)]
struct Tally {
    streams: u64,
    commands: usize,
    cut: u64,
    refused_by_both: u64,
    refused_by_us_alone: u64,
    lines_left_out: u64,
}

#[test]
fn redis_splits_the_same() {
    all_are_split_the_same(Path::new("redis-server"));
}

#[test]
fn valkey_8_splits_the_same() {
    all_are_split_the_same(&newer("valkey-server-8.0"));
}

#[test]
fn valkey_9_splits_the_same() {
    all_are_split_the_same(&newer("valkey-server-9.1"));
}

fn newer(name: &str) -> std::path::PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin");
    tools.join(name)
}

fn all_are_split_the_same(binary: &Path) {
    if binary.is_absolute() && !binary.exists() {
        eprintln!("passed over: there is no {}", binary.display());
        return;
    }
    let differences: Vec<_> = differences::of(binary).collect();
    let soak = env::var_os("STEADFAST_SOAK").is_some();
    let streams = if soak { STREAMS_SOAK } else { STREAMS };
    let server = Server::start_binary(OsStr::new(binary));
    let loaded = server.ask(&["FUNCTION", "LOAD", FUNCTION]);
    assert_eq!(loaded, b"$9\r\nsplitting\r\n");
    let mut shared = server.stream();
    let mut tally = Tally::default();
    let seeds: Vec<u64> = (0..streams).collect();
    for seeds in seeds.chunks(BATCH) {
        let splits: Vec<_> = seeds
            .iter()
            .map(|seed| split(stream(*seed), &differences))
            .collect();
        accepted_alike(&server, &mut shared, &splits);
        for split in &splits {
            tally.add(split, || alone(&server, &split.stream));
        }
    }
    eprintln!("{}: {tally:?}", binary.display());
    for difference in &differences {
        eprintln!("left out: {}", difference.why);
    }
    assert_eq!(tally.lines_left_out > 0, !differences.is_empty());
    assert!(tally.refused_by_both > 0 && tally.cut > 0, "all was mild");
}

impl Tally {
    /// Counts a stream, and compares what the server makes of one that was not accepted whole.
    fn add(&mut self, split: &Split, said: impl FnOnce() -> Vec<u8>) {
        self.streams += 1;
        self.commands += split.answers.len();
        self.lines_left_out += split.left_out;
        if split.ending == Ending::Whole {
            return;
        }
        let said = said();
        let more = match agreed(&split.answers, &said) {
            Ok(len) => &said[len..],
            Err(why) => differs(split, &why, &said),
        };
        let refused = more.starts_with(b"-ERR Protocol error");
        match split.ending {
            Ending::Refused if refused => self.refused_by_both += 1,
            Ending::Refused => self.refused_by_us_alone += 1,
            _ if more.is_empty() => self.cut += 1,
            _ => differs(split, "more than was accepted", &said),
        }
    }
}

/// The scanner's view of a stream, as a session has it.
fn split(mut stream: Vec<u8>, differences: &[&Difference]) -> Split {
    let mut scanner = RequestScanner::new();
    let mut answers = Vec::new();
    let (mut end, mut left_out) = (0, 0);
    let ending = loop {
        let rest = &stream[end..];
        if rest.is_empty() {
            break Ending::Whole;
        }
        let mut line = Vec::new();
        let (len, frame) = match scanner.scan(rest) {
            Ok(Scanned::More) => break Ending::Cut,
            Ok(Scanned::Command { len }) => (len, &rest[..len]),
            Ok(Scanned::Nothing { len })
                if differences.iter().any(|it| (it.is_it)(&rest[..len])) =>
            {
                stream.drain(end..end + len);
                left_out += 1;
                continue;
            }
            Ok(Scanned::Nothing { len }) => (len, &[][..]),
            Ok(Scanned::Inline { len }) if inline::encode(&rest[..len], &mut line).is_ok() => {
                (len, line.as_slice())
            }
            _ => break Ending::Refused,
        };
        let args: Vec<_> = Args::new(frame).collect();
        if let [name, args @ ..] = args.as_slice() {
            answers.push(answer(name, args));
        }
        end += len;
    };
    Split {
        stream,
        end,
        answers,
        ending,
        left_out,
    }
}

/// Sends what was accepted of all, one after the other.
fn accepted_alike(server: &Server, shared: &mut UnixStream, splits: &[Split]) {
    let mark = command(MARK);
    let sent: Vec<_> = splits
        .iter()
        .map(|split| [&split.stream[..split.end], &mark].concat())
        .collect();
    let alike = shared.write_all(&sent.concat()).is_ok() && all_answered(shared, splits);
    if alike {
        return;
    }
    for (split, sent) in splits.iter().zip(sent) {
        let said = alone(server, &sent);
        let marked = bulk(MARK[1].as_bytes());
        match agreed(&split.answers, &said) {
            Ok(len) if said[len..] == marked => {}
            Ok(_) => differs(split, "not the mark", &said),
            Err(why) => differs(split, &why, &said),
        }
    }
    panic!("the server closed, or answered otherwise, and does not when asked again");
}

/// Whether the replies to `splits`, each with its mark, are what they must be.
fn all_answered(shared: &mut UnixStream, splits: &[Split]) -> bool {
    let marked = bulk(MARK[1].as_bytes());
    let mut unread = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    let mut from = 0;
    for split in splits {
        let mut answers = split.answers.iter();
        loop {
            let Some(len) = frame_len(&unread[from..]) else {
                unread.drain(..from);
                from = 0;
                match shared.read(&mut chunk) {
                    Ok(len) if len > 0 => unread.extend_from_slice(&chunk[..len]),
                    _ => return false,
                }
                continue;
            };
            let reply = &unread[from..from + len];
            from += len;
            match answers.next() {
                Some(Answer::One) => {}
                Some(Answer::Exactly(expected)) if expected == reply => {}
                None if reply == marked => break,
                _ => return false,
            }
        }
    }
    from == unread.len()
}

fn frame_len(bytes: &[u8]) -> Option<usize> {
    ReplyScanner::new()
        .scan(bytes)
        .expect("a server's replies are replies")
}

/// How many bytes of what the server said are the answers, if it begins with them.
fn agreed(answers: &[Answer], said: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    for (index, answer) in answers.iter().enumerate() {
        let Some(len) = frame_len(&said[at..]) else {
            return Err(format!("no reply to command {index}"));
        };
        if let Answer::Exactly(expected) = answer
            && said[at..at + len] != *expected
        {
            let expected = expected.escape_ascii();
            return Err(format!("command {index}, expected {expected}"));
        }
        at += len;
    }
    Ok(at)
}

/// All that the server says to these bytes and the end of the stream.
fn alone(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = server.stream();
    // It may close before it has read all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("no end: {error}"),
        _ => said,
    }
}

fn differs(split: &Split, why: &str, said: &[u8]) -> ! {
    panic!(
        "{why}\nstream: {}\naccepted: {} bytes, {} commands, then {:?}\nthe server said: {}",
        split.stream.escape_ascii(),
        split.end,
        split.answers.len(),
        split.ending,
        said.escape_ascii()
    );
}
