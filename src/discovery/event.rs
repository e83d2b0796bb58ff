//! Sentinel's published events: which are subscribed to, and what one means for our primary.
//!
//! Pure. An event only ever makes discovery look again; no address is taken from one, because
//! messages can be lost and carry no epoch (sentinel-facts.md fact 6).

use super::connection::Reply;
use super::message::text;

/// The channels subscribed to, by exact name (`PSUBSCRIBE *` would need rights to all channels).
pub const CHANNELS: &[&str] = &[
    "+switch-master",
    "+promoted-slave",
    "+selected-slave",
    "+try-failover",
    "+elected-leader",
    "+failover-state-select-slave",
    "+failover-state-send-slaveof-noone",
    "+failover-state-wait-promotion",
    "+failover-state-reconf-slaves",
    "+failover-end",
    "+failover-end-for-timeout",
    "-failover-abort-not-elected",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
    "-failover-abort-master-timeout",
    "+config-update-from",
    "+odown",
    "-odown",
    "+sdown",
    "-sdown",
    "+reboot",
    "+tilt",
    "-tilt",
];

/// What an event about our primary says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A failover goes on.
    Step,
    /// It was given up.
    Aborted,
    /// Its result can be read from a Sentinel now.
    Done,
    /// Something else worth looking again for.
    Hint,
}

/// Reads a pub/sub message; none when it is no message or concerns another name.
pub fn read(reply: &Reply, primary_name: &str) -> Option<Event> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    match parts.as_slice() {
        [kind, channel, payload] if text(kind) == Some("message") => {
            classify(text(channel)?, text(payload)?, primary_name)
        }
        _ => None,
    }
}

fn classify(channel: &str, payload: &str, primary_name: &str) -> Option<Event> {
    if channel.ends_with("tilt") {
        return Some(Event::Hint);
    }
    let concerned = match channel {
        "+switch-master" => name_before(payload, 4),
        _ => concerned_name(payload),
    };
    if concerned != Some(primary_name) {
        return None;
    }
    Some(match channel {
        // The leader names the new primary from its promotion on.
        "+promoted-slave" | "+failover-state-reconf-slaves" => Event::Done,
        "+switch-master" | "+failover-end" | "+failover-end-for-timeout" => Event::Done,
        "+try-failover" | "+elected-leader" | "+selected-slave" => Event::Step,
        _ if channel.starts_with("+failover-state-") => Event::Step,
        _ if channel.starts_with("-failover-abort-") => Event::Aborted,
        _ => Event::Hint,
    })
}

/// The primary name in `<type> <name> <ip> <port>[ @ <primary-name> <ip> <port>][ #quorum n/q]`.
/// Read from the right: nothing forbids spaces in a name.
fn concerned_name(payload: &str) -> Option<&str> {
    let payload = payload
        .rsplit_once(" #quorum")
        .map_or(payload, |(front, _)| front);
    if let Some((_, primary)) = payload.rsplit_once(" @ ") {
        return name_before(primary, 2);
    }
    name_before(payload.strip_prefix("master ")?, 2)
}

/// What stands before the last `fields` words.
fn name_before(text: &str, fields: usize) -> Option<&str> {
    text.rsplitn(fields + 1, ' ').nth(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(channel: &str, payload: &str) -> Option<Event> {
        let parts = ["message", channel, payload];
        let parts = parts.map(|part| Reply::BulkString(part.as_bytes().to_vec()));
        read(&Reply::Array(parts.to_vec()), "my master")
    }

    #[test]
    fn reads_names_from_the_right() {
        let switch = "my master 10.0.0.1 6379 10.0.0.2 6379";
        assert_eq!(event("+switch-master", switch), Some(Event::Done));
        assert_eq!(event("+switch-master", "other 10.0.0.1 1 10.0.0.2 1"), None);
        let promoted = "slave [::1]:2 ::1 2 @ my master ::1 1";
        assert_eq!(event("+promoted-slave", promoted), Some(Event::Done));
        let odown = "master my master 10.0.0.1 6379 #quorum 2/2";
        assert_eq!(event("+odown", odown), Some(Event::Hint));
        assert_eq!(
            event("+sdown", "sentinel ab 10.0.0.9 1 @ other 10.0.0.1 1"),
            None
        );
    }

    #[test]
    fn tells_steps_from_endings() {
        let ours = "master my master 10.0.0.1 6379";
        assert_eq!(event("+try-failover", ours), Some(Event::Step));
        assert_eq!(
            event("+failover-state-wait-promotion", ours),
            Some(Event::Step)
        );
        assert_eq!(
            event("-failover-abort-not-elected", ours),
            Some(Event::Aborted)
        );
        assert_eq!(event("+failover-end", ours), Some(Event::Done));
        assert_eq!(event("+tilt", "#tilt mode entered"), Some(Event::Hint));
    }

    #[test]
    fn nonsense_is_no_event() {
        for payload in ["", " ", "master", "@", " @ ", "#quorum", "a b c d e f g"] {
            for channel in CHANNELS.iter().filter(|name| !name.ends_with("tilt")) {
                assert_eq!(event(channel, payload), None, "{channel} {payload:?}");
            }
        }
        assert_eq!(read(&Reply::Null, "my master"), None);
    }
}
