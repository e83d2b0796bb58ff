//! What is read from one reply of a server: the elements of a transaction, an id, a published
//! message's word, what an error proves.

use crate::resp::{
    Class, Peek, Rejection, ReplyScanner, elements, first_word, hello_id, integer, rejection,
};

/// An id that has another length than most.
const ID: &[u8] = b"4503599627370497";

/// Classes whose errors are read differently.
const CLASSES: [Class; 6] = [
    Class::Read,
    Class::Effect,
    Class::Exec,
    Class::Script,
    Class::Blocking,
    Class::Wait,
];

/// Nothing is read from what is not whole: elements are frames of their own, an id is a number that
/// can be replaced by another, only one whole error proves anything, and a word that was read stays
/// the word however much of its frame follows.
pub fn answer(input: &[u8]) {
    elements_are_frames(input);
    id_can_be_replaced(input);
    only_an_error_proves(input);
    word_stays(input);
    if let Some(number) = integer(input) {
        let written = format!(":{number}\r\n");
        assert_eq!(integer(written.as_bytes()), Some(number));
    }
}

fn is_frame(bytes: &[u8]) -> bool {
    ReplyScanner::new().scan(bytes) == Ok(Some(bytes.len()))
}

fn elements_are_frames(input: &[u8]) {
    let Some(found) = elements(input) else {
        return;
    };
    assert!(is_frame(input));
    let mut len = 0;
    for element in found {
        assert!(is_frame(element));
        assert_ne!(element.first(), Some(&b'|'), "attributes are left out");
        len += element.len();
    }
    assert!(len < input.len());
}

fn id_can_be_replaced(input: &[u8]) {
    let Some(range) = hello_id(input) else {
        return;
    };
    assert!(input[range.clone()].iter().all(u8::is_ascii_digit));
    let other = [&input[..range.start], ID, &input[range.end..]].concat();
    let again = hello_id(&other).expect("an id is still there");
    assert_eq!(&other[again], ID);
    assert_eq!(is_frame(&other), is_frame(input));
}

fn only_an_error_proves(input: &[u8]) {
    for class in CLASSES {
        if rejection(input, class) != Rejection::None {
            assert_eq!(input.first(), Some(&b'-'));
            assert!(is_frame(input));
        }
    }
}

fn word_stays(input: &[u8]) {
    let whole = first_word(input);
    // No frame decides later than this: two length lines and a word.
    let decided = (0..input.len().min(128)).map(|end| first_word(&input[..end]));
    for early in decided.filter(|peek| *peek != Peek::NeedMore) {
        assert_eq!(early, whole);
    }
}
