//! What an expression of PromQL asks for: its metrics and their labels. It understands what is shipped
//! here, and no more.

use std::collections::{BTreeMap, BTreeSet};

/// Beginnings of names that are metrics of ours.
const OURS: [&str; 2] = ["steadfast_", "process_"];

/// Each metric an expression names, with the labels it selects by.
pub(super) fn selectors(expression: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut rest = expression;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        rest = &rest[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        if OURS.iter().any(|beginning| word.starts_with(beginning)) {
            let labels = found.entry(word.to_owned()).or_default();
            if let Some(inside) = after.strip_prefix('{') {
                let (inside, after) = inside.split_once('}').expect("a closed selector");
                labels.extend(labels_of(inside));
                rest = after;
            }
        }
    }
    found
}

/// The labels of `job="x", state=~"y"`.
fn labels_of(inside: &str) -> impl Iterator<Item = String> {
    // Every second piece is a quoted value.
    inside.split('"').step_by(2).filter_map(|piece| {
        let label: String = piece
            .chars()
            .filter(|c| c.is_ascii_lowercase() || *c == '_')
            .collect();
        (!label.is_empty()).then_some(label)
    })
}

/// The labels an expression groups by, or leaves out.
pub(super) fn groupings(expression: &str) -> BTreeSet<String> {
    let clauses = ["by (", "without (", "on (", "ignoring ("];
    let pieces = clauses
        .iter()
        .flat_map(|clause| expression.split(clause).skip(1));
    pieces
        .filter_map(|piece| piece.split(')').next())
        .flat_map(|labels| labels.split(',').map(|label| label.trim().to_owned()))
        .collect()
}

#[test]
fn metrics_and_labels_are_found() {
    let expression =
        r#"sum by (job, le) (rate(steadfast_a_bucket{class=~"x|y", job="z"}[5m])) / process_b"#;
    let found = selectors(expression);
    let labels: Vec<_> = found["steadfast_a_bucket"].iter().collect();
    assert_eq!(labels, ["class", "job"]);
    assert!(found["process_b"].is_empty());
    assert_eq!(found.len(), 2);
    let groups: Vec<_> = groupings(expression).into_iter().collect();
    assert_eq!(groups, ["job", "le"]);
}
