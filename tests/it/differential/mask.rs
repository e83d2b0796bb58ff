//! What may differ between two servers that were told the same, and nothing else.
//!
//! A generated stream says before a command which mask applies, by an ECHO of the mask's marker:
//! so it survives pipelining, MULTI, and replies that never come.

use super::frame::{Node, split};

/// How much of a reply is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Everything but the digits.
    AllButDigits,
    /// Everything, in any order.
    AnyOrder,
    /// The type alone.
    Kind,
}

/// The masks: a name for templates, what is compared all the same, and why not all.
const MASKS: &[(&str, Kept, &str)] = &[
    (
        "clock",
        Kept::AllButDigits,
        "TIME, LASTSAVE, PTTL, idle times, XADD * read the clock",
    ),
    (
        "id",
        Kept::AllButDigits,
        "CLIENT ID counts all connections of the server, Sentinel's too",
    ),
    (
        "order",
        Kept::AnyOrder,
        "hash tables iterate by a seed drawn when the server starts",
    ),
    (
        "random",
        Kept::Kind,
        "RANDOMKEY, SRANDMEMBER, HRANDFIELD, ZRANDMEMBER draw at random",
    ),
    (
        "server",
        Kept::Kind,
        "INFO, ROLE, CLIENT LIST and INFO, MEMORY tell of the process itself",
    ),
];

/// Confirmations that stand side by side are compared in any order: a bare UNSUBSCRIBE walks a
/// hash table of the subscriptions.
const UNORDERED: [&[u8]; 3] = [b"unsubscribe", b"punsubscribe", b"sunsubscribe"];

/// What a line of MONITOR must hold to be compared: the server's other clients (Sentinel, our own
/// discovery) are not part of the stream.
pub(super) const OURS: &str = "d:";

/// The argument of the ECHO that announces mask `name`.
#[track_caller]
pub(super) fn marker(name: &str) -> String {
    assert!(
        MASKS.iter().any(|(mask, ..)| *mask == name),
        "no mask {name}"
    );
    format!("<<{name}>>")
}

fn marked(node: &Node<'_>) -> Option<Kept> {
    let name = node.body?.strip_prefix(b"<<")?.strip_suffix(b">>")?;
    let found = MASKS.iter().find(|(mask, ..)| mask.as_bytes() == name);
    found.map(|(_, kept, _)| *kept)
}

/// The comparable parts of a recorded stream, one for each value in it; what is no whole value
/// stands at the end as it is.
pub(super) fn comparable(stream: &[u8]) -> Vec<Vec<u8>> {
    let (nodes, rest) = split(stream);
    let mut out = row(&nodes);
    if !rest.is_empty() {
        out.push(rest.to_vec());
    }
    out
}

/// The values of one level, each masked as the one before it asks.
fn row(nodes: &[Node<'_>]) -> Vec<Vec<u8>> {
    let mut pending = None;
    let mut after_id = false;
    let says_hello = nodes
        .first()
        .is_some_and(|node| node.body == Some(b"server"));
    let mut out = Vec::new();
    let mut names = Vec::new();
    for node in nodes {
        match unsubscribed(node) {
            Some(name) => {
                names.push(name);
                out.push(node.children[2].bytes.to_vec());
                continue;
            }
            None => flush_sorted(&mut names, &mut out),
        }
        if is_monitor_line(node) {
            out.extend(monitor_line(node));
            continue;
        }
        let mask = match node.kind {
            b'>' => None,
            // HELLO states the connection's id.
            b':' if after_id && says_hello => Some(Kept::AllButDigits),
            _ => pending.take(),
        };
        out.push(render(node, mask));
        pending = marked(node).or(pending);
        after_id = node.body == Some(b"id");
    }
    flush_sorted(&mut names, &mut out);
    out
}

/// The word and the name of a confirmation whose order is not determined.
fn unsubscribed(node: &Node<'_>) -> Option<Vec<u8>> {
    let [word, name, _] = &node.children[..] else {
        return None;
    };
    let known = word.body.is_some_and(|word| UNORDERED.contains(&word));
    known.then(|| [word.bytes, name.bytes].concat())
}

fn flush_sorted(names: &mut Vec<Vec<u8>>, out: &mut Vec<Vec<u8>>) {
    names.sort();
    out.append(names);
}

fn render(node: &Node<'_>, mask: Option<Kept>) -> Vec<u8> {
    match mask {
        // A masked command may fail, and then fails alike.
        _ if node.kind == b'-' => node.bytes.to_vec(),
        Some(Kept::Kind) => vec![node.kind],
        Some(Kept::AllButDigits) => without_digits(node.bytes),
        Some(Kept::AnyOrder) if !node.children.is_empty() => {
            let mut parts: Vec<_> = node
                .children
                .iter()
                .map(|child| render(child, mask))
                .collect();
            parts.sort();
            [vec![node.kind], node.head.to_vec(), parts.concat()].concat()
        }
        _ if node.children.is_empty() => node.bytes.to_vec(),
        _ => [
            vec![node.kind],
            node.head.to_vec(),
            b"\r\n".to_vec(),
            row(&node.children).concat(),
        ]
        .concat(),
    }
}

fn without_digits(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = bytes.to_vec();
    out.iter_mut()
        .filter(|byte| byte.is_ascii_digit())
        .for_each(|byte| *byte = b'#');
    out.dedup_by(|a, b| (*a, *b) == (b'#', b'#'));
    out
}

/// `+1700000000.123456 [0 127.0.0.1:4711] "get" "d:1"`.
fn is_monitor_line(node: &Node<'_>) -> bool {
    let clock = node
        .head
        .split(|byte| *byte == b' ')
        .next()
        .unwrap_or_default();
    node.kind == b'+'
        && clock.len() > 10
        && clock
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// A monitor's line without the time and the client's address, if it is about the stream at all.
fn monitor_line(node: &Node<'_>) -> Option<Vec<u8>> {
    let line = String::from_utf8_lossy(node.head);
    let (head, command) = line.split_once("] ")?;
    let db = head.split_once('[')?.1.split(' ').next()?;
    command
        .contains(OURS)
        .then(|| format!("monitor [{db}] {command}").into_bytes())
}

#[test]
fn masks_hide_what_they_name_and_nothing_else() {
    let same = |a: &str, b: &str| comparable(a.as_bytes()) == comparable(b.as_bytes());
    let marked = |name: &str, reply: &str| {
        let marker = marker(name);
        format!("${}\r\n{marker}\r\n{reply}", marker.len())
    };
    assert!(!same(":1\r\n", ":2\r\n"));
    assert!(same(
        &marked("clock", ":1\r\n"),
        &marked("clock", ":22\r\n")
    ));
    assert!(!same(
        &marked("clock", ":1\r\n:1\r\n"),
        &marked("clock", ":1\r\n:2\r\n")
    ));
    assert!(same(
        &marked("order", "*2\r\n:1\r\n:2\r\n"),
        &marked("order", "*2\r\n:2\r\n:1\r\n")
    ));
    assert!(!same(
        &marked("order", "*2\r\n:1\r\n:2\r\n"),
        &marked("order", "*2\r\n:2\r\n:2\r\n")
    ));
    let exec = |reply: &str| format!("*2\r\n{}", marked("clock", reply));
    assert!(same(&exec(":1\r\n"), &exec(":2\r\n")));
    assert!(!same(
        &marked("random", "-ERR a\r\n"),
        &marked("random", "-ERR b\r\n")
    ));
    let line = |time: &str, port: u16, command: &str| {
        format!("+{time} [0 127.0.0.1:{port}] {command}\r\n")
    };
    let stranger = line("1700000000.000002", 3, "\"ping\"");
    let one = line("1700000000.000001", 1, "\"get\" \"d:1\"");
    let two = line("1800000000.000001", 2, "\"get\" \"d:1\"");
    assert!(same(&format!("{one}{stranger}"), &two));
    assert!(!same(
        &one,
        &line("1700000000.000001", 1, "\"get\" \"d:2\"")
    ));
}
