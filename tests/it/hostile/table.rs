//! What was measured, for people (a table in Markdown) and as a verdict.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::attacks::Attack;
use super::crowd::Work;
use super::{NOISE, Result, STALL, WORSE_MAX};

/// One attack.
pub(super) struct Row {
    name: String,
    input: String,
    got: String,
    through: [Duration; 2],
    direct: [Duration; 2],
    asked: [usize; 2],
    above_kib: u64,
    most_kib: u64,
    failed: [usize; 2],
    errors: Vec<String>,
}

impl Row {
    /// What `attack`, or none, came to.
    pub(super) fn of(
        attack: Option<&Attack>,
        result: &Result,
        above_kib: u64,
        most_kib: u64,
    ) -> Self {
        let quantiles = |work: &Work| [work.quantile(500), work.quantile(990)];
        let (through, direct) = (&result.through, &result.direct);
        Self {
            name: attack.map_or("none", |attack| attack.name).into(),
            input: attack.map_or_else(String::new, |attack| attack.input.clone()),
            got: got(result),
            through: quantiles(through),
            direct: quantiles(direct),
            asked: [through.took.len(), direct.took.len()],
            above_kib,
            most_kib,
            failed: [through.failed, direct.failed],
            errors: through.errors.clone(),
        }
    }

    fn ratio(&self) -> f64 {
        self.through[1].as_secs_f64() / self.direct[1].as_secs_f64()
    }
}

/// How often something was tried, and what came of it.
fn got(result: &Result) -> String {
    let loot = &result.loot;
    if loot.tries == 0 {
        return String::new();
    }
    let tries = u32::try_from(loot.tries).unwrap_or(u32::MAX);
    let rate = f64::from(tries) / loot.time.as_secs_f64();
    let mut kinds: Vec<_> = loot.got.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let share = |count: u64| count * 100 / loot.tries.max(1);
    let kinds: Vec<_> = kinds
        .iter()
        .take(3)
        .map(|(what, count)| format!("{}%: {}", share(**count), what.replace('|', "\\|")))
        .collect();
    format!("{rate:.0}/s; {}", kinds.join("; "))
}

/// All of them.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Adds a row.
    pub(super) fn add(&mut self, row: Row) {
        eprintln!("{} done", row.name);
        self.0.push(row);
    }

    /// Writes it to `results`.
    pub(super) fn save(&self, file: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), self.to_string()).unwrap();
    }

    /// Fails where honest clients were hurt or kept waiting, or too much was kept; `strictly`: where
    /// nothing else was going on that they might have waited for.
    #[track_caller]
    pub(super) fn judge(&self, strictly: bool) {
        for row in &self.0 {
            let (name, errors) = (&row.name, &row.errors);
            assert_eq!(row.failed[0], 0, "{name}: {errors:?}");
            assert!(
                row.asked.iter().all(|asked| *asked > 0),
                "{name}: nothing measured"
            );
            let attacked = row.most_kib > 0;
            assert!(
                !attacked || row.above_kib <= row.most_kib,
                "{name}: {} KiB above what it was, of {} at most",
                row.above_kib,
                row.most_kib
            );
            let noise = if strictly { NOISE } else { STALL };
            assert!(
                row.through[1] <= row.direct[1] * WORSE_MAX + noise,
                "{name}: p99 {:?}, directly {:?}",
                row.through[1],
                row.direct[1]
            );
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| format!("{:.2}", d.as_secs_f64() * 1000.0);
        let mib = |kib: u64| format!("{:.1}", f64::from(u32::try_from(kib).unwrap()) / 1024.0);
        writeln!(
            f,
            "| attack | input | the attacker: connections a second, and what they got | honest p50, p99 (ms) | direct p50, p99 (ms) | p99 ratio | memory (MiB) | bound (MiB) | errors | direct errors |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.0 {
            writeln!(
                f,
                "| {} | {} | {} | {}, {} | {}, {} | {:.2} | {} | {} | {} of {} | {} |",
                row.name,
                row.input,
                row.got,
                ms(row.through[0]),
                ms(row.through[1]),
                ms(row.direct[0]),
                ms(row.direct[1]),
                row.ratio(),
                mib(row.above_kib),
                mib(row.most_kib),
                row.failed[0],
                row.asked[0],
                row.failed[1],
            )?;
        }
        Ok(())
    }
}
