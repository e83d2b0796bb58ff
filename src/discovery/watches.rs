//! The watches of data nodes under way: one for the primary, one for each candidate.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::commands;
use super::probe::Settings;
use super::signal::{Reading, Signal};
use super::watch::{Beat, Pace, Watch};
use crate::net::HostPort;
use crate::resp::Commands;

/// Nodes watched at the same time.
pub(super) const WATCHES_MAX: usize = 8;

#[derive(Debug)]
struct Running {
    id: u64,
    beat: watch::Sender<Beat>,
    task: AbortHandle,
    /// When the newest question that has come to an end was sent.
    looked: Option<Instant>,
    knows_capa: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All of them.
pub(super) struct Watches {
    running: BTreeMap<HostPort, Running>,
    settings: Arc<Settings>,
    out: mpsc::Sender<Signal>,
    started: u64,
}

impl Watches {
    pub(super) fn new(settings: Settings, out: mpsc::Sender<Signal>) -> Self {
        Self {
            running: BTreeMap::new(),
            settings: Arc::new(settings),
            out,
            started: 0,
        }
    }

    /// Watches this address at this pace, from now on.
    pub(super) fn set(&mut self, address: &HostPort, pace: Pace) {
        if let Some(running) = self.running.get(address) {
            running.beat.send_if_modified(|beat| {
                let changed = beat.pace != pace;
                beat.pace = pace;
                changed
            });
            return;
        }
        if self.running.len() >= WATCHES_MAX {
            return;
        }
        self.started += 1;
        let (beat, receiver) = watch::channel(Beat { pace, nudges: 0 });
        let watch = Watch {
            id: self.started,
            address: address.clone(),
            settings: self.settings.clone(),
            beat: receiver,
            out: self.out.clone(),
        };
        let running = Running {
            id: self.started,
            beat,
            task: tokio::spawn(watch.run()).abort_handle(),
            looked: None,
            knows_capa: false,
        };
        self.running.insert(address.clone(), running);
    }

    /// Asks the node at `address`, the primary of `generation`, what it says of its commands beyond
    /// what is `known`.
    pub(super) fn ask_commands(&self, address: &HostPort, generation: u64, known: Commands) {
        let (settings, out) = (self.settings.clone(), self.out.clone());
        tokio::spawn(commands::ask(
            address.clone(),
            generation,
            known,
            settings,
            out,
        ));
    }

    /// Looks at this address at once.
    pub(super) fn nudge(&self, address: &HostPort) {
        if let Some(running) = self.running.get(address) {
            running.beat.send_modify(|beat| beat.nudges += 1);
        }
    }

    /// Stops all watches but those of `wanted`.
    pub(super) fn retain(&mut self, wanted: &[HostPort]) {
        self.running.retain(|address, _| wanted.contains(address));
    }

    /// Notes a reading; `false` when it comes from a watch that was stopped.
    pub(super) fn note(&mut self, reading: &Reading) -> bool {
        match self.running.get_mut(&reading.address) {
            Some(running) if running.id == reading.watch => {
                running.looked = Some(reading.sent);
                running.knows_capa = reading.knows_capa;
                true
            }
            _ => false,
        }
    }

    /// The watch of this address, as its readings call it.
    #[cfg(test)]
    pub(super) fn id(&self, address: &HostPort) -> Option<u64> {
        Some(self.running.get(address)?.id)
    }

    /// When the newest look at this address was begun.
    pub(super) fn last_look(&self, address: &HostPort) -> Option<Instant> {
        self.running.get(address)?.looked
    }

    /// Whether the node at this address is known to understand `CLIENT CAPA redirect`.
    pub(super) fn knows_capa(&self, address: &HostPort) -> bool {
        self.running
            .get(address)
            .is_some_and(|running| running.knows_capa)
    }
}
