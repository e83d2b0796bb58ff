//! Passing on what the client sent, as `intercept` and `backlog` do it.

use super::super::server::{Command, Op, Reply};
use super::loss::stand_in;
use super::{Item, Kind, Proxy, own};

impl Proxy {
    pub(super) fn take_back(&mut self, item: Item, sends: bool) {
        match item {
            Item::Answer(told) => self.answer(told),
            Item::Command(kind, command, _) if sends => self.send(kind, command),
            Item::Command(kind, command, maybe) => self.fail(&kind, command.op, maybe),
        }
    }

    fn fail(&mut self, kind: &Kind, op: Op, maybe_executed: bool) {
        if *kind == Kind::Multi || self.transaction.is_some() {
            self.drop_transaction();
            if !self.fail_part(kind) {
                self.fail_rest();
            }
            return;
        }
        self.answer(own(match kind {
            Kind::Blocking => Reply::Nil,
            Kind::Exec => Reply::Aborted,
            Kind::Discard | Kind::Unwatch => Reply::Ok,
            _ if maybe_executed && matches!(op, Op::Read | Op::Pop) => Reply::Uncertain,
            _ => Reply::NotExecuted,
        }));
    }

    fn fail_part(&mut self, kind: &Kind) -> bool {
        let (reply, ends) = match kind {
            Kind::Exec => (Reply::Aborted, true),
            Kind::LostWatch => (Reply::Nil, true),
            Kind::Discard => (Reply::Ok, true),
            Kind::Multi => (Reply::Ok, false),
            _ => (Reply::NotExecuted, false),
        };
        self.answer(own(reply));
        ends
    }

    fn fail_rest(&mut self) {
        loop {
            match self.backlog.pop_front() {
                None => {
                    self.hopeless = self.in_multi;
                    return;
                }
                Some(Item::Answer(told)) => self.answer(told),
                Some(Item::Command(kind, ..)) if self.fail_part(&kind) => return,
                Some(Item::Command(..)) => {}
            }
        }
    }

    pub(super) fn pass_on(&mut self, command: Command, held: bool, sends: bool) {
        let op = command.op;
        if self.answers_hopeless(op, sends) {
        } else if !sends && op == Op::Multi && !self.in_multi {
            self.in_multi = true;
            self.answer(own(Reply::Ok));
            self.give_up_transaction();
        } else if !sends && matches!(op, Op::Exec | Op::Discard) && self.in_multi {
            self.give_up_transaction();
            self.answers_hopeless(op, sends);
        } else if !sends || (held && op == Op::Node) {
            self.refuse();
        } else {
            self.send_special(command);
        }
    }

    fn give_up_transaction(&mut self) {
        self.hopeless = true;
        self.drop_transaction();
    }

    fn drop_transaction(&mut self) {
        match &self.link {
            Some(link) if self.transaction.is_some() || !link.slots.is_empty() => {
                (self.holed, self.blocked) = (true, true);
            }
            _ => self.transaction = None,
        }
    }

    fn answers_hopeless(&mut self, op: Op, sends: bool) -> bool {
        if !self.hopeless {
            return false;
        }
        let reply = match op {
            Op::Exec => Reply::Aborted,
            Op::Discard => Reply::Ok,
            _ if !sends => Reply::NotExecuted,
            _ => Reply::Queued,
        };
        if matches!(op, Op::Exec | Op::Discard) {
            self.hopeless = false;
            self.in_multi = false;
            self.watch_lost = false;
        }
        self.answer(own(reply));
        true
    }

    fn refuse(&mut self) {
        self.answer(own(Reply::NotExecuted));
        if self.in_multi {
            self.give_up_transaction();
        }
    }

    fn send_special(&mut self, command: Command) {
        let op = command.op;
        if op == Op::Exec && self.in_multi && self.watch_lost {
            self.in_multi = false;
            self.watch_lost = false;
            return self.send(Kind::LostWatch, stand_in(command.id));
        }
        let queued = self.in_multi;
        match op {
            Op::Multi => self.in_multi = true,
            Op::Exec => self.in_multi = false,
            Op::Discard => {
                self.watch_lost &= !self.in_multi;
                self.in_multi = false;
            }
            Op::Unwatch => self.watch_lost &= self.in_multi,
            _ => {}
        }
        let kind = match op {
            Op::Exec => Kind::Exec,
            Op::Discard => Kind::Discard,
            _ if queued => Kind::Queued,
            Op::Multi => Kind::Multi,
            Op::Watch => Kind::Watch,
            Op::Unwatch => Kind::Unwatch,
            Op::Setting => Kind::Setting,
            Op::Pop => Kind::Blocking,
            _ => Kind::Plain,
        };
        self.send(kind, command);
    }
}
