//! Generators of valid commands and replies.

use proptest::prelude::*;

/// One multibulk command: its arguments.
pub(super) fn args() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let name = prop_oneof![
        8 => "[a-zA-Z.]{1,14}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let more = prop::collection::vec(bytes(), 0..5);
    (name, more).prop_map(|(name, mut args)| {
        args.insert(0, name);
        args
    })
}

/// Payloads: mostly short, some with framing in them, some longer than a chunk.
pub(super) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..12),
        2 => Just(b"\r\n$4\r\nPING\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 200..600),
    ]
}

/// The frame of a command.
pub(super) fn frame(args: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend(bulk(b'$', arg));
    }
    out
}

fn bulk(kind: u8, body: &[u8]) -> Vec<u8> {
    let header = format!("{}{}\r\n", char::from(kind), body.len());
    [header.as_bytes(), body, b"\r\n"].concat()
}

fn line(kind: char, text: &str) -> Vec<u8> {
    format!("{kind}{text}\r\n").into_bytes()
}

fn aggregate(kind: char, per_element: usize, values: &[Vec<u8>]) -> Vec<u8> {
    let count = values.len() / per_element;
    [line(kind, &count.to_string()), values.concat()].concat()
}

/// A RESP2 reply.
pub(super) fn resp2() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        plain_leaf(),
        Just(b"$-1\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
    ];
    leaf.prop_recursive(4, 24, 5, |value| {
        prop::collection::vec(value, 0..5).prop_map(|values| aggregate('*', 1, &values))
    })
}

fn plain_leaf() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,20}".prop_map(|text| line('+', &text)),
        "[A-Z]{3,8} [ -~]{0,20}".prop_map(|text| line('-', &text)),
        any::<i64>().prop_map(|number| line(':', &number.to_string())),
        bytes().prop_map(|body| bulk(b'$', &body)),
    ]
}

/// Which RESP3 frames to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// All that RESP3 allows.
    Anything,
    /// What the `redis-protocol` crate can represent: sets and maps by scalars only, attributes
    /// at top level only, one at a time, and not on a null.
    Representable,
}

/// A RESP3 reply or push, perhaps with attributes.
pub(super) fn resp3(of: Of) -> impl Strategy<Value = Vec<u8>> {
    let top_level = prop_oneof![
        4 => resp3_value(of),
        1 => prop::collection::vec(resp3_value(of), 0..4).prop_map(|mut values| {
            values.insert(0, bulk(b'$', b"message"));
            aggregate('>', 1, &values)
        }),
    ];
    let attributes = prop::option::weighted(0.2, pairs(of));
    (attributes, top_level).prop_map(move |(attributes, value)| match attributes {
        Some(pairs) if of == Of::Anything || value[0] != b'_' => {
            [aggregate('|', 2, &pairs), value].concat()
        }
        _ => value,
    })
}

/// Keys and values, in turn, of a map or attribute at top level.
fn pairs(of: Of) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec((resp3_leaf(), resp3_value(of)), 0..3)
        .prop_map(|pairs| pairs.into_iter().flat_map(<[_; 2]>::from).collect())
}

fn resp3_leaf() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => plain_leaf(),
        1 => Just(b"_\r\n".to_vec()),
        1 => any::<bool>().prop_map(|yes| line('#', if yes { "t" } else { "f" })),
        1 => prop_oneof!["-?[0-9]{1,5}\\.[0-9]{1,5}", "-?inf"].prop_map(|text| line(',', &text)),
        1 => "-?[1-9][0-9]{20,40}".prop_map(|text| line('(', &text)),
        1 => "[ -~]{0,20}".prop_map(|text| bulk(b'!', format!("ERR {text}").as_bytes())),
        1 => "[ -~]{0,20}".prop_map(|text| bulk(b'=', format!("txt:{text}").as_bytes())),
    ]
}

fn resp3_value(of: Of) -> impl Strategy<Value = Vec<u8>> {
    resp3_leaf().prop_recursive(4, 24, 5, move |value| {
        let values = || prop::collection::vec(value.clone(), 0..5);
        let (keys, attributed) = match of {
            Of::Anything => (value.clone(), attributed(value.clone()).boxed()),
            Of::Representable => (resp3_leaf().boxed(), value.clone()),
        };
        let pair = (keys.clone(), value.clone()).prop_map(|(key, value)| [key, value].concat());
        prop_oneof![
            values().prop_map(|values| aggregate('*', 1, &values)),
            prop::collection::vec(keys, 0..5).prop_map(|values| aggregate('~', 1, &values)),
            prop::collection::vec(pair, 0..3).prop_map(|pairs| aggregate('%', 1, &pairs)),
            attributed,
        ]
    })
}

/// The value behind one attribute.
fn attributed(value: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (value.clone(), value.clone(), value)
        .prop_map(|(key, of_key, value)| [b"|1\r\n".to_vec(), key, of_key, value].concat())
}
