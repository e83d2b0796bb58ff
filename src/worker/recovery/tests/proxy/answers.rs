//! Pairing replies and learning from them, as `routing`, `learning` and `refusing` do it.

use super::super::super::Progress;
use super::super::server::{Op, Reply, Wire};
use super::{Case, Kind, Proxy, Slot, Told, own};

impl Proxy {
    /// One part of the oldest reply is read. A link that turns out to be of no use is returned.
    pub(crate) fn read(&mut self) -> Option<Wire> {
        let link = self.link.as_mut()?;
        let (id, reply) = link.wire.replies.front().cloned()?;
        let failed = matches!(reply, Reply::Error | Reply::NotPrimary);
        let passes = match link.slots.front()?.kind {
            Kind::Plain | Kind::Blocking => self.transaction.is_none(),
            Kind::Exec => true,
            _ => false,
        };
        if passes && !failed && link.refused.is_none() && !link.in_delivery {
            link.in_delivery = true;
            return None;
        }
        link.in_delivery = false;
        link.wire.replies.pop_front();
        let told = Told {
            reply,
            of: Some(id),
            conn: Some(link.wire.conn()),
        };
        if self.take_reply(told) {
            return self.lose_link();
        }
        self.settle();
        let link = self.link.as_ref()?;
        let spent = link
            .slots
            .front()
            .is_none_or(|slot| slot.kind == Kind::Blocking);
        if link.refused.is_some() && spent {
            return self.lose_link();
        }
        None
    }

    /// Pairs a whole reply with the oldest command; `true` when the link is of no more use.
    fn take_reply(&mut self, told: Told) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        let Some(slot) = link.slots.pop_front() else {
            return false;
        };
        if slot.kind == Kind::Restore {
            return told.reply == Reply::NotPrimary;
        }
        let class = slot.command.map(|command| command.op);
        let proves = !matches!(class, None | Some(Op::Wait | Op::Node));
        let proof = told.reply == Reply::NotPrimary && proves;
        if proof || link.refused.is_some() {
            link.refused.get_or_insert_default().push(Case {
                kind: slot.kind,
                id: slot.id,
                command: slot.command,
                progress: match proof {
                    true => Progress::Refused,
                    false => Progress::Answered,
                },
                reply: Some(told),
            });
            return false;
        }
        self.learn(slot, told);
        false
    }

    fn learn(&mut self, slot: Slot, told: Told) {
        let failed = matches!(told.reply, Reply::Error | Reply::NotPrimary);
        if told.reply == Reply::Queued
            && let Some(transaction) = &mut self.transaction
        {
            match (transaction.as_mut(), slot.command) {
                (Some(frames), Some(command)) => frames.push(command),
                _ => *transaction = None,
            }
            return self.told.push(told);
        }
        match slot.kind {
            Kind::Multi if !failed => {
                self.multi_granted = true;
                self.transaction = Some(slot.command.map(|multi| vec![multi]));
            }
            Kind::Multi if self.link.as_ref().is_some_and(|link| link.slots.is_empty()) => {
                self.in_multi = false;
            }
            Kind::Queued if failed && self.transaction.is_some() => self.transaction = Some(None),
            Kind::LostWatch => {
                self.end_transaction();
                if !failed {
                    return self.told.push(own(Reply::Nil));
                }
            }
            Kind::Exec if self.transaction.is_some() => self.end_transaction(),
            Kind::Discard if !failed => self.end_transaction(),
            Kind::Watch => self.watching |= !failed,
            Kind::Unwatch => self.watching &= failed,
            _ => {}
        }
        self.told.push(told);
    }

    pub(super) fn end_transaction(&mut self) {
        self.watching = false;
        self.transaction = None;
    }

    /// What is due and needs no reply.
    fn settle(&mut self) {
        while let Some(link) = &mut self.link {
            match link.slots.front().map(|slot| &slot.kind) {
                Some(Kind::Restored) => self.blocked = false,
                Some(Kind::Local(told)) => {
                    let told = told.clone();
                    match &mut link.refused {
                        Some(cases) => cases.push(Case {
                            kind: Kind::Local(told.clone()),
                            id: 0,
                            command: None,
                            progress: Progress::Whole,
                            reply: Some(told),
                        }),
                        None => self.told.push(told),
                    }
                }
                _ => return,
            }
            if let Some(link) = &mut self.link {
                link.slots.pop_front();
            }
        }
    }
}
