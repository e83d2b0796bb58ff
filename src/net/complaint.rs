//! What peers do wrong is logged, but no peer fills the log: the same complaint is made once in a
//! while, and only so many different ones.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Least time between two log lines with the same text.
const GAP: Duration = Duration::from_secs(10);
/// Different texts within that time.
const TEXTS_MAX: usize = 16;

/// Texts logged of late.
static RECENT: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());

/// Whether `text` may be logged (again) for everybody to see. Takes a lock, so not for what goes well.
pub(crate) fn may_be_made(text: &str) -> bool {
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.retain(|(_, at)| at.elapsed() < GAP);
    let known = recent.iter().any(|(known, _)| known == text);
    let may = !known && recent.len() < TEXTS_MAX;
    if may {
        recent.push((text.to_owned(), Instant::now()));
    }
    may
}
