//! The table of metrics against its rules, and against the README.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::count::Durations;

use super::text::Page;
use super::{ENDPOINT, Family, Kind, Scope, families};

#[test]
fn names_follow_the_conventions() {
    let mut seen = BTreeSet::new();
    for (_, family) in families() {
        let name = family.name;
        assert!(seen.insert(name), "{name} twice");
        assert!(
            name.starts_with("steadfast_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            family.kind == Kind::Counter,
            "{name}"
        );
        let timed = name.ends_with("_duration_seconds") || name.ends_with("_overhead_seconds");
        assert_eq!(timed, family.kind == Kind::Histogram, "{name}");
        assert!(
            family.help.ends_with('.') && !family.help.contains('\n'),
            "{name}"
        );
        assert!(
            !family.help.contains('|'),
            "{name}: it is a cell of a table"
        );
    }
}

#[test]
fn labels_are_escaped_and_buckets_add_up() {
    static SAID: Family = Family {
        name: "said",
        kind: Kind::Gauge,
        labels: &["by", "to"],
        help: "Words.",
        collect: |_, _| {},
    };
    static TOOK: Family = Family {
        name: "took_seconds",
        kind: Kind::Histogram,
        labels: &[],
        help: "Time.",
        collect: |_, _| {},
    };
    let mut page = Page::default();
    page.begin(&SAID).labelled(&["a\"b\\c\nd", "é"], 3_u64);
    let mut durations = Durations::default();
    for ms in [1, 2, 70_000] {
        durations.observe(std::time::Duration::from_millis(ms));
    }
    page.begin(&TOOK).durations(&[], &durations);
    page.begin(&SAID).about("e").labelled(&["f", "g"], true);
    let text = page.into_text();
    assert!(
        text.ends_with("said{endpoint_name=\"e\",by=\"f\",to=\"g\"} 1\n"),
        "{text}"
    );
    assert!(
        text.starts_with("# HELP said Words.\n# TYPE said gauge\n"),
        "{text}"
    );
    assert!(
        text.contains("said{by=\"a\\\"b\\\\c\\nd\",to=\"é\"} 3\n"),
        "{text}"
    );
    for line in [
        "took_seconds_bucket{le=\"0.001\"} 1",
        "took_seconds_bucket{le=\"0.0025\"} 2",
        "took_seconds_bucket{le=\"60\"} 2",
        "took_seconds_bucket{le=\"+Inf\"} 3",
        "took_seconds_sum 70.003",
        "took_seconds_count 3",
    ] {
        assert!(
            text.lines().any(|told| told == line),
            "{line} is missing in\n{text}"
        );
    }
}

/// The README's table is what the code says; on a difference the test prints what belongs there.
#[test]
fn the_readme_has_every_metric_as_it_is() {
    let mut table = "| metric | type | labels | |\n|---|---|---|---|\n".to_owned();
    for (scope, family) in families() {
        let endpoint = (scope == Scope::Endpoint).then_some(&ENDPOINT);
        let labels = endpoint.into_iter().chain(family.labels);
        let labels: Vec<_> = labels.map(|label| format!("`{label}`")).collect();
        table += &format!(
            "| `{}` | {} | {} | {} |\n",
            family.name,
            family.kind.name(),
            labels.join(", "),
            family.help
        );
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).expect("the README");
    let (_, told) = readme
        .split_once("<!-- metrics -->\n")
        .expect("a table of metrics");
    let told = told.split("\n\n").next().unwrap_or_default();
    assert!(
        told == table.trim_end(),
        "the README should have\n\n{table}"
    );
}
