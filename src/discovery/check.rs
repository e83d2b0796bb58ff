//! Properties of what is read from Sentinels and control connections, for fuzz targets; no part of
//! the program uses them.
//!
//! Each function takes any bytes, and panics when a property does not hold.

use redis_protocol::resp2::decode::decode;

use super::connection::Reply;
use super::error::Rejection;
use super::event::{self, CHANNELS, Event};
use super::framing::{BadFrame, DEPTH_MAX, Framer, REPLY_LEN_MAX};
use super::message::{self, HOST_LEN_MAX, PEERS_MAX};
use super::{commands, error};
use crate::config::AddressMap;
use crate::net::HostPort;
use crate::resp::{Commands, check::plan};

/// The name events are about.
const NAME: &str = "mymaster";
/// Commands that no server's word makes shareable.
const APART: [&[u8]; 3] = [b"BLPOP", b"SUBSCRIBE", b"NO.SUCH"];

/// What a control connection receives: division into chunks never changes where replies end, the
/// decoder agrees on that, nesting is bounded, and what is read from replies is usable.
pub fn sentinel(input: &[u8]) {
    let (stream, cuts) = plan(input);
    let whole = trace(stream, &[stream.len()]);
    assert_eq!(trace(stream, &cuts), whole);
    let mut start = 0;
    let mut replies = Vec::new();
    for end in whole.0 {
        let frame = &stream[start..end];
        assert!(frame.len() <= REPLY_LEN_MAX);
        start = end;
        // What is framed and still no RESP2, such as a number without digits, ends the connection.
        if let Ok(decoded) = decode(frame) {
            let (reply, len) = decoded.expect("a frame is complete");
            assert_eq!(len, frame.len());
            // One more for what the deepest array holds.
            assert!(depth(&reply) <= DEPTH_MAX + 1);
            read(&reply);
            replies.push(reply);
        }
    }
    for three in replies.windows(3) {
        if let Ok((address, _)) = message::consistent(&three[0], &three[1], &three[2], false) {
            usable(&address, false);
        }
    }
}

/// A published message, `CHANNEL LF PAYLOAD`, where one byte may stand for a channel: an event that
/// is read is about our name alone, and reads the same from the words a Sentinel would write.
pub fn event(input: &[u8]) {
    let split = input.iter().position(|byte| *byte == b'\n');
    let (channel, payload) = input.split_at(split.unwrap_or(input.len()));
    let channel = match channel {
        [one] => CHANNELS[usize::from(*one) % CHANNELS.len()].as_bytes(),
        _ => channel,
    };
    let Some(event) = published(channel, payload.get(1..).unwrap_or_default(), NAME) else {
        return;
    };
    assert_eq!(event.channel.as_bytes(), channel);
    for address in event.about.iter().chain(&event.candidate) {
        usable(address, true);
    }
    let of_no_name = event.channel.ends_with("tilt");
    let other = published(channel, payload.get(1..).unwrap_or_default(), "other");
    assert_eq!(other.is_some(), of_no_name);
    written(&event);
}

/// Where replies end, and how it ended.
type Trace = (Vec<usize>, Option<BadFrame>);

/// As a connection does it: each chunk is added to what is left.
fn trace(stream: &[u8], cuts: &[usize]) -> Trace {
    let mut framer = Framer::default();
    let (mut start, mut end) = (0, 0_usize);
    let mut ends = Vec::new();
    for len in cuts.iter().cycle() {
        end = end.saturating_add(*len).min(stream.len());
        loop {
            match framer.frame(&stream[start..end]) {
                Ok(None) => break,
                Ok(Some(len)) => start += len,
                Err(bad) => return (ends, Some(bad)),
            }
            ends.push(start);
        }
        if end == stream.len() {
            break;
        }
    }
    (ends, None)
}

/// Bounded by the framer, so this may recurse.
fn depth(reply: &Reply) -> usize {
    match reply {
        Reply::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn read(reply: &Reply) {
    for loopback in [true, false] {
        if let Ok(address) = message::address(reply, loopback) {
            usable(&address, loopback);
        }
        let peers = message::peers(reply, loopback);
        let replicas = message::replicas(reply, loopback);
        assert!(peers.len().max(replicas.len()) <= PEERS_MAX);
        for address in peers.iter().map(|peer| &peer.address).chain(&replicas) {
            usable(address, loopback);
        }
    }
    let _ = (message::master_fields(reply), message::run_id(reply));
    let _ = (message::role(reply), message::hello_role(reply));
    let _ = message::info_run_id(reply);
    let _ = (
        message::info_knows_capa(reply),
        message::hello_knows_capa(reply),
    );
    let _ = event::read(reply, NAME, &AddressMap::EMPTY);
    if let Reply::Error(text) = reply {
        let kept = Rejection::new(text).text;
        assert!(kept.chars().count() <= error::TEXT_LEN_MAX);
        assert!(!kept.contains(char::is_control));
    }
    let mut known = Commands::BUILT_IN;
    commands::hear(&mut known, reply);
    for name in APART {
        assert!(!known.shareable(name, b""));
    }
}

/// Could be dialled, has one spelling only, and can be written down and read again.
fn usable(address: &HostPort, asked_on_loopback: bool) {
    let HostPort { host, port } = address;
    assert!(*port > 0 && host.len() <= HOST_LEN_MAX);
    let again = message::host_port(host, &port.to_string(), asked_on_loopback);
    assert_eq!(again.as_ref(), Ok(address));
    assert_eq!(address.to_string().parse().as_ref(), Ok(address));
}

fn published(channel: &[u8], payload: &[u8], name: &str) -> Option<Event> {
    let parts = [b"message".as_slice(), channel, payload];
    let parts = parts.map(|part| Reply::BulkString(part.to_vec()));
    event::read(&Reply::Array(parts.to_vec()), name, &AddressMap::EMPTY)
}

/// Writes the event as Sentinel does, and reads it again.
fn written(event: &Event) {
    let Some(HostPort { host, port }) = &event.about else {
        return;
    };
    let ours = format!("{NAME} {host} {port}");
    let payload = match (event.channel, &event.candidate) {
        ("+switch-master", _) => format!("{ours} {host} {port}"),
        (_, Some(replica)) => {
            let HostPort { host, port } = replica;
            format!("slave {replica} {host} {port} @ {ours}")
        }
        (_, None) => format!("master {ours} #quorum 2/2"),
    };
    let again = published(event.channel.as_bytes(), payload.as_bytes(), NAME);
    assert_eq!(again.as_ref(), Some(event), "{payload}");
}
