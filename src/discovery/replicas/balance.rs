//! Which replica each slot leads to, so that all get the same share of the clients and as few clients
//! as possible change their replica. Pure: slots and replicas are numbers here.
//!
//! A slot is a part of the clients that always stays together (see [`super`]). Those whose replica is
//! gone are given to the others at once; beyond that, slots change only to give a replica its share that
//! has come back, or to even out clients that are spread unevenly.

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// The replica it leads to; none where that is gone.
    pub(super) node: Option<usize>,
    /// Its clients.
    pub(super) clients: u64,
}

/// One slot is to lead to another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) slot: usize,
    pub(super) to: usize,
}

/// What a replica has.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    slots: usize,
    clients: u64,
}

/// Gives every slot that has none one of the `nodes` replicas: the slot with the most clients first, to
/// whom has the fewest slots, and of these the fewest clients.
pub(super) fn house(shares: &mut [Share], nodes: usize) -> Vec<Change> {
    let mut loads = loads(shares, nodes);
    let homeless = shares.iter_mut().enumerate();
    let mut homeless: Vec<_> = homeless.filter(|(_, share)| share.node.is_none()).collect();
    homeless.sort_by_key(|(_, share)| std::cmp::Reverse(share.clients));
    let mut changes = Vec::new();
    for (slot, share) in homeless {
        let all = loads.iter_mut().enumerate();
        let Some((to, load)) = all.min_by_key(|(_, load)| (load.slots, load.clients)) else {
            break;
        };
        load.slots += 1;
        load.clients = load.clients.saturating_add(share.clients);
        share.node = Some(to);
        changes.push(Change { slot, to });
    }
    changes
}

/// The change that gives a replica its share of the slots; none where all have theirs. `settled` says of
/// each replica whether it has been well for long enough to be given slots of others.
pub(super) fn level(shares: &[Share], settled: &[bool]) -> Option<Change> {
    let loads = loads(shares, settled.len());
    let all = || loads.iter().enumerate();
    let (rich, most) = all().max_by_key(|(_, load)| (load.slots, load.clients))?;
    let open = all().filter(|(node, _)| settled.get(*node).is_some_and(|settled| *settled));
    let (poor, least) = open.min_by_key(|(_, load)| (load.slots, load.clients))?;
    if most.slots < least.slots + 2 {
        return None;
    }
    let wanted = most.clients.saturating_sub(least.clients) / 2;
    let slots = of(shares, rich);
    let slot = slots.min_by_key(|(_, share)| share.clients.abs_diff(wanted));
    slot.map(|(slot, _)| Change { slot, to: poor })
}

/// Clients may be spread so unevenly before two replicas exchange slots: by a tenth of what each should
/// have, and by this many.
const UNEVEN_MIN: u64 = 2;

/// Two slots that change places, so that the replicas have more alike numbers of clients; none where
/// they have, or it would not help.
pub(super) fn exchange(shares: &[Share], settled: &[bool]) -> Option<[Change; 2]> {
    let loads = loads(shares, settled.len());
    let open = || {
        let all = loads.iter().zip(settled).enumerate();
        all.filter(|(_, (_, settled))| **settled)
            .map(|(node, (load, _))| (node, load.clients))
    };
    let (most, least) = (open().map(|it| it.1).max()?, open().map(|it| it.1).min()?);
    let clients: u64 = loads.iter().map(|load| load.clients).sum();
    let mean = clients / u64::try_from(loads.len()).ok()?;
    if most - least < UNEVEN_MIN || most - least <= mean / 10 {
        return None;
    }
    let mut best = None;
    for (rich, of_rich) in open() {
        for (poor, of_poor) in open().filter(|(_, of_poor)| *of_poor < of_rich) {
            let apart = of_rich - of_poor;
            for (one, other, gain) in pairs(shares, rich, poor) {
                // By so much the squares of what they have shrink.
                let help = gain.saturating_mul(apart.saturating_sub(gain));
                if help > best.map_or(0, |(help, _)| help) {
                    let changes = [(one, poor), (other, rich)];
                    best = Some((help, changes.map(|(slot, to)| Change { slot, to })));
                }
            }
        }
    }
    best.map(|(_, changes)| changes)
}

/// Each slot of `rich` with each of `poor` that has fewer clients, and how many fewer.
fn pairs(shares: &[Share], rich: usize, poor: usize) -> impl Iterator<Item = (usize, usize, u64)> {
    let all = of(shares, rich).flat_map(move |one| of(shares, poor).map(move |it| (one, it)));
    all.filter_map(|((one, of_rich), (other, of_poor))| {
        let gain = of_rich.clients.checked_sub(of_poor.clients)?;
        Some((one, other, gain))
    })
}

fn of(shares: &[Share], node: usize) -> impl Iterator<Item = (usize, &Share)> {
    let all = shares.iter().enumerate();
    all.filter(move |(_, share)| share.node == Some(node))
}

fn loads(shares: &[Share], nodes: usize) -> Vec<Load> {
    let mut loads = vec![Load::default(); nodes];
    for share in shares {
        if let Some(load) = share.node.and_then(|node| loads.get_mut(node)) {
            load.slots += 1;
            load.clients = load.clients.saturating_add(share.clients);
        }
    }
    loads
}

#[cfg(test)]
mod tests;
