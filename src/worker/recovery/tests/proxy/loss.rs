//! What a lost link leaves behind, as `loss` does it.

use crate::resp::Class;

use super::super::super::{Before, Entry, Fate, Progress};
use super::super::server::{Command, Id, Op, Reply, Wire};
use super::{Case, Item, Kind, Phase, Proxy, own};

impl Proxy {
    /// The link is lost; what of it may still reach the server is returned.
    pub(crate) fn lose_link(&mut self) -> Option<Wire> {
        let mut link = self.link.take()?;
        if link.in_delivery || self.phase != Phase::Open {
            self.end();
            return Some(link.wire);
        }
        let written = link.wire.written;
        let mut cases = link.refused.take().unwrap_or_default();
        cases.extend(link.slots.into_iter().map(|slot| Case {
            progress: match slot.end <= written {
                true => Progress::Whole,
                false => Progress::Partly,
            },
            kind: slot.kind,
            id: slot.id,
            command: slot.command,
            reply: None,
        }));
        self.sort(cases);
        Some(link.wire)
    }

    /// As `Session::sort` does it.
    fn sort(&mut self, mut cases: Vec<Case>) {
        self.blocked = false;
        cases.extend(self.backlog.drain(..).map(unsent));
        let hole = std::mem::take(&mut self.holed).then_some(HOLE);
        let entries: Vec<_> = cases.iter().map(entry).chain(hole).collect();
        let before = Before {
            in_transaction: self.transaction.is_some(),
            replayable: matches!(self.transaction, Some(Some(_))),
            watching: self.watching,
            multi_granted: self.multi_granted,
            resume_blocking: self.resume_blocking,
        };
        let plan = (self.planner)(&before, &entries);
        self.watching = false;
        if !plan.replay {
            self.transaction = None;
        }
        self.watch_lost |= plan.watch_lost;
        self.hopeless |= plan.aborted && self.in_multi;
        let fates = cases.into_iter().zip(plan.fates);
        self.backlog
            .extend(fates.filter_map(|(case, fate)| item(case, fate)));
        if self.reorders {
            self.backlog.make_contiguous().reverse();
        }
        while let Some(Item::Answer(_)) = self.backlog.front() {
            if let Some(Item::Answer(told)) = self.backlog.pop_front() {
                self.told.push(told);
            }
        }
    }
}

const HOLE: Entry = Entry::Command {
    class: Class::Effect,
    progress: Progress::Partly,
    kept: false,
};

/// DISCARD in place of EXEC.
pub(super) fn stand_in(exec: Id) -> Command {
    Command {
        id: exec,
        op: Op::Discard,
        kept: true,
    }
}

fn unsent(item: Item) -> Case {
    let (kind, id, command) = match item {
        Item::Command(kind, command, _) => (kind, command.id, Some(command)),
        Item::Answer(told) => (Kind::Local(told), 0, None),
    };
    Case {
        kind,
        id,
        command,
        progress: Progress::Partly,
        reply: None,
    }
}

fn entry(case: &Case) -> Entry {
    match case.kind {
        Kind::Local(_) => Entry::Answer,
        Kind::Restore | Kind::Restored => Entry::Own,
        Kind::LostWatch => Entry::Command {
            class: Class::Exec,
            progress: Progress::Partly,
            kept: true,
        },
        _ => Entry::Command {
            class: class_of(case),
            progress: case.progress,
            kept: case.command.is_some(),
        },
    }
}

fn class_of(case: &Case) -> Class {
    let class = match case.kind {
        Kind::Multi => Class::Multi,
        Kind::Exec => Class::Exec,
        Kind::Discard => Class::Discard,
        Kind::Watch => Class::Watch,
        Kind::Unwatch => Class::Unwatch,
        Kind::Setting => Class::Connection,
        _ => case.command.map_or(Class::Unknown, |it| it.op.class()),
    };
    let reply = case.reply.as_ref().map(|told| &told.reply);
    match class {
        Class::Blocking if case.kind == Kind::Queued => Class::Effect,
        Class::Multi if reply == Some(&Reply::Error) => Class::Effect,
        class => class,
    }
}

fn item(case: Case, fate: Fate) -> Option<Item> {
    let told = |reply| Some(Item::Answer(own(reply)));
    match fate {
        Fate::Resend if case.kind != Kind::LostWatch => {
            let maybe_executed = case.progress == Progress::Whole;
            Some(Item::Command(case.kind, case.command?, maybe_executed))
        }
        Fate::Resend | Fate::Nil => Some(Item::Command(Kind::LostWatch, stand_in(case.id), false)),
        Fate::Uncertain => told(Reply::Uncertain),
        Fate::NotExecuted => told(Reply::NotExecuted),
        Fate::Begun => told(Reply::Ok),
        Fate::Queued => told(Reply::Queued),
        Fate::Aborted => told(Reply::Aborted),
        Fate::Zero => told(Reply::Zero),
        Fate::Pass => match (case.kind, case.reply) {
            (Kind::Local(reply), _) | (_, Some(reply)) => Some(Item::Answer(reply)),
            (_, None) => told(Reply::Nil),
        },
        Fate::Drop => None,
    }
}
