//! The timeout of a call that waits: where it is, how long it is, and the same call with another.
//!
//! For commands of the classes `Blocking` and `BlockingRead`. Forms that a server takes but nobody
//! sends, such as hexadecimal seconds, are not understood; whoever asks then cannot resume the
//! call. Knows no clock.

use std::time::Duration;

use super::args::Args;
use super::xread::Xread;

/// Longest remaining time that is written into a call, in milliseconds: some 30,000 years, well
/// within what every server takes.
const REMAINING_MAX: u128 = 1_000_000_000_000_000;

/// How long a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Until there is something.
    Forever,
    /// This long, in whole milliseconds and not zero, as servers count it.
    After(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// How long the call that is `frame` waits; `None` if that cannot be told, or is nothing a server
/// accepts.
#[must_use]
pub fn timeout(frame: &[u8]) -> Option<Timeout> {
    let (at, unit) = place(frame)?;
    let value = str::from_utf8(Args::new(frame).nth(at)?).ok()?;
    let millis = match unit {
        Unit::Seconds => from_seconds(value)?,
        Unit::Milliseconds => from_millis(value)?,
    };
    Some(match millis {
        0 => Timeout::Forever,
        millis => Timeout::After(Duration::from_millis(millis)),
    })
}

/// The call that is `frame` with `remaining` as its timeout, rounded up to milliseconds and never
/// zero, for zero would be for ever; `None` where [`timeout`] is.
#[must_use]
pub fn with_remaining(frame: &[u8], remaining: Duration) -> Option<Vec<u8>> {
    timeout(frame)?;
    let (at, unit) = place(frame)?;
    let millis = remaining.as_nanos().div_ceil(1_000_000);
    let millis = millis.clamp(1, REMAINING_MAX);
    let value = match unit {
        Unit::Seconds => format!("{}.{:03}", millis / 1000, millis % 1000),
        Unit::Milliseconds => millis.to_string(),
    };
    Some(with_arg(frame, at, value.as_bytes()))
}

/// What a server answers when the timeout of the call that is `_frame` passes.
///
/// The same for all of them, on Redis 7.0 and Valkey 8.0 and 9.1; not for a server's other nils,
/// which is why the call is asked for.
#[must_use]
pub const fn nil(_frame: &[u8], resp3: bool) -> &'static [u8] {
    match resp3 {
        true => b"_\r\n",
        false => b"*-1\r\n",
    }
}

/// Which argument the timeout is, the name being 0.
fn place(frame: &[u8]) -> Option<(usize, Unit)> {
    const LAST: [&[u8]; 6] = [
        b"BLPOP",
        b"BRPOP",
        b"BLMOVE",
        b"BRPOPLPUSH",
        b"BZPOPMIN",
        b"BZPOPMAX",
    ];
    const FIRST: [&[u8]; 2] = [b"BLMPOP", b"BZMPOP"];
    const OPTION: [&[u8]; 2] = [b"XREAD", b"XREADGROUP"];

    let name = Args::new(frame).next()?;
    let is = |listed: &&[u8]| name.eq_ignore_ascii_case(listed);
    if LAST.iter().any(is) {
        // A name and at least one key are before it.
        let last = Args::new(frame).count().checked_sub(1)?;
        (last >= 2).then_some((last, Unit::Seconds))
    } else if FIRST.iter().any(is) {
        Some((1, Unit::Seconds))
    } else if OPTION.iter().any(is) {
        let (at, _) = Xread::parse(frame)?.block?;
        Some((at, Unit::Milliseconds))
    } else {
        None
    }
}

/// The milliseconds of so many seconds, rounded up as servers do.
fn from_seconds(value: &str) -> Option<u64> {
    // Above this a float is no exact count any more; no server takes more than 64 bits.
    const MILLIS_MAX: f64 = 9.0e18;

    let seconds: f64 = value.parse().ok()?;
    let millis = (seconds * 1000.0).ceil();
    if !(0.0..MILLIS_MAX).contains(&millis) {
        return None;
    }
    // The sign is gone with the check, and the fraction with rounding up.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let millis = millis as u64;
    // Servers count with more digits: what is nothing here may be next to nothing there.
    let vanished = millis == 0 && !value.starts_with('-') && !is_zero(value);
    Some(if vanished { 1 } else { millis })
}

/// Whether this decimal number has no digit but 0 before its exponent.
fn is_zero(value: &str) -> bool {
    let digits = value
        .bytes()
        .take_while(|byte| !matches!(byte, b'e' | b'E'));
    !digits.into_iter().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Whole milliseconds in the one form servers take: digits only, no leading zero.
fn from_millis(value: &str) -> Option<u64> {
    let canonical = value.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = value.len() > 1 && value.starts_with('0');
    let millis = value.parse().ok()?;
    (canonical && !leading_zero && i64::try_from(millis).is_ok()).then_some(millis)
}

/// `frame` with `value` for its argument `at`.
fn with_arg(frame: &[u8], at: usize, value: &[u8]) -> Vec<u8> {
    let args = Args::new(frame);
    let mut out = Vec::with_capacity(frame.len().saturating_add(value.len()));
    out.extend_from_slice(format!("*{}\r\n", args.clone().count()).as_bytes());
    for (index, arg) in args.enumerate() {
        let arg = if index == at { value } else { arg };
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}
