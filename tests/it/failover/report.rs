//! The figures of rounds: printed, kept in `results/failover.jsonl` by a soak, and summed up.

use serde_json::Value as Json;

use crate::bed::server_name;
use crate::soak::{append, is_long, recorded, soak};

const FILE: &str = "failover.jsonl";
/// Figures summed up by median and maximum.
const SUMMED: [&str; 3] = ["pause_ms", "first_ack_ms", "uncertain"];

/// Runs `round` once, or twenty times when a soak is asked for; rounds on file are not run again.
pub(super) fn rounds(kind: &str, round: impl Fn(usize) -> Json) {
    let server = server_name();
    let server = server.rsplit('/').next().unwrap_or(&server);
    let label = format!("{kind} on {server}");
    let mut figures = if is_long() {
        recorded(FILE, &label)
    } else {
        Vec::new()
    };
    for number in 0..soak(20, 1) {
        if figures.iter().any(|line| line["round"] == number) {
            continue;
        }
        let mut line = round(number);
        line["kind"] = label.clone().into();
        line["round"] = number.into();
        eprintln!("{line}");
        if is_long() {
            append(FILE, &line);
        }
        figures.push(line);
    }
    if is_long() {
        sum_up(&label, &figures);
    }
}

fn sum_up(label: &str, figures: &[Json]) {
    for name in SUMMED {
        let mut values: Vec<_> = figures
            .iter()
            .filter_map(|line| line[name].as_u64())
            .collect();
        values.sort_unstable();
        if let (Some(median), Some(max)) = (values.get(values.len() / 2), values.last()) {
            let count = values.len();
            eprintln!("{label}: {name} median {median}, max {max} of {count}");
        }
    }
}
