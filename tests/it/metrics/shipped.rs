//! Goal: no alert and no panel asks for what is not there. Method: every expression in
//! `deploy/alerts` and `deploy/grafana` against a scrape.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::expressions::{groupings, selectors};
use super::{Scrape, full_scrape, page};

const RULES: &str = "deploy/alerts/steadfast.rules.yaml";
const CASES: &str = "deploy/alerts/steadfast.rules.test.yaml";
const RUNBOOK: &str = "deploy/alerts/README.md";
const DASHBOARD: &str = "deploy/grafana/steadfast.json";
/// Labels that Prometheus adds.
const ADDED: [&str; 3] = ["job", "instance", "namespace"];

/// What is wrong with an expression, by what is scraped.
fn complaints(scrape: &Scrape, expression: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let selectors = selectors(expression);
    let mut known: BTreeSet<&str> = ADDED.into();
    for (metric, labels) in &selectors {
        let samples: Vec<_> = scrape
            .samples()
            .iter()
            .filter(|it| it.name == *metric)
            .collect();
        if samples.is_empty() {
            wrong.push(format!("{metric} is not there: {expression}"));
        }
        let there: BTreeSet<_> = samples.iter().flat_map(|it| it.labels.keys()).collect();
        known.extend(there.iter().map(|label| label.as_str()));
        let missing = labels
            .iter()
            .filter(|label| !known.contains(label.as_str()));
        wrong.extend(missing.map(|label| format!("{metric} has no {label}: {expression}")));
    }
    let groups = groupings(expression);
    let missing = groups
        .iter()
        .filter(|label| !known.contains(label.as_str()));
    wrong.extend(missing.map(|label| format!("nothing has {label}: {expression}")));
    wrong
}

/// What stands after `key: ` in each line that has it; a folded text's next line.
fn values<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("{key}: ");
    let mut found = Vec::new();
    let mut lines = yaml.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(value) = line.trim_start_matches("- ").strip_prefix(&key) {
            found.push(if value == ">-" {
                lines.next().unwrap_or_default()
            } else {
                value
            });
        }
    }
    found
}

/// Every string under the key `expr`, and what variables ask for.
fn expressions_in(json: &Json, found: &mut Vec<String>) {
    match json {
        Json::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Json::String(text) if key == "expr" || key == "definition" => {
                        found.push(text.clone());
                    }
                    value => expressions_in(value, found),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| expressions_in(item, found)),
        _ => {}
    }
}

#[test]
fn every_alert_and_every_panel_asks_for_what_is_there() {
    let scrape = full_scrape();
    let rules = page(RULES);
    let mut expressions: Vec<_> = values(&rules, "expr")
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert!(expressions.len() >= 15, "the rules are found");
    let dashboard = serde_json::from_str(&page(DASHBOARD)).unwrap();
    let of_rules = expressions.len();
    expressions_in(&dashboard, &mut expressions);
    assert!(expressions.len() >= of_rules + 15, "the panels are found");
    let wrong: Vec<_> = expressions
        .iter()
        .flat_map(|expression| complaints(&scrape, expression))
        .collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_alert_has_a_case_and_an_entry_in_the_runbook() {
    let (rules, cases, runbook) = (page(RULES), page(CASES), page(RUNBOOK));
    let alerts = values(&rules, "alert");
    assert!(alerts.len() >= 15, "the rules are found");
    let tested: BTreeSet<_> = values(&cases, "alertname").into_iter().collect();
    let explained: BTreeSet<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let alerts: BTreeSet<_> = alerts.into_iter().collect();
    assert_eq!(tested, alerts);
    assert_eq!(explained, alerts);
    for alert in alerts {
        let anchor = format!("README.md#{}", alert.to_lowercase());
        assert!(
            rules.lines().any(|line| line.ends_with(&anchor)),
            "{anchor}"
        );
    }
}
