//! What is done to a server: bytes on a few connections, and the moments that fix their order.

use crate::rng::Rng;

/// Whose connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The client under test.
    Subject,
    /// Always connected to the server itself.
    Helper,
}

/// One thing to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Write `bytes`, divided at `cuts`.
    Write {
        who: Who,
        bytes: Vec<u8>,
        cuts: Vec<usize>,
    },
    /// Wait until `text` has been received `times` times.
    Seen {
        who: Who,
        text: Vec<u8>,
        times: usize,
    },
    /// Wait until so many clients are blocked at the server.
    Blocked(usize),
    /// Run a command on the server with the subject's id in place of `SELF`.
    OnSubject(Vec<String>),
    /// End our direction of the subject's connection.
    HalfClose,
    /// Wait until the subject's connection has been closed.
    Closed,
}

/// A whole stream.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Commands in it.
    pub(super) commands: usize,
    syncs: usize,
}

/// How a stream is divided into writes.
#[derive(Debug, Clone, Copy)]
enum Cutting {
    Never,
    /// At every byte.
    Always,
    /// After at most so many bytes.
    Within(usize),
}

/// At most so many writes for one run of bytes, the rest goes in one.
const CUTS_MAX: usize = 3000;

impl Plan {
    /// Writes `bytes`, which hold `commands` commands, cut at random.
    pub(super) fn write(&mut self, who: Who, bytes: Vec<u8>, commands: usize, rng: &mut Rng) {
        let cutting = match rng.below(6) {
            0 => Cutting::Never,
            1 => Cutting::Always,
            2 => Cutting::Within(8),
            3 => Cutting::Within(60),
            4 => Cutting::Within(1000),
            _ => Cutting::Within(100_000),
        };
        let cuts = cuts(bytes.len(), cutting, rng);
        self.commands += commands;
        self.steps.push(Step::Write { who, bytes, cuts });
    }

    /// Shows what is done, for whoever replays it.
    pub(super) fn print(&self) {
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Step::Write { who, bytes, cuts } => {
                    eprintln!("{at}: {who:?}, {} cuts", cuts.len());
                    bytes
                        .split(|byte| *byte == b'\n')
                        .for_each(|line| eprintln!("  {}", line.escape_ascii()));
                }
                other => eprintln!("{at}: {other:?}"),
            }
        }
    }

    /// One command, cut at random.
    pub(super) fn call(&mut self, who: Who, args: &[&str], rng: &mut Rng) {
        self.write(who, encode(args), 1, rng);
    }

    /// Waits until everything written so far by `who` was answered; `word` is what the
    /// connection's state allows: ECHO, or PING for a RESP2 subscriber.
    pub(super) fn sync(&mut self, who: Who, word: &str, rng: &mut Rng) {
        self.syncs += 1;
        let token = format!("sync:{}:", self.syncs);
        self.call(who, &[word, &token], rng);
        self.seen(who, &format!("{token}\r\n"), 1);
    }

    /// Waits for `text`.
    pub(super) fn seen(&mut self, who: Who, text: &str, times: usize) {
        self.steps.push(Step::Seen {
            who,
            text: text.into(),
            times,
        });
    }

    /// One command of the helper, answered.
    pub(super) fn help(&mut self, args: &[&str], rng: &mut Rng) {
        self.call(Who::Helper, args, rng);
        self.sync(Who::Helper, "ECHO", rng);
    }

    /// QUIT, and the end of the connection.
    pub(super) fn quit(&mut self, rng: &mut Rng) {
        self.call(Who::Subject, &["QUIT"], rng);
        self.steps.push(Step::Closed);
    }
}

fn cuts(len: usize, cutting: Cutting, rng: &mut Rng) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut at = 0;
    while at < len && cuts.len() < CUTS_MAX {
        at += match cutting {
            Cutting::Never => break,
            Cutting::Always => 1,
            Cutting::Within(most) => rng.within(1, most),
        };
        cuts.push(at.min(len));
    }
    cuts
}

/// One command as a RESP array of bulk strings.
pub(super) fn encode<T: AsRef<[u8]>>(args: &[T]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// One command as a line, each argument quoted.
pub(super) fn encode_inline<T: AsRef<[u8]>>(args: &[T], rng: &mut Rng) -> Vec<u8> {
    let mut line = Vec::new();
    for arg in args {
        let arg = arg.as_ref();
        let bare = !arg.is_empty() && arg.iter().all(u8::is_ascii_alphanumeric);
        if bare && rng.chance(70) {
            line.extend_from_slice(arg);
        } else {
            let hex: String = arg.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            line.extend_from_slice(format!("\"{hex}\"").as_bytes());
        }
        line.extend_from_slice(rng.pick(&[" ", "  ", "\t"]).as_bytes());
    }
    line.extend_from_slice(rng.pick(&["\n", "\r\n"]).as_bytes());
    line
}
