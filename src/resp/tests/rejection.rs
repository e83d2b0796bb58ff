//! What is and what is no proof, in the servers' words.

use proptest::prelude::*;

use crate::resp::{Class, Rejection, rejection};

const EVERY_CLASS: [Class; 18] = {
    use Class::*;
    [
        Read,
        Scan,
        Connection,
        Subscription,
        Multi,
        Exec,
        Discard,
        Watch,
        Unwatch,
        Blocking,
        BlockingRead { dollar: false },
        BlockingRead { dollar: true },
        Wait,
        Script,
        Node,
        Publish,
        Effect,
        Unknown,
    ]
};

/// What a line of this text proves to a class.
#[track_caller]
fn check(text: &str, class: Class, expected: Rejection) {
    let line = format!("-{text}\r\n");
    assert_eq!(rejection(line.as_bytes(), class), expected, "{text}");
}

pub(super) const READONLY: &str = "READONLY You can't write against a read only replica.";
pub(super) const LOADING: &str = "LOADING Redis is loading the dataset in memory";
const REDIRECT: &str = "REDIRECT ::1:6379";
const DEMOTED: &str = "UNBLOCKED force unblock from blocking operation, instance state changed \
                       (master -> replica?)";

#[test]
fn errors_that_are_no_matter_of_a_failover_pass() {
    for text in [
        "",
        "READONLY",
        "READONLY You can't write against a read only replica",
        "READONLY You can't write against a read only replica. ",
        "readonly You can't write against a read only replica.",
        "ERR READONLY You can't write against a read only replica.",
        "LOADING",
        "LOADING KeyDB is loading the dataset in memory",
        "MASTERDOWN steadfast: no primary",
        "REDIRECT",
        "REDIRECT here",
        "REDIRECT :1",
        "REDIRECT a b:1",
        "REDIRECT a:",
        "REDIRECT a:1 ",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "NOAUTH Authentication required.",
        "NOPERM User x has no permissions to run the 'set' command",
        "UNBLOCKED the stream key no longer exists",
        "EXECABORT Transaction discarded because of previous errors.",
        "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > \
         'maxmemory'.",
        "EXECABORT Transaction discarded because of: REDIRECT",
        "WAIT cannot be used with replica instances.",
    ] {
        for class in EVERY_CLASS {
            check(text, class, Rejection::None);
        }
    }
}

#[test]
fn only_a_whole_error_line_is_one() {
    for line in [
        READONLY.to_owned(),
        format!("-{READONLY}"),
        format!("-{READONLY}\n"),
        format!("+{READONLY}\r\n"),
        format!("*1\r\n-{READONLY}\r\n"),
        format!("-{READONLY}\r\n-{READONLY}\r\n"),
        format!("!{}\r\n{READONLY}\r\n", READONLY.len()),
    ] {
        assert_eq!(rejection(line.as_bytes(), Class::Effect), Rejection::None);
    }
}

#[test]
fn a_rejection_counts_for_those_who_cannot_make_it_up() {
    for class in EVERY_CLASS {
        let can_lie = matches!(class, Class::Script | Class::Unknown);
        let never_resent = matches!(class, Class::Wait | Class::Node);
        let of = |proven| match can_lie || never_resent {
            true => Rejection::None,
            false => proven,
        };
        check(REDIRECT, class, of(Rejection::NotPrimary));
        if class != Class::Exec {
            check(READONLY, class, of(Rejection::NotPrimary));
            check(LOADING, class, of(Rejection::Loading));
        }
    }
}

#[test]
fn a_call_is_unblocked_only_if_it_took_or_read() {
    let read = Class::BlockingRead { dollar: false };
    for class in EVERY_CLASS {
        let waits = class == Class::Blocking || matches!(class, Class::BlockingRead { .. });
        let of = |proven| if waits { proven } else { Rejection::None };
        check(DEMOTED, class, of(Rejection::NotPrimary));
        let text = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
        check(text, class, of(Rejection::Unblocked));
    }
    check("READONLY x", read, Rejection::None);
}

#[test]
fn a_discarded_transaction_says_why() {
    let because = |text: &str| format!("EXECABORT Transaction discarded because of: {text}");
    check(&because(READONLY), Class::Exec, Rejection::NotPrimary);
    check(&because(LOADING), Class::Exec, Rejection::Loading);
    check(&because(READONLY), Class::Effect, Rejection::None);
    check(&because(&because(READONLY)), Class::Exec, Rejection::None);
    check(READONLY, Class::Exec, Rejection::None);
    check(REDIRECT, Class::Exec, Rejection::NotPrimary);
}

#[test]
fn a_script_is_believed_only_with_its_place() {
    let sha = "67ed14c1cb086d8c2fcf91ebe13410ba087fd0f8";
    for (place, expected) in [
        (" script: SHA, on @user_script:1.", Rejection::NotPrimary),
        (" script: on @user_script:12.", Rejection::NotPrimary),
        (" script: f_1, on @user_function:3.", Rejection::NotPrimary),
        ("", Rejection::None),
        (" script: , on @user_script:1.", Rejection::None),
        (" script: SHA on @user_script:1.", Rejection::None),
        (" script: a b, on @user_script:1.", Rejection::None),
        (" script: SHA, on user_script:1.", Rejection::None),
        (" script: SHA, on @user_script:.", Rejection::None),
        (" script: SHA, on @user_script:1", Rejection::None),
        (" script: SHA, on @user_script:1. x", Rejection::None),
        (" script: ", Rejection::None),
        (" script: .", Rejection::None),
        (" script: :1.", Rejection::None),
    ] {
        let text = format!("{READONLY}{}", place.replace("SHA", sha));
        check(&text, Class::Script, expected);
        check(&text, Class::Unknown, Rejection::None);
        if !place.is_empty() {
            check(&text, Class::Effect, Rejection::None);
        }
    }
    let text = "READONLY Can not run script with write flag on readonly replica";
    check(text, Class::Script, Rejection::NotPrimary);
    check(text, Class::Unknown, Rejection::None);
}

#[test]
fn only_scripts_are_missing() {
    for text in [
        "NOSCRIPT No matching script.",
        "NOSCRIPT No matching script. Please use EVAL.",
    ] {
        check(text, Class::Script, Rejection::NoScript);
        check(text, Class::Read, Rejection::NoScript);
        check(text, Class::Effect, Rejection::None);
        check(text, Class::Unknown, Rejection::None);
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_asked_about(
        start in prop::sample::select(vec!["", READONLY, "REDIRECT ", "NOSCRIPT "]),
        middle in prop::sample::select(vec!["", " script: ", "on @user_script", ", on "]),
        end in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let line = [b"-", start.as_bytes(), middle.as_bytes(), &end, b"\r\n"].concat();
        for class in EVERY_CLASS {
            let _ = rejection(&line, class);
            let _ = rejection(&end, class);
        }
    }
}
