//! Takes a recorded stream of replies apart, every byte accounted for.
//!
//! Independent of the framing under test, on purpose; unlike `value` it keeps the bytes.

/// One RESP value and what is inside it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Its type byte; `|` when attributes come first.
    pub(super) kind: u8,
    /// All of it.
    pub(super) bytes: &'a [u8],
    /// Its first line without type byte and line end.
    pub(super) head: &'a [u8],
    /// The body of a bulk.
    pub(super) body: Option<&'a [u8]>,
    /// The elements; for attributes those and the value after them.
    pub(super) children: Vec<Self>,
}

impl<'a> Node<'a> {
    /// The value at the front of `bytes`; none when it is incomplete or no RESP.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let kind = *bytes.first()?;
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let head = bytes.get(1..end)?;
        let rest = &bytes[end + 2..];
        let count = || std::str::from_utf8(head).ok()?.parse::<i64>().ok();
        let mut node = Self {
            kind,
            bytes: &bytes[..end + 2],
            head,
            body: None,
            children: Vec::new(),
        };
        let values = match kind {
            b'$' | b'=' | b'!' => {
                if let Ok(len) = usize::try_from(count()?) {
                    node.body = Some(rest.get(..len)?);
                    node.bytes = bytes.get(..end + 2 + len + 2)?;
                }
                return Some(node);
            }
            b'*' | b'~' | b'>' => count()?,
            b'%' => count()? * 2,
            b'|' => count()? * 2 + 1,
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => 0,
            _ => return None,
        };
        let mut used = end + 2;
        for _ in 0..values {
            let child = Self::parse(&bytes[used..])?;
            used += child.bytes.len();
            node.children.push(child);
        }
        node.bytes = &bytes[..used];
        Some(node)
    }
}

/// The values in `stream`, and what is left of it after the last whole one.
pub(super) fn split(stream: &[u8]) -> (Vec<Node<'_>>, &[u8]) {
    let mut nodes = Vec::new();
    let mut rest = stream;
    while let Some(node) = Node::parse(rest) {
        rest = &rest[node.bytes.len()..];
        nodes.push(node);
    }
    (nodes, rest)
}
