//! Sentinel's published events: which are subscribed to, and what one means for our primary.
//!
//! Pure. Messages can be lost and carry no epoch, so no primary is taken from one: its addresses only
//! tell which failover it belongs to and whom to ask for its role.

use super::connection::Reply;
use super::message::{host_port, text};
use crate::config::AddressMap;
use crate::net::HostPort;

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

/// The channel that tells that the replica chosen was just told to become a primary, which it does
/// within milliseconds.
pub(super) const PROMOTION_ORDERED: &str = "+failover-state-wait-promotion";

/// What an event about our primary says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it means.
    pub kind: Kind,
    /// The channel it came on.
    pub channel: &'static str,
    /// The primary it is about: in a failover the old one, to the end.
    pub about: Option<HostPort>,
    /// The replica it is about, which may be promoted.
    pub candidate: Option<HostPort>,
}

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A failover goes on.
    Step,
    /// It was given up.
    Aborted,
    /// Its result can be read from a Sentinel now.
    Done,
    /// Something else worth looking again for.
    Hint,
}

/// Reads a pub/sub message; none when it is no message or concerns another name. Nodes are where `map`
/// says they are.
pub fn read(reply: &Reply, primary_name: &str, map: &AddressMap) -> Option<Event> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let event = match parts.as_slice() {
        [kind, channel, payload] if text(kind) == Some("message") => {
            classify(text(channel)?, text(payload)?, primary_name)?
        }
        _ => return None,
    };
    Some(Event {
        about: event.about.map(|address| map.apply(address)),
        candidate: event.candidate.map(|address| map.apply(address)),
        ..event
    })
}

fn classify(channel: &str, payload: &str, primary_name: &str) -> Option<Event> {
    let channel = CHANNELS.iter().copied().find(|known| *known == channel)?;
    let mut event = Event {
        kind: kind(channel),
        channel,
        about: None,
        candidate: None,
    };
    if channel.ends_with("tilt") {
        return Some(event);
    }
    let subject = match channel {
        "+switch-master" => Subject::read(payload, 4)?,
        _ => Subject::of_instance(payload)?,
    };
    if subject.name != primary_name {
        return None;
    }
    event.about = subject.address;
    event.candidate = replica(payload);
    Some(event)
}

/// Whether a channel tells of a failover before anybody is promoted: whoever may hear none of those
/// learns of it too late to stop writes.
pub fn is_early(channel: &str) -> bool {
    kind(channel) == Kind::Step && channel != PROMOTION_ORDERED
}

fn kind(channel: &str) -> Kind {
    match channel {
        // The leader names the new primary from its promotion on.
        "+promoted-slave" | "+failover-state-reconf-slaves" => Kind::Done,
        "+switch-master" | "+failover-end" | "+failover-end-for-timeout" => Kind::Done,
        "+try-failover" | "+elected-leader" | "+selected-slave" => Kind::Step,
        _ if channel.starts_with("+failover-state-") => Kind::Step,
        _ if channel.starts_with("-failover-abort-") => Kind::Aborted,
        _ => Kind::Hint,
    }
}

/// The primary an event is about.
struct Subject<'a> {
    name: &'a str,
    address: Option<HostPort>,
}

impl<'a> Subject<'a> {
    /// From `<type> <name> <ip> <port>[ @ <primary-name> <ip> <port>][ #quorum n/q]`.
    fn of_instance(payload: &'a str) -> Option<Self> {
        let payload = payload
            .rsplit_once(" #quorum")
            .map_or(payload, |(front, _)| front);
        match payload.rsplit_once(" @ ") {
            Some((_, primary)) => Self::read(primary, 2),
            None => Self::read(payload.strip_prefix("master ")?, 2),
        }
    }

    /// From `<name> <ip> <port>`, `fields` words after the name. Read from the right: nothing
    /// forbids spaces in a name.
    fn read(text: &'a str, fields: usize) -> Option<Self> {
        let mut words: Vec<_> = text.rsplitn(fields + 1, ' ').collect();
        let (name, port_last) = (words.pop().filter(|_| words.len() == fields)?, words);
        let mut words = port_last.iter().rev();
        let address = words.next().zip(words.next());
        Some(Self {
            name,
            address: address.and_then(|(host, port)| host_port(host, port, true).ok()),
        })
    }
}

/// The replica in `slave <name> <ip> <port> @ ...`.
fn replica(payload: &str) -> Option<HostPort> {
    let (instance, _) = payload.rsplit_once(" @ ")?;
    let mut words = instance.strip_prefix("slave ")?.rsplitn(3, ' ');
    let (port, host) = (words.next()?, words.next()?);
    host_port(host, port, true).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(channel: &str, payload: &str) -> Option<Kind> {
        whole(channel, payload).map(|event| event.kind)
    }

    fn whole(channel: &str, payload: &str) -> Option<Event> {
        let parts = ["message", channel, payload];
        let parts = parts.map(|part| Reply::BulkString(part.as_bytes().to_vec()));
        read(
            &Reply::Array(parts.to_vec()),
            "my master",
            &AddressMap::EMPTY,
        )
    }

    #[test]
    fn reads_names_from_the_right() {
        let switch = "my master 10.0.0.1 6379 10.0.0.2 6379";
        assert_eq!(event("+switch-master", switch), Some(Kind::Done));
        assert_eq!(event("+switch-master", "other 10.0.0.1 1 10.0.0.2 1"), None);
        let promoted = "slave [::1]:2 ::1 2 @ my master ::1 1";
        assert_eq!(event("+promoted-slave", promoted), Some(Kind::Done));
        let odown = "master my master 10.0.0.1 6379 #quorum 2/2";
        assert_eq!(event("+odown", odown), Some(Kind::Hint));
        assert_eq!(
            event("+sdown", "sentinel ab 10.0.0.9 1 @ other 10.0.0.1 1"),
            None
        );
    }

    #[test]
    fn tells_steps_from_endings() {
        let ours = "master my master 10.0.0.1 6379";
        assert_eq!(event("+try-failover", ours), Some(Kind::Step));
        assert_eq!(
            event("+failover-state-wait-promotion", ours),
            Some(Kind::Step)
        );
        assert_eq!(
            event("-failover-abort-not-elected", ours),
            Some(Kind::Aborted)
        );
        assert_eq!(event("+failover-end", ours), Some(Kind::Done));
        assert_eq!(event("+tilt", "#tilt mode entered"), Some(Kind::Hint));
    }

    #[test]
    fn early_channels_tell_in_time() {
        let early = CHANNELS.iter().filter(|channel| is_early(channel));
        let expected = [
            "+selected-slave",
            "+try-failover",
            "+elected-leader",
            "+failover-state-select-slave",
            "+failover-state-send-slaveof-noone",
        ];
        assert_eq!(early.copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn tells_whom_it_is_about() {
        let selected = "slave [::1]:2 ::1 2 @ my master ::1 1";
        let event = whole("+selected-slave", selected).expect("an event");
        assert_eq!(event.channel, "+selected-slave");
        assert_eq!(event.about, Some(HostPort::new("::1", 1)));
        assert_eq!(event.candidate, Some(HostPort::new("::1", 2)));
        let ours = whole("+try-failover", "master my master 10.0.0.1 6379").expect("an event");
        assert_eq!(ours.about, Some(HostPort::new("10.0.0.1", 6379)));
        assert_eq!(ours.candidate, None);
        let switch = "my master 10.0.0.1 6379 10.0.0.2 6380";
        let switch = whole("+switch-master", switch).expect("an event");
        assert_eq!(switch.about, Some(HostPort::new("10.0.0.1", 6379)));
        let update = "sentinel ab 10.0.0.9 1 @ my master 10.0.0.1 6379";
        let update = whole("+config-update-from", update).expect("an event");
        assert_eq!(update.candidate, None);
        let odd = whole("+try-failover", "master my master 10.0.0.1 port").expect("an event");
        assert_eq!(odd.about, None);
    }

    #[test]
    fn nodes_are_where_the_map_says() {
        let map = crate::config::tests::address_map("10.0.0.1=nat-1,10.0.0.2:6379=nat-2:7000");
        let read = |channel: &str, payload: &str| {
            let parts = ["message", channel, payload];
            let parts = parts.map(|part| Reply::BulkString(part.as_bytes().to_vec()));
            read(&Reply::Array(parts.to_vec()), "x", &map).expect("an event")
        };
        let selected = "slave 10.0.0.2:6379 10.0.0.2 6379 @ x 10.0.0.1 6379";
        let selected = read("+selected-slave", selected);
        assert_eq!(selected.about, Some(HostPort::new("nat-1", 6379)));
        assert_eq!(selected.candidate, Some(HostPort::new("nat-2", 7000)));
        let switch = read("+switch-master", "x 10.0.0.1 6379 10.0.0.2 6379");
        assert_eq!(switch.about, Some(HostPort::new("nat-1", 6379)));
    }

    #[test]
    fn nonsense_is_no_event() {
        for payload in ["", " ", "master", "@", " @ ", "#quorum", "a b c d e f g"] {
            for channel in CHANNELS.iter().filter(|name| !name.ends_with("tilt")) {
                assert_eq!(event(channel, payload), None, "{channel} {payload:?}");
            }
        }
        assert_eq!(read(&Reply::Null, "my master", &AddressMap::EMPTY), None);
    }
}
