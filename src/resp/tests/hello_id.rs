//! The id in what HELLO answers, made up and from a running server.

use proptest::prelude::*;

use super::server::Server;
use super::values::{self, Of};
use super::{apply, edits};
use crate::resp::{ReplyScanner, hello_id, integer};

const RESP3: &[u8] =
    b"%3\r\n$6\r\nserver\r\n$2\r\nid\r\n$2\r\nid\r\n:17\r\n$7\r\nmodules\r\n*0\r\n";

fn replaced(frame: &[u8], id: &str) -> Option<Vec<u8>> {
    let range = hello_id(frame)?;
    Some([&frame[..range.start], id.as_bytes(), &frame[range.end..]].concat())
}

#[test]
fn a_server_s_reply_says_its_id() {
    let server = Server::start();
    for version in ["2", "3"] {
        let mut client = server.connect();
        let reply = client.ask(&["HELLO", version]);
        let id = integer(&client.ask(&["CLIENT", "ID"])).expect("a number");
        let range = hello_id(&reply).expect("an id");
        assert_eq!(reply[range], *id.to_string().as_bytes());

        let other = replaced(&reply, "4503599627370497").expect("an id");
        let range = hello_id(&other).expect("an id");
        assert_eq!(other[range], *b"4503599627370497");
        assert_eq!(ReplyScanner::new().scan(&other), Ok(Some(other.len())));
        assert_eq!(replaced(&other, &id.to_string()), Some(reply));
    }
}

#[test]
fn the_id_is_a_number_at_a_key_of_the_top_level() {
    assert_eq!(hello_id(RESP3).map(|range| &RESP3[range]), Some(&b"17"[..]));
    let simple = b"*2\r\n+id\r\n:5\r\n";
    assert_eq!(hello_id(simple), Some(10..11));
    for frame in [
        &b""[..],
        b"*0\r\n",
        b"*-1\r\n",
        b"-ERR unknown command 'HELLO'\r\n",
        b"*1\r\n$2\r\nid\r\n",
        b"*2\r\n$2\r\nid\r\n",
        b"*2\r\n$2\r\nid\r\n$1\r\n5\r\n",
        b"*2\r\n$2\r\nid\r\n:-5\r\n",
        b"*2\r\n$2\r\nid\r\n:\r\n",
        b"*3\r\n$1\r\nx\r\n$2\r\nid\r\n:5\r\n",
        b"%1\r\n$1\r\nx\r\n%1\r\n$2\r\nid\r\n:5\r\n",
        b"*2\r\n$2\r\nID\r\n:5\r\n",
    ] {
        assert_eq!(hello_id(frame), None, "{frame:?}");
    }
}

#[test]
fn integers_are_whole_numbers() {
    assert_eq!(integer(b":0\r\n"), Some(0));
    assert_eq!(integer(b":18446744073709551615\r\n"), Some(u64::MAX));
    for frame in [
        &b""[..],
        b":\r\n",
        b":-1\r\n",
        b":+1\r\n",
        b":1",
        b":1\n",
        b":1\r\n:2\r\n",
        b":18446744073709551616\r\n",
        b"$1\r\n1\r\n",
        b"(1\r\n",
    ] {
        assert_eq!(integer(frame), None, "{frame:?}");
    }
}

proptest! {
    #[test]
    fn what_is_found_in_damage_is_a_number(edits in edits(), id in any::<u64>()) {
        let mut frame = RESP3.to_vec();
        apply(&edits, &mut frame);
        if let Some(range) = hello_id(&frame) {
            prop_assert!(frame[range].iter().all(u8::is_ascii_digit));
            let other = replaced(&frame, &id.to_string()).expect("an id");
            let range = hello_id(&other).expect("an id");
            let id = id.to_string();
            prop_assert_eq!(&other[range], id.as_bytes());
        }
    }

    #[test]
    fn any_reply_can_be_asked_about(
        reply in values::resp3(Of::Anything), bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let _ = (hello_id(&reply), integer(&reply), hello_id(&bytes), integer(&bytes));
    }

    #[test]
    fn an_integer_is_read_back(number in any::<u64>()) {
        prop_assert_eq!(integer(format!(":{number}\r\n").as_bytes()), Some(number));
    }
}
