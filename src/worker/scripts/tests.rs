use super::*;
use crate::worker::login::command;

fn frame(words: &[&str]) -> Vec<u8> {
    command(words.iter().map(|word| word.as_bytes()))
}

const TEXT: &[u8] = b"return 1";
const HEX: &str = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";

#[test]
fn digests_are_the_server_s() {
    let asked = asked_for(&frame(&["evalsha", HEX, "0"]));
    assert_eq!(asked, Some(digest_of(TEXT)));
    let upper = HEX.to_uppercase();
    assert_eq!(asked_for(&frame(&["EVALSHA_RO", &upper, "0"])), asked);
    for words in [&["EVALSHA", "e0e1"][..], &["GET", HEX], &["EVALSHA"]] {
        assert_eq!(asked_for(&frame(words)), None);
    }
    let odd = format!("z{}", &HEX[1..]);
    assert_eq!(asked_for(&frame(&["EVALSHA", &odd])), None);
}

#[test]
fn what_a_command_does_to_scripts() {
    let given = frame(&["SCRIPT", "load", "return 1"]);
    assert_eq!(effect(&given), Some(Effect::Loaded(TEXT, true)));
    let given = frame(&["eval", "return 1", "0"]);
    assert_eq!(effect(&given), Some(Effect::Loaded(TEXT, false)));
    let flush = frame(&["SCRIPT", "FLUSH", "ASYNC"]);
    assert_eq!(effect(&flush), Some(Effect::Flushed));
    assert_eq!(effect(&frame(&["SCRIPT", "EXISTS", HEX])), None);
    assert_eq!(effect(&frame(&["SCRIPT", "LOAD"])), None);
}

#[test]
fn a_script_is_lacked_once_per_node_and_doubt() {
    let (scripts, known) = (Scripts::default(), Known::default());
    let digest = digest_of(TEXT);
    let first = scripts.mark(1);
    assert_eq!(
        known.lacks(&scripts, &digest, first),
        None,
        "nobody gave it"
    );
    scripts.learn(TEXT, true, first);
    assert_eq!(known.lacks(&scripts, &digest, first), None, "it is there");
    assert!(known.has(&digest, first));
    let second = scripts.mark(2);
    assert!(!known.has(&digest, second));
    for _ in 0..2 {
        let text = known.lacks(&scripts, &digest, second);
        assert_eq!(text.as_deref(), Some(TEXT), "until it is loaded");
    }
    scripts.loaded(&digest, second);
    assert_eq!(known.lacks(&scripts, &digest, second), None);
    scripts.doubt();
    let third = scripts.mark(2);
    assert!(known.lacks(&scripts, &digest, third).is_some());
    scripts.forget_all();
    assert_eq!(known.lacks(&scripts, &digest, scripts.mark(2)), None);
}

#[test]
fn only_what_is_used_by_digest_is_loaded_beforehand() {
    let (scripts, known) = (Scripts::default(), Known::default());
    let (old, new) = (scripts.mark(1), scripts.mark(2));
    scripts.learn(b"return 1", true, old);
    scripts.learn(b"return 2", false, old);
    assert!(known.missing(&scripts, old, 100).is_empty());
    let missing = known.missing(&scripts, new, 100);
    assert_eq!(missing.len(), 1);
    assert!(
        known.missing(&scripts, new, 3).is_empty(),
        "too long for that"
    );
    scripts.want(&digest_of(b"return 2"), new);
    let newest = scripts.mark(3);
    let texts: Vec<_> = known.missing(&scripts, newest, 100);
    assert_eq!(&*texts[0].1, b"return 2", "last used first");
    assert_eq!(texts.len(), 2);
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let scripts = Scripts::default();
    let mark = scripts.mark(1);
    let text = |n: usize| {
        let mut text = vec![b' '; 1024 * 1024];
        text.extend(n.to_string().bytes());
        text
    };
    for n in 0..20 {
        scripts.learn(&text(n), true, mark);
        assert!(scripts.want(&digest_of(&text(0)), mark).is_some(), "in use");
    }
    assert!(scripts.want(&digest_of(&text(1)), mark).is_none());
    assert!(scripts.want(&digest_of(&text(19)), mark).is_some());
    let shelf = scripts.shelf();
    assert!(shelf.bytes <= KEPT_MAX);
    assert_eq!(shelf.scripts.len(), shelf.by_use.len());
}
