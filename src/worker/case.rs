//! A command that was in flight on a lost link: what is known of it, and how the rules of `recovery`
//! see it.

use std::rc::Rc;

use crate::resp::{Class, Commands};

use super::backlog::Item;
use super::flight::Remains;
use super::recovery::{Entry, Progress};
use super::session::Session;
use super::slot::Kind;

/// A command that was in flight on a lost link.
#[derive(Debug)]
pub(super) struct Case {
    /// Whose it was, if it was in flight.
    pub(super) owner: Option<Rc<Session>>,
    pub(super) kind: Kind,
    /// What was sent for it, where that is known.
    pub(super) frame: Option<Box<[u8]>>,
    pub(super) progress: Progress,
    /// It was sent before as well, and may have been executed then, without any effect.
    pub(super) maybe_executed: bool,
    /// Its reply, which the client has not got.
    pub(super) reply: Option<Box<[u8]>>,
}

impl Case {
    /// One without any reply.
    pub(super) fn unanswered(remains: Remains) -> Self {
        Self {
            owner: Some(remains.owner),
            kind: remains.kind,
            frame: remains.frame,
            progress: match remains.written {
                true => Progress::Whole,
                false => Progress::Partly,
            },
            maybe_executed: false,
            reply: None,
        }
    }
}

impl Case {
    /// What had not been sent again yet.
    pub(super) fn unsent(item: Item) -> Self {
        let (kind, frame, maybe_executed) = match item {
            Item::Command {
                kind,
                frame,
                maybe_executed,
                ..
            } => (kind, Some(frame), maybe_executed),
            Item::Answer(reply) => (Kind::Local(reply), None, false),
            Item::End => (Kind::Close, None, false),
        };
        Self {
            owner: None,
            kind,
            frame,
            progress: Progress::Partly,
            maybe_executed,
            reply: None,
        }
    }
}

/// What the rules are told of it.
pub(super) fn entry(case: &Case, commands: &Commands) -> Entry {
    match case.kind {
        Kind::Local(_) | Kind::Close => Entry::Answer,
        Kind::Restored => Entry::Own,
        ref kind if kind.is_own() => Entry::Own,
        // DISCARD went in its place, so that it cannot have executed anything.
        Kind::LostWatch => Entry::Command {
            class: Class::Exec,
            progress: Progress::Partly,
            kept: true,
        },
        _ => Entry::Command {
            class: class_of(case, commands),
            progress: case.progress,
            kept: case.frame.is_some(),
        },
    }
}

/// What changes the connection is known although its bytes are not kept.
fn class_of(case: &Case, commands: &Commands) -> Class {
    let class = match case.kind {
        Kind::Multi => Class::Multi,
        Kind::Exec => Class::Exec,
        Kind::Discard => Class::Discard,
        Kind::Watch => Class::Watch,
        Kind::Unwatch => Class::Unwatch,
        Kind::Setting | Kind::Auth | Kind::Hello(_) => Class::Connection,
        _ => {
            let frame = case.frame.as_deref();
            frame.map_or(Class::Unknown, |frame| commands.class(frame))
        }
    };
    let failed = |reply: &[u8]| reply.starts_with(b"-");
    match class {
        // Within a transaction, also one that turns out to be none, it is not waited for.
        Class::Blocking if case.kind == Kind::Queued => Class::Effect,
        // What followed was not queued.
        Class::Multi if case.reply.as_deref().is_some_and(failed) => Class::Effect,
        class => class,
    }
}

/// Whether the connection's state cannot be told without this command, whose bytes are gone.
pub(super) fn is_blind(case: &Case) -> bool {
    let sets = matches!(
        case.kind,
        Kind::Setting | Kind::Auth | Kind::Hello(_) | Kind::Reset | Kind::ReplyMode(_)
    );
    sets && case.frame.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_executed_once_still_may_have_been() {
        for maybe_executed in [false, true] {
            let case = Case::unsent(Item::Command {
                kind: Kind::Plain,
                frame: Box::default(),
                maybe_executed,
                apart: false,
            });
            assert_eq!(case.progress, Progress::Partly);
            assert_eq!(case.maybe_executed, maybe_executed);
        }
    }
}
