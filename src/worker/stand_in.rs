//! What the server is sent in place of a command whose own effect would break the pairing of replies.
//! Inside a transaction that is a command it must refuse, so that EXEC executes nothing.

use crate::resp::questions::{BAD_SUBSCRIBE, DISCARD, REPLY_ON};
use crate::resp::{Args, Special};

use super::intake::Intake;
use super::slot::{Kind, ReplyMode};

const SUBSCRIBE_IN_MULTI: &[u8] = b"-ERR steadfast: SUBSCRIBE is not allowed inside MULTI\r\n";
const UNSUBSCRIBE_IN_MULTI: &[u8] = b"-ERR steadfast: UNSUBSCRIBE is not allowed inside MULTI\r\n";
/// What the client is told of a command that is none of a proxy's clients'.
pub(super) const REFUSED_IN_MULTI: &[u8] =
    b"-ERR steadfast: this command is not available through a proxy\r\n";
/// What the client is told of a tracking that would have to be set up again.
pub(super) const REDIRECT_IN_MULTI: &[u8] =
    b"-ERR steadfast: CLIENT TRACKING with REDIRECT is not allowed inside MULTI\r\n";

/// What is sent in place of this command, and what its answer then means; none where it goes as it
/// is.
pub(super) fn stand_in(
    intake: &Intake,
    command: Special,
    frame: &[u8],
    argc: usize,
) -> Option<(Kind, &'static [u8])> {
    let in_multi = intake.in_multi;
    match command {
        Special::Exec if in_multi && intake.watch_lost => Some((Kind::LostWatch, DISCARD)),
        Special::Client => Some((Kind::ReplyMode(reply_mode(frame, argc)?), REPLY_ON)),
        Special::Subscribe { .. } if in_multi => {
            Some((Kind::Refusal(SUBSCRIBE_IN_MULTI), BAD_SUBSCRIBE))
        }
        Special::Unsubscribe { .. } if in_multi => {
            Some((Kind::Refusal(UNSUBSCRIBE_IN_MULTI), BAD_SUBSCRIBE))
        }
        _ => None,
    }
}

/// The mode a CLIENT REPLY asks for, if that is what it is.
fn reply_mode(frame: &[u8], argc: usize) -> Option<ReplyMode> {
    let mut args = Args::new(frame).skip(1);
    if argc != 3 || !args.next()?.eq_ignore_ascii_case(b"REPLY") {
        return None;
    }
    let mode = args.next()?;
    [
        (&b"ON"[..], ReplyMode::On),
        (b"OFF", ReplyMode::Off),
        (b"SKIP", ReplyMode::Skip),
    ]
    .into_iter()
    .find_map(|(word, meaning)| mode.eq_ignore_ascii_case(word).then_some(meaning))
}
