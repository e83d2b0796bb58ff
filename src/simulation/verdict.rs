//! Whether a reply can be the one to a command, and what it says about that command.

use redis_protocol::resp2::types::OwnedFrame as Reply;

use super::commands::NODES_MAX;
use super::composing::{Expect, Word};
use super::ledger::Outcome;

type Outcomes = Vec<(u64, Outcome)>;

/// Errors that say that a command was not executed.
const REFUSALS: [&str; 2] = ["MASTERDOWN ", "EXECABORT "];

/// What `reply` says, or why it cannot be an answer.
pub(super) fn judge(expect: &Expect, reply: &Reply) -> Result<Outcomes, &'static str> {
    let all = |outcome: Outcome| {
        let each = |token: &u64| (*token, outcome.clone());
        expect.tokens.iter().map(each).collect()
    };
    if let Reply::Error(text) = reply {
        return match () {
            () if expect.word == Word::Queued => Ok(Vec::new()),
            () if text.starts_with("UNCERTAIN ") => Ok(all(Outcome::Uncertain)),
            () if REFUSALS.iter().any(|known| text.starts_with(known)) => Ok(all(Outcome::Refused)),
            () => Err("no client should see this error"),
        };
    }
    match expect.word {
        Word::Multi => is_status(reply, "OK").map(|()| Vec::new()),
        Word::Queued => is_status(reply, "QUEUED").map(|()| Vec::new()),
        Word::Set | Word::Watch => is_status(reply, "OK").map(|()| all(Outcome::Done)),
        Word::Exec => match reply {
            Reply::Array(parts) if parts.len() == expect.tokens.len() => {
                let pairs = expect.tokens.iter().zip(parts);
                pairs
                    .map(|(token, part)| acknowledged(*token, part))
                    .collect()
            }
            Reply::Null => Ok(all(Outcome::Refused)),
            _ => Err("not what EXEC answers"),
        },
        Word::Pop | Word::BlockingPop if *reply == Reply::Null => Ok(all(Outcome::Nil)),
        _ => {
            let token = *expect.tokens.first().ok_or("nothing was asked")?;
            Ok(vec![acknowledged(token, reply)?])
        }
    }
}

fn is_status(reply: &Reply, expected: &str) -> Result<(), &'static str> {
    match reply {
        Reply::SimpleString(text) if text == expected.as_bytes() => Ok(()),
        _ => Err("not this command's answer"),
    }
}

/// Number and node are in the reply's last word, after the last colon.
fn acknowledged(token: u64, reply: &Reply) -> Result<(u64, Outcome), &'static str> {
    let stamp = match reply {
        Reply::Integer(stamp) => u64::try_from(*stamp).ok(),
        Reply::BulkString(text) => last_number(text),
        Reply::Array(parts) => match parts.last() {
            Some(Reply::BulkString(text)) => last_number(text),
            _ => None,
        },
        _ => None,
    };
    let stamp = stamp.ok_or("it has no number")?;
    if stamp / NODES_MAX != token {
        return Err("it is the answer to another command");
    }
    let node = usize::try_from(stamp % NODES_MAX).unwrap_or(usize::MAX);
    Ok((token, Outcome::Acknowledged(node)))
}

fn last_number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.rsplit(':').next()?.parse().ok()
}
