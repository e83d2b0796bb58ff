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
use crate::front::Front;
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
    /// The labels it has, besides `le` and the endpoint.
    labels: &'static [&'static str],
    help: &'static str,
    collect: fn(&Scrape<'_>, &mut Samples<'_>),
}

/// Whom the samples of a family are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The process.
    Process,
    /// Each of its endpoints: their names are one more label, before all others.
    Endpoint,
}

/// The label that tells endpoints apart. Not `endpoint`: that is what the Prometheus Operator calls the
/// port it scrapes, and its own labels win.
const ENDPOINT: &str = "endpoint_name";

/// All metrics, in the order of the page.
fn families() -> impl Iterator<Item = (Scope, &'static Family)> {
    let all = [
        (Scope::Process, process::BUILD),
        (Scope::Endpoint, failovers::FAMILIES),
        (Scope::Endpoint, clients::FAMILIES),
        (Scope::Process, clients::LIMITS),
        (Scope::Endpoint, upstream::FAMILIES),
        (Scope::Endpoint, sentinels::FAMILIES),
        (Scope::Endpoint, process::CERTIFICATES),
        (Scope::Process, process::FAMILIES),
    ];
    let scoped = |(scope, all): (Scope, &'static [Family])| all.iter().map(move |it| (scope, it));
    all.into_iter().flat_map(scoped)
}

/// What one answer is made from, all of one moment: the process, and one of its endpoints.
struct Scrape<'a> {
    state: &'a AdminState,
    front: &'a Front,
    topology: Arc<Topology>,
    status: Arc<Status>,
}

impl<'a> Scrape<'a> {
    fn of(state: &'a AdminState, front: &'a Front) -> Self {
        Self {
            state,
            front,
            topology: Arc::clone(&front.topology.load()),
            status: front.discovery.load_full(),
        }
    }

    /// The sum of one number of all workers; wrapping, as they are.
    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        sum(self.front.all_workers(), of)
    }

    /// The roles of the nodes that serve, each with the workers that lead to these.
    fn roles(&self) -> impl Iterator<Item = (&'static str, &[Arc<Counters>])> {
        let readers = self.front.readers.as_ref();
        let readers = readers.map(|readers| ("replica", readers.workers.as_slice()));
        std::iter::once(("primary", self.front.workers.as_slice())).chain(readers)
    }

    /// The sum of one histogram of all workers.
    fn durations(&self, of: impl Fn(&Counters) -> &Histogram) -> Durations {
        durations(self.front.all_workers(), of)
    }
}

fn sum<'a>(
    workers: impl IntoIterator<Item = &'a Arc<Counters>>,
    of: impl Fn(&Counters) -> u64,
) -> u64 {
    let workers = workers.into_iter();
    workers.fold(0, |sum, worker| sum.wrapping_add(of(worker)))
}

fn durations<'a>(
    workers: impl IntoIterator<Item = &'a Arc<Counters>>,
    of: impl Fn(&Counters) -> &Histogram,
) -> Durations {
    let mut workers = workers.into_iter().map(|worker| of(worker).load());
    // There are several scales: the sum has that of its parts.
    let first = workers.next().unwrap_or_default();
    workers.fold(first, |sum, next| sum.plus(&next))
}

/// The whole page as of now.
pub(super) fn page(state: &AdminState) -> String {
    let workers = state.fronts.iter().flat_map(Front::all_workers);
    workers.for_each(|worker| worker.ask_for_gauges());
    let fronts = state.fronts.iter().map(|front| Scrape::of(state, front));
    let scrapes: Vec<_> = fronts.collect();
    let mut page = Page::default();
    for (scope, family) in families() {
        let mut samples = page.begin(family);
        match scope {
            // What is asked of the process is the same in all of them.
            Scope::Process => scrapes
                .iter()
                .take(1)
                .for_each(|scrape| (family.collect)(scrape, &mut samples)),
            Scope::Endpoint => scrapes.iter().for_each(|scrape| {
                (family.collect)(scrape, &mut samples.about(&scrape.front.name));
            }),
        }
    }
    page.into_text()
}
