//! Goal: a scrape is cheap whoever is connected. Method: the process's own count of its processor
//! time, before and after many scrapes.

use crate::bed::Bed;
use crate::proxy::{Proxy, is_optimised};
use crate::soak::soak;

use super::Scrape;

const SCRAPES: u32 = 50;
/// Processor time for one scrape.
const COST_MAX_MS: f64 = 5.0;

fn cpu_seconds(proxy: &Proxy) -> f64 {
    Scrape::of(proxy).value("process_cpu_seconds_total", &[])
}

#[test]
fn a_scrape_costs_little_with_many_clients() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--max-clients", "9000")
        .start_ready();
    let clients: Vec<_> = (0..soak(8_000, 500)).map(|_| proxy.connect()).collect();
    let connected = || Scrape::of(&proxy).count("steadfast_client_connections", &[]);
    crate::bed::wait_until(
        std::time::Duration::from_secs(60),
        "all are counted",
        || connected() == clients.len(),
    );
    let before = cpu_seconds(&proxy);
    (1..SCRAPES).for_each(|_| drop(Scrape::of(&proxy)));
    let each = (cpu_seconds(&proxy) - before) * 1e3 / f64::from(SCRAPES);
    eprintln!(
        "{each:.2} ms for each scrape with {} clients",
        clients.len()
    );
    if is_optimised() {
        assert!(each <= COST_MAX_MS, "{each:.2} ms");
    }
}
