//! What discovery counts beside what `/status` shows. Plain values; nothing is decided by them.

use std::time::{Duration, SystemTime};

use super::event::Event;
use super::message::BadAnswer;
use crate::count::Durations;

/// Events that are told apart, the last one being all others.
pub const EVENTS: [&str; 8] = [
    "switch_master",
    "failover_start",
    "failover_abort",
    "sdown",
    "odown",
    "tilt",
    "reboot",
    "other",
];
/// Why an answer of a Sentinel is of no use.
pub const REJECTIONS: [&str; 5] = [
    "unknown_name",
    "empty_host",
    "bad_port",
    "loopback",
    "shape",
];

/// Counts since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Polls that were answered.
    pub answered: u64,
    /// Polls that were not.
    pub unanswered: u64,
    /// How long an answer took.
    pub query: Durations,
    /// When a Sentinel last answered.
    pub last_contact: Option<SystemTime>,
    /// Answers that were of no use, by [`REJECTIONS`].
    pub rejected: [u64; REJECTIONS.len()],
    /// Events heard of our primary, by [`EVENTS`].
    pub events: [u64; EVENTS.len()],
    /// For how long the gate was not open at each switch.
    pub failover: Durations,
    /// When the primary last changed.
    pub last_failover: Option<SystemTime>,
}

impl Counts {
    /// A Sentinel answered a question within this time.
    pub(super) fn note_answer(&mut self, took: Duration) {
        self.answered += 1;
        self.query.observe(took);
        self.last_contact = Some(SystemTime::now());
    }

    /// Its answer was of no use.
    pub(super) fn note_rejected(&mut self, why: &BadAnswer) {
        let at = match why {
            BadAnswer::UnknownName => 0,
            BadAnswer::EmptyHost => 1,
            BadAnswer::BadPort => 2,
            BadAnswer::Loopback => 3,
            BadAnswer::Shape => 4,
            // Asked again at once; no answer at all.
            BadAnswer::Torn => return,
        };
        self.rejected[at] += 1;
    }

    /// An event was heard.
    pub(super) fn note_event(&mut self, event: &Event) {
        let at = match event.channel.trim_start_matches(['+', '-']) {
            "switch-master" => 0,
            "try-failover" => 1,
            abort if abort.starts_with("failover-abort") => 2,
            "sdown" => 3,
            "odown" => 4,
            "tilt" => 5,
            "reboot" => 6,
            _ => 7,
        };
        self.events[at] += 1;
    }

    /// The primary changed, after the gate had not been open for so long.
    pub(super) fn note_failover(&mut self, not_open: Duration) {
        self.failover.observe(not_open);
        self.last_failover = Some(SystemTime::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::event::{CHANNELS, Kind};

    #[test]
    fn every_channel_is_counted_once_under_its_name() {
        let mut counts = Counts::default();
        for channel in CHANNELS.iter().copied() {
            counts.note_event(&Event {
                kind: Kind::Hint,
                channel,
                about: None,
                candidate: None,
            });
        }
        assert_eq!(counts.events[..7], [1, 1, 4, 2, 2, 2, 1]);
        assert_eq!(counts.events.iter().sum::<u64>(), CHANNELS.len() as u64);
    }
}
