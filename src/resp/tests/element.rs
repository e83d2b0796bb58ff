//! The elements of arrays, made up and from a running server.

use proptest::prelude::*;

use super::server::Server;
use super::values::{self, Of};
use super::{apply, edits};
use crate::resp::{ReplyScanner, elements};

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let header = format!("*{}\r\n", elements.len()).into_bytes();
    [header, elements.concat()].concat()
}

/// Whether this can be an element without being taken for one with an attribute.
fn is_plain(value: &[u8]) -> bool {
    !matches!(value.first(), Some(b'|' | b'>'))
}

proptest! {
    #[test]
    fn the_elements_are_those_of_the_array(
        values in prop::collection::vec(values::resp3(Of::Anything), 0..6),
        attribute in prop::option::of(values::resp3(Of::Representable)),
    ) {
        let values: Vec<_> = values.into_iter().filter(|value| is_plain(value)).collect();
        let attribute = attribute.filter(|value| is_plain(value)).map_or_else(Vec::new, |value| {
            [&b"|1\r\n+key\r\n"[..], &value].concat()
        });
        let attributed = values.iter().map(|value| [&attribute[..], value].concat());
        let frame = [&attribute[..], &array(&attributed.collect::<Vec<_>>())].concat();
        let found: Vec<_> = elements(&frame).expect("an array").collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn what_is_found_in_damage_is_whole(reply in values::resp3(Of::Anything), edits in edits()) {
        let mut reply = array(&[reply, b"+OK\r\n".to_vec()]);
        apply(&edits, &mut reply);
        let Some(found) = elements(&reply) else {
            return Ok(());
        };
        prop_assert_eq!(ReplyScanner::new().scan(&reply), Ok(Some(reply.len())));
        for element in found {
            prop_assert!(is_plain(element));
            let whole = Ok(Some(element.len()));
            prop_assert_eq!(ReplyScanner::new().scan(element), whole);
        }
    }

    #[test]
    fn any_bytes_can_be_asked_about(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(found) = elements(&bytes) {
            let _ = found.count();
        }
    }
}

#[test]
fn only_one_whole_array_has_elements() {
    for frame in [
        &b""[..],
        b"*",
        b"*-1\r\n",
        b"_\r\n",
        b"-EXECABORT x\r\n",
        b"~1\r\n+a\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b">1\r\n+a\r\n",
        b"*1\r\n",
        b"*1\r\n+a\r\n+b\r\n",
        b"*1\r\n>1\r\n+a\r\n",
        b"|1\r\n+a\r\n+b\r\n+c\r\n",
        b"*18446744073709551615\r\n",
    ] {
        assert!(elements(frame).is_none(), "{frame:?}");
    }
    assert_eq!(elements(b"*0\r\n").map(Iterator::count), Some(0));
}

#[test]
fn depth_costs_nothing() {
    let deep = [b"*1\r\n".repeat(100_000), b"+OK\r\n".to_vec()].concat();
    let mut found = elements(&deep).expect("an array");
    assert_eq!(found.next(), Some(&deep[4..]));
    assert_eq!(found.next(), None);
    let attributes = [
        b"*1\r\n".to_vec(),
        b"|1\r\n+a\r\n+b\r\n".repeat(50_000),
        b":1\r\n".to_vec(),
    ];
    let attributes = attributes.concat();
    let found = elements(&attributes).expect("an array");
    assert!(found.eq([b":1\r\n"]));
}

#[test]
fn a_transaction_says_which_of_its_commands_succeeded() {
    let server = Server::start();
    let mut client = server.connect();
    for version in ["2", "3"] {
        client.ask(&["HELLO", version]);
        client.ask(&["MULTI"]);
        client.ask(&["SELECT", "1"]);
        client.ask(&["SELECT", "100000"]);
        client.ask(&["CONFIG", "GET", "maxmemory"]);
        client.ask(&["CLIENT", "SETNAME", "x"]);
        let reply = client.ask(&["EXEC"]);
        let found: Vec<_> = elements(&reply).expect("an array").collect();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], b"+OK\r\n");
        assert_eq!(found[1].first(), Some(&b'-'));
        assert_eq!(found[3], b"+OK\r\n");
    }
}
