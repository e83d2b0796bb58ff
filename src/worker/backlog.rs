//! What a lost link left behind and the next one gets, in order: commands to be sent again, and
//! answers that must not overtake them. Kept here; sent by `resending`.

use std::collections::VecDeque;

use super::slot::Kind;

/// One thing to be done.
#[derive(Debug)]
pub(super) enum Item {
    /// To be sent again.
    Command {
        kind: Kind,
        frame: Box<[u8]>,
        /// It may have been executed, without any effect.
        maybe_executed: bool,
        /// Its reply is too large for a shared link.
        apart: bool,
    },
    /// To be told to the client.
    Answer(Box<[u8]>),
    /// The session ends here.
    End,
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Command { frame: bytes, .. } | Self::Answer(bytes) => bytes_of(bytes),
            Self::End => bytes_of(&[]),
        }
    }
}

/// What keeping something of these bytes takes up.
pub(super) fn bytes_of(bytes: &[u8]) -> usize {
    bytes.len() + size_of::<Item>()
}

/// All of it; a session without one pays for a pointer.
#[derive(Debug, Default)]
pub(super) struct Backlog(Option<Box<Items>>);

#[derive(Debug, Default)]
struct Items {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Backlog {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of the commands and answers that wait.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |items| items.bytes)
    }

    pub(super) fn push_front(&mut self, item: Item) {
        let items = self.0.get_or_insert_default();
        items.bytes += item.bytes();
        items.items.push_front(item);
    }

    /// Takes over what a lost link leaves behind; nothing else may wait.
    pub(super) fn put(&mut self, items: VecDeque<Item>) {
        let bytes = items.iter().map(Item::bytes).sum();
        self.0 = (!items.is_empty()).then(|| Box::new(Items { items, bytes }));
    }

    /// Gives up all of it.
    pub(super) fn take(&mut self) -> VecDeque<Item> {
        self.0.take().map_or_else(VecDeque::new, |all| all.items)
    }

    /// Whether all of it is what is asked for apart.
    pub(super) fn is_apart(&self) -> bool {
        let apart = |item: &Item| matches!(item, Item::Command { apart: true, .. });
        self.items().all(apart)
    }

    /// All of it, in order.
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.0.iter().flat_map(|all| all.items.iter())
    }

    /// What is to be done next.
    pub(super) fn front(&self) -> Option<&Item> {
        self.0.as_ref()?.items.front()
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let all = self.0.as_mut()?;
        let item = all.items.pop_front();
        all.bytes -= item.as_ref().map_or(0, Item::bytes);
        if all.items.is_empty() {
            self.0 = None;
        }
        item
    }
}
