//! Goal: what `/metrics` says is true, well formed, documented, and what alerts and dashboards ask
//! for. Method: scrapes of the built binary against the test's own counts, the README's table,
//! Prometheus's own linter, and every expression that is shipped.

mod cost;
mod counting;
mod expressions;
mod held;
mod promtool;
mod scrape;
mod shipped;

pub(crate) use scrape::Scrape;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::bed::{Bed, wait_until};
use crate::pki::{LOCAL, Pki};
use crate::proxy::Proxy;

/// A file of the repository.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A metric as the README has it: its type and its labels.
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let readme = page("README.md");
    let (_, table) = readme.split_once("<!-- metrics -->\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let code = |cell: &str| -> Vec<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    rows.filter(|row| row.starts_with("| `"))
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            (
                code(cells[1])[0].clone(),
                (cells[2].to_owned(), code(cells[3])),
            )
        })
        .collect()
}

/// A scrape in which everything has something to say: TLS on the way in, and a command.
fn full_scrape() -> Scrape {
    let (bed, pki) = (Bed::lonely(), Pki::new());
    let pair = pki.issue(&LOCAL);
    let proxy = Proxy::for_bed(&bed)
        .flag("--listen-tls", "127.0.0.1:0")
        .flag("--listen-tls-cert-file", &pair.cert)
        .flag("--listen-tls-key-file", &pair.key)
        .start_ready();
    proxy.connect().call(&["PING"]);
    Scrape::of(&proxy)
}

#[test]
fn every_documented_metric_is_there_and_no_other() {
    let scrape = full_scrape();
    let documented = documented();
    assert!(documented.len() > 50, "the table is found");
    let types: BTreeMap<_, _> = documented
        .iter()
        .map(|(name, (kind, _))| (name.clone(), kind.clone()))
        .collect();
    assert_eq!(scrape.types(), &types);
    for (name, (_, labels)) in &documented {
        let samples: Vec<_> = scrape.samples_of(name).collect();
        assert!(!samples.is_empty(), "{name} has no sample");
        for sample in samples {
            let told: Vec<_> = sample
                .labels
                .keys()
                .filter(|label| *label != "le")
                .collect();
            let mut expected: Vec<_> = labels.iter().collect();
            expected.sort();
            assert_eq!(told, expected, "{name}");
        }
    }
}

#[test]
fn the_end_of_a_certificate_is_told() {
    let scrape = full_scrape();
    let name = "steadfast_tls_certificate_not_after_timestamp_seconds";
    let end = scrape.value(name, &[("leg", "listen"), ("part", "certificate")]);
    // What rcgen gives where nothing is said: the year 4096.
    assert!(end > 60e9, "{end}");
}

#[test]
fn a_file_that_cannot_be_used_is_told_until_it_can() {
    let (bed, pki) = (Bed::lonely(), Pki::new());
    let pair = pki.issue(&LOCAL);
    let proxy = Proxy::for_bed(&bed)
        .flag("--listen-tls", "127.0.0.1:0")
        .flag("--listen-tls-cert-file", &pair.cert)
        .flag("--listen-tls-key-file", &pair.key)
        .start_ready();
    let tls = [("kind", "tls")];
    let is_good = || {
        let good = "steadfast_config_last_reload_successful";
        Scrape::of(&proxy).value(good, &tls) == 1.0
    };
    assert!(is_good());
    let whole = fs::read(&pair.cert).unwrap();
    for (content, good) in [(&b"torn"[..], false), (&whole, true)] {
        fs::write(&pair.cert, content).unwrap();
        proxy.hang_up();
        wait_until(Duration::from_secs(60), "it is told", || is_good() == good);
    }
    let of = |result| {
        let reloads = [("kind", "tls"), ("result", result)];
        Scrape::of(&proxy).value("steadfast_config_reloads_total", &reloads)
    };
    assert_eq!((of("error"), of("ok")), (1.0, 1.0));
}
