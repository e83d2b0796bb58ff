//! The loop: takes news, and after each leads every slot where it belongs by what is known now.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::balance::{self, Change, Share};
use super::census::{Census, Well};
use super::slot::{Leave, Slot};
use super::{Clients, Outlook, Parts, ReplicasHandle, ReplicasStatus};
use crate::config::ReplicaFallback;
use crate::discovery::signal::{Reading, SIGNALS_MAX, Signal};
use crate::discovery::task::settings;
use crate::discovery::watch::Pace;
use crate::net::HostPort;
use crate::topology::{Gate, Primary, Report, Tally, Topology, View};

/// How often it looks around without any news.
const TICK: Duration = Duration::from_millis(100);
/// How long there may be nobody before it is said, and how long before it is looked for at leisure.
const TELL_AFTER: Duration = Duration::from_secs(1);
const HASTE: Duration = Duration::from_secs(30);
/// Least time between two slots that leave a replica that is well.
const LEVEL_EVERY: Duration = Duration::from_millis(250);
/// Least time between two exchanges of slots for the sake of even numbers of clients.
const EXCHANGE_EVERY: Duration = Duration::from_secs(2);

struct Task {
    fallback: ReplicaFallback,
    primary: Arc<Topology>,
    census: Census,
    outlook: Outlook,
    slots: Vec<Slot>,
    clients: Clients,
    status: ReplicasHandle,
    /// The slots lead to the primary, for want of a replica.
    falls_back: bool,
    /// The generation of the primary that replicas have to follow; none while there is none.
    followed: Option<u64>,
    /// Since when no replica may serve.
    none_since: Option<Instant>,
    /// That was said.
    told_none: bool,
    level_due: Instant,
    exchange_due: Instant,
}

/// What may happen.
enum News {
    Primary,
    Reading(Box<Reading>),
    Report,
    Outlook,
    Other,
    Tick,
}

/// What news come by.
struct Ears {
    primary: View,
    signals: mpsc::Receiver<Signal>,
    reports: mpsc::Receiver<Report>,
    outlook: tokio::sync::watch::Receiver<Outlook>,
}

pub(super) async fn run(parts: Parts) -> Infallible {
    let (out, signals) = mpsc::channel(SIGNALS_MAX);
    let Parts {
        config,
        primary,
        outlook,
        slots,
        clients,
        reports,
        status,
    } = parts;
    let now = Instant::now();
    let (_, nodes) = settings(&config);
    let mut task = Task {
        fallback: config.replicas.fallback,
        primary: primary.load(),
        census: Census::new(
            nodes,
            config.address_map.clone(),
            config.replicas.max_lag,
            out,
        ),
        outlook: Outlook::default(),
        slots: slots.into_iter().map(Slot::new).collect(),
        clients,
        status,
        falls_back: false,
        followed: None,
        none_since: Some(now),
        told_none: false,
        level_due: now,
        exchange_due: now,
    };
    let mut ears = Ears {
        primary,
        signals,
        reports,
        outlook,
    };
    task.adopt(&ears.primary);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let slots = &mut task.slots;
        let switched = poll_fn(|cx| {
            let mut ended = false;
            for slot in slots.iter_mut() {
                ended |= slot.poll(cx).is_ready();
            }
            if ended {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let names = &mut task.census.names;
        let news = tokio::select! {
            // What others wait for goes first; ticks have their pace.
            biased;
            () = ears.primary.changed() => News::Primary,
            _ = tick.tick() => News::Tick,
            () = switched => News::Other,
            Some(signal) = ears.signals.recv() => match signal {
                Signal::Reading(reading) => News::Reading(Box::new(reading)),
                _ => News::Other,
            },
            Some(_) = ears.reports.recv() => News::Report,
            Ok(()) = ears.outlook.changed() => News::Outlook,
            () = names.answered() => News::Other,
        };
        task.take(news, &mut ears);
    }
}

impl Task {
    fn take(&mut self, news: News, ears: &mut Ears) {
        match news {
            News::Primary => return self.adopt(&ears.primary),
            News::Reading(reading) => self.census.read(*reading),
            News::Other => {}
            // Whichever slot it is about: a look at a few replicas costs less than to tell.
            News::Report => self.census.nudge(),
            News::Outlook => {
                self.outlook = ears.outlook.borrow_and_update().clone();
                if let Some((of, at, offset)) = &self.outlook.offset {
                    self.census.note_offset(of, *at, *offset);
                }
            }
            News::Tick => {
                ears.primary.tell(Tally::default());
                self.slots.iter().for_each(Slot::beat);
                self.show();
            }
        }
        self.act();
    }

    /// Takes over the newest topology of the primary. It is confirmed only after nobody is served any
    /// more by what followed another one.
    fn adopt(&mut self, view: &View) {
        let new = view.load();
        self.primary = new.clone();
        let primary = new.primary.as_ref().filter(|_| !new.is_superseded());
        let followed = primary.map(|_| new.generation);
        if followed != self.followed {
            self.followed = followed;
            self.slots.iter_mut().for_each(Slot::shut);
            let primary = primary.map(|primary| primary.address.clone());
            self.census.follow(primary, Instant::now());
        }
        self.slots.iter().for_each(|slot| slot.follow(&new));
        self.act();
        view.confirm(&new);
    }

    /// Leads every slot where it belongs.
    fn act(&mut self) {
        let now = Instant::now();
        let well = self.census.examine(now);
        if well.is_empty() {
            self.stand_in();
        } else {
            self.spread(&well, now);
        }
        self.note_none(well.is_empty(), now);
        let hopes = |since: Instant| now.saturating_duration_since(since) < HASTE;
        let hurries = self.primary.gate != Gate::Open || self.none_since.is_some_and(hopes);
        let pace = if hurries { Pace::Close } else { Pace::Steady };
        self.census.watch(&self.outlook.listed, pace);
    }

    /// There is no replica that may serve: the primary does, where it may, or nobody.
    fn stand_in(&mut self) {
        let primary = self.primary.primary.as_ref().filter(|_| {
            let serves = matches!(self.primary.gate, Gate::Open | Gate::Quiescing);
            let wanted = self.fallback == ReplicaFallback::Primary;
            wanted && serves && !self.primary.is_superseded()
        });
        self.falls_back = primary.is_some();
        let until = self.primary.lease_end();
        for slot in &mut self.slots {
            match primary {
                None => slot.shut(),
                Some(primary) if slot.node() == Some(&primary.address) => slot.renew(until),
                Some(primary) => slot.lead(primary.clone(), until, Leave::AtOnce),
            }
        }
    }

    /// Gives each replica that may serve its share.
    fn spread(&mut self, well: &[Well], now: Instant) {
        self.falls_back = false;
        let place = |node: Option<&HostPort>| well.iter().position(|it| Some(&it.address) == node);
        let all = self.slots.iter().enumerate();
        let mut shares: Vec<_> = all
            .map(|(index, slot)| Share {
                node: place(slot.node()),
                clients: (self.clients)(index),
            })
            .collect();
        for (slot, share) in self.slots.iter().zip(&shares) {
            if let Some(node) = share.node.and_then(|node| well.get(node)) {
                slot.renew(node.until);
            }
        }
        for change in balance::house(&mut shares, well.len()) {
            self.lead(change, well, Leave::AtOnce);
        }
        self.even_out(&shares, well, now);
    }

    /// Makes shares more alike, a little at a time.
    fn even_out(&mut self, shares: &[Share], well: &[Well], now: Instant) {
        if now < self.level_due || self.slots.iter().any(Slot::is_switching) {
            return;
        }
        let settled: Vec<_> = well.iter().map(|node| node.is_settled).collect();
        if let Some(change) = balance::level(shares, &settled) {
            self.level_due = now + LEVEL_EVERY;
            return self.lead(change, well, Leave::InPeace);
        }
        if now < self.exchange_due {
            return;
        }
        self.exchange_due = now + EXCHANGE_EVERY;
        for change in balance::exchange(shares, &settled).into_iter().flatten() {
            self.lead(change, well, Leave::InPeace);
        }
    }

    fn lead(&mut self, change: Change, well: &[Well], leave: Leave) {
        let (Some(slot), Some(node)) = (self.slots.get_mut(change.slot), well.get(change.to))
        else {
            return;
        };
        tracing::debug!(event = "slot_moved", slot = change.slot, to = %node.address, "clients change their replica");
        let target = Primary {
            address: node.address.clone(),
            epoch: 0,
            role_verified: true,
            // A replica would have everybody who reads go to its primary.
            knows_capa: false,
        };
        slot.lead(target, node.until, leave);
    }

    /// Says once that nobody serves reads, and once that somebody does again.
    fn note_none(&mut self, is_none: bool, now: Instant) {
        if !is_none {
            self.none_since = None;
            if std::mem::take(&mut self.told_none) {
                tracing::info!(event = "replica_back", "replicas serve reads again");
            }
            return;
        }
        let since = *self.none_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= TELL_AFTER && !self.told_none {
            self.told_none = true;
            let fallback = self.falls_back;
            tracing::warn!(
                event = "no_replica",
                fallback,
                "no replica may serve reads; /status says why of each"
            );
        }
    }

    fn show(&self) {
        let clients_of = |address: &HostPort| {
            let slots = self.slots.iter().enumerate();
            let led = slots.filter(|(_, slot)| slot.node() == Some(address));
            led.map(|(index, _)| (self.clients)(index)).sum()
        };
        let replicas = self.census.tell(clients_of);
        let status = ReplicasStatus {
            healthy: replicas.iter().filter(|replica| replica.healthy).count(),
            fallback: self.falls_back,
            replicas,
        };
        if **self.status.load() != status {
            self.status.store(Arc::new(status));
        }
    }
}
