//! Tests of the layer through its public names.
//!
//! The scanners are compared with themselves over every division into chunks (`check`), with a
//! parser written the obvious way (`naive`), and with the `redis-protocol` crate.

mod blocking;
mod class;
mod class_live;
mod element;
mod hello_id;
mod hostile;
mod inline;
mod naive;
mod overlay;
mod rejection;
mod rejection_live;
mod reply;
mod request;
mod server;
mod sharing;
mod splitting;
mod values;

use proptest::prelude::*;

/// An input for the functions in `check`: `stream`, to be cut into chunks of these lengths.
fn planned(lens: &[u8], stream: &[u8]) -> Vec<u8> {
    let count = u8::try_from(lens.len()).expect("at most seven");
    assert!(count < 8);
    [&[count], lens, stream].concat()
}

/// Chunk lengths for `planned`: often tiny, so that cuts fall into headers.
fn cuts() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![0..6_u8, any::<u8>()], 0..8)
}

/// A change of a stream at a place given as a fraction of its length.
#[derive(Clone, Debug)]
enum Edit {
    Replace(u8),
    Insert(u8),
    Remove,
}

/// A few changes, with bytes that matter to the framing more often than others.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, Edit)>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"\r\n*$|>%0123459-+ ?".to_vec()),
        1 => any::<u8>(),
    ];
    let edit = prop_oneof![
        byte.clone().prop_map(Edit::Replace),
        byte.prop_map(Edit::Insert),
        Just(Edit::Remove),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), edit), 0..4)
}

fn apply(edits: &[(prop::sample::Index, Edit)], stream: &mut Vec<u8>) {
    for (place, edit) in edits {
        if stream.is_empty() {
            return;
        }
        let at = place.index(stream.len());
        match edit {
            Edit::Replace(byte) => stream[at] = *byte,
            Edit::Insert(byte) => stream.insert(at, *byte),
            Edit::Remove => drop(stream.remove(at)),
        }
    }
}
