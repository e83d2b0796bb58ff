//! What is read from one command of a client: what it is, whether it may share a link, how long it
//! waits.

use std::time::Duration;

use crate::resp::blocking::{self, Timeout};
use crate::resp::{Args, Class, Commands, RequestScanner, Scanned, class, inline, special};

/// Remaining times that are written into calls, in microseconds.
const REMAINING_US: [u64; 4] = [0, 1_000, 1_500, 86_400_000_000];

/// What a command is does not depend on how its words are spelled, words of a server make it no more
/// harmless, nothing that takes something from its connection may share one, and a call that waits
/// is the same call with another timeout.
pub fn command(input: &[u8]) {
    of_any_bytes(input);
    let mut scanner = RequestScanner::new();
    let mut rest = input;
    while let Ok(found) = scanner.scan(rest) {
        let (len, frame) = match found {
            Scanned::More => return,
            Scanned::Nothing { len } => (len, None),
            Scanned::Command { len } => (len, Some(rest[..len].to_vec())),
            Scanned::Inline { len } => (len, of_line(&rest[..len])),
        };
        if let Some(frame) = frame {
            of_command(&frame);
        }
        rest = &rest[len..];
    }
}

/// Total: nothing here may be asked only about commands.
fn of_any_bytes(input: &[u8]) {
    let _ = (class(input), special(input), blocking::timeout(input));
    let _ = Commands::BUILT_IN.shareable(input, input);
    let _ = blocking::with_remaining(input, Duration::ZERO);
    assert!(Args::new(input).count() <= input.len());
}

fn of_line(line: &[u8]) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let encoded = inline::encode(line, &mut frame);
    (encoded == Ok(true)).then_some(frame)
}

fn of_command(frame: &[u8]) {
    let args: Vec<_> = Args::new(frame).collect();
    let other: Vec<_> = args.iter().map(|arg| swapped(arg)).collect();
    let other = encoded(other.iter().map(Vec::as_slice));
    assert_eq!(class(&other), class(frame), "spelling");
    assert_eq!(shareable(&other), shareable(frame), "spelling");
    assert_eq!(blocking::timeout(&other), blocking::timeout(frame));
    if shareable(frame) {
        assert!(leaves_its_link_alone(class(frame)), "{:?}", class(frame));
    }
    words_only_restrict(frame, &args);
    for micros in REMAINING_US {
        resumed(frame, &args, Duration::from_micros(micros));
    }
}

/// Upper case for lower case and the other way round.
fn swapped(word: &[u8]) -> Vec<u8> {
    let swap = |byte: &u8| match byte.is_ascii_alphabetic() {
        true => byte ^ 0x20,
        false => *byte,
    };
    word.iter().map(swap).collect()
}

fn encoded<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

/// Asked as a session does, with the name the scanner kept.
fn shareable(frame: &[u8]) -> bool {
    let mut scanner = RequestScanner::new();
    let len = frame.len();
    assert_eq!(scanner.scan(frame), Ok(Scanned::Command { len }));
    Commands::BUILT_IN.shareable(scanner.name(), frame)
}

const fn leaves_its_link_alone(class: Class) -> bool {
    !matches!(
        class,
        Class::Subscription
            | Class::Multi
            | Class::Exec
            | Class::Discard
            | Class::Watch
            | Class::Unwatch
            | Class::Blocking
            | Class::BlockingRead { .. }
            | Class::Wait
            | Class::Node
            | Class::Unknown
    )
}

/// Takes the command's own arguments for a server's words about it.
fn words_only_restrict(frame: &[u8], args: &[&[u8]]) {
    let Some((name, words)) = args.split_first() else {
        return;
    };
    let mut commands = Commands::BUILT_IN;
    commands.hear(name, words.iter().copied(), words.iter().copied());
    let after = commands.class(frame);
    let stricter = matches!(after, Class::Effect | Class::Unknown);
    assert!(after == class(frame) || stricter, "{after:?}");
    assert!(!commands.shareable(&name.to_ascii_uppercase(), frame) || shareable(frame));
}

fn resumed(frame: &[u8], args: &[&[u8]], remaining: Duration) {
    let call = blocking::with_remaining(frame, remaining);
    assert_eq!(call.is_some(), blocking::timeout(frame).is_some());
    let Some(call) = call else {
        return;
    };
    let len = call.len();
    assert_eq!(
        RequestScanner::new().scan(&call),
        Ok(Scanned::Command { len })
    );
    let new: Vec<_> = Args::new(&call).collect();
    assert_eq!(new.len(), args.len());
    let changed = new.iter().zip(args).filter(|(new, old)| new != old);
    assert!(changed.count() <= 1, "only the timeout is another");
    assert_eq!(class(&call), class(frame));
    // Seconds are a float to servers and to us: what is rounded up may be one more.
    let millis = remaining.as_nanos().div_ceil(1_000_000).max(1);
    match blocking::timeout(&call) {
        Some(Timeout::After(after)) => {
            assert!((millis..=millis + 1).contains(&after.as_millis()));
        }
        other => panic!("{other:?} after {remaining:?} were written"),
    }
}
