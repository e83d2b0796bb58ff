//! `/metrics`: counts and states in the Prometheus text format, collected when asked for.
//!
//! Every metric there is stands in one table with its type, labels, words and source ([`families`]);
//! the README's table is checked against it. Labels come from closed lists, or name what discovery
//! bounds; nothing is counted by client or key.

mod clients;
mod failovers;
mod process;
mod sentinels;
#[cfg(test)]
mod tests;
mod text;
mod upstream;

use std::sync::Arc;

use crate::count::{Durations, Histogram};
use crate::discovery::Status;
use crate::topology::Topology;
use crate::worker::Counters;

use super::AdminState;
use text::{Page, Samples};

/// What `Content-Type` says of it.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is, as Prometheus has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric, with everything that is told apart by its labels.
struct Family {
    name: &'static str,
    kind: Kind,
    /// The labels it has, besides `le`.
    labels: &'static [&'static str],
    help: &'static str,
    collect: fn(&Scrape<'_>, &mut Samples<'_>),
}

/// All metrics, in the order of the page.
fn families() -> impl Iterator<Item = &'static Family> {
    let all = [
        process::BUILD,
        failovers::FAMILIES,
        clients::FAMILIES,
        upstream::FAMILIES,
        sentinels::FAMILIES,
        process::FAMILIES,
    ];
    all.into_iter().flatten()
}

/// What one answer is made from, all of one moment.
struct Scrape<'a> {
    state: &'a AdminState,
    topology: &'a Topology,
    status: &'a Status,
}

impl Scrape<'_> {
    /// The sum of one number of all workers; wrapping, as they are.
    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        let workers = self.state.workers.iter();
        workers.fold(0, |sum, worker| sum.wrapping_add(of(worker)))
    }

    /// The sum of one histogram of all workers.
    fn durations(&self, of: impl Fn(&Counters) -> &Histogram) -> Durations {
        let workers = self.state.workers.iter();
        workers.fold(Durations::default(), |sum, worker| {
            sum.plus(&of(worker).load())
        })
    }
}

/// The whole page as of now.
pub(super) fn page(state: &AdminState) -> String {
    let ask = |worker: &Arc<Counters>| worker.ask_for_gauges();
    state.workers.iter().for_each(ask);
    let scrape = Scrape {
        state,
        topology: &state.topology.load(),
        status: &state.discovery.load(),
    };
    let mut page = Page::default();
    for family in families() {
        let mut samples = page.begin(family);
        (family.collect)(&scrape, &mut samples);
    }
    page.into_text()
}
