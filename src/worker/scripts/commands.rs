//! What commands mean for scripts: which one an EVALSHA asks for, and what a success has done to the
//! server's. Pure; whether there was success is not decided here.

use crate::resp::Args;

use super::Digest;

/// What the server calls this script.
pub(in crate::worker) fn digest_of(text: &[u8]) -> Digest {
    sha1_smol::Sha1::from(text).digest().bytes()
}

/// The digest an EVALSHA or `EVALSHA_RO` asks for.
pub(in crate::worker) fn asked_for(frame: &[u8]) -> Option<Digest> {
    let mut args = Args::new(frame);
    let name = args.next()?;
    let by_digest =
        name.eq_ignore_ascii_case(b"EVALSHA") || name.eq_ignore_ascii_case(b"EVALSHA_RO");
    let hex = args.next().filter(|hex| by_digest && hex.len() == 40)?;
    let mut digest = Digest::default();
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(digest)
}

/// What a command with success has done to the server's scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::worker) enum Effect<'a> {
    /// This text is there now; `true`: for its digest to be used.
    Loaded(&'a [u8], bool),
    /// None is left.
    Flushed,
}

/// What success of this command does to the server's scripts.
pub(in crate::worker) fn effect(frame: &[u8]) -> Option<Effect<'_>> {
    let mut args = Args::new(frame);
    let name = args.next()?;
    let first = args.next()?;
    let is = |arg: &[u8], word: &str| arg.eq_ignore_ascii_case(word.as_bytes());
    if is(name, "EVAL") || is(name, "EVAL_RO") {
        Some(Effect::Loaded(first, false))
    } else if !is(name, "SCRIPT") {
        None
    } else if is(first, "LOAD") {
        Some(Effect::Loaded(args.next()?, true))
    } else {
        is(first, "FLUSH").then_some(Effect::Flushed)
    }
}
