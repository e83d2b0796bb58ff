//! The classes of commands: the tables' shape and the cases decided by arguments.

use proptest::prelude::*;

use super::server::command;
use super::{apply, edits, values};
use crate::resp::class::table::{Shape, TABLE};
use crate::resp::{Class, Commands, class};

/// The class of a command line without blanks in its arguments.
pub(super) fn of(line: &str) -> Class {
    class(&command(&line.split(' ').collect::<Vec<_>>()))
}

/// The line that has the server carry out what the table calls `name`.
pub(super) fn line(name: &str) -> String {
    name.replace('|', " ")
}

#[test]
fn the_table_is_sorted_unique_and_upper_case() {
    assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    for entry in &TABLE {
        assert_eq!(entry.name, entry.name.to_ascii_uppercase());
    }
}

#[test]
fn every_subcommand_has_a_family_and_the_other_way_round() {
    let mut used: Vec<_> = TABLE
        .iter()
        .filter_map(|entry| Some(entry.name.split_once('|')?.0))
        .collect();
    used.sort_unstable();
    used.dedup();
    let families = TABLE.iter().filter(|entry| entry.shape == Shape::Family);
    assert!(families.map(|entry| entry.name).eq(used));
}

#[test]
fn every_listed_name_is_found_in_any_case() {
    for entry in &TABLE {
        if matches!(entry.shape, Shape::Plain | Shape::Family | Shape::Sub) {
            let line = line(entry.name);
            assert_eq!(of(&line), entry.class, "{line}");
            assert_eq!(of(&line.to_ascii_lowercase()), entry.class, "{line}");
        }
    }
}

#[test]
fn commands_are_what_recovery_takes_them_for() {
    let expected = [
        ("gEt k", Class::Read),
        ("SET k v", Class::Effect),
        ("EVAL_RO x 0", Class::Read),
        ("EVALSHA x 0", Class::Script),
        ("CLIENT KILL x", Class::Effect),
        ("CLIENT UNBLOCK 1", Class::Effect),
        ("client setname x", Class::Connection),
        ("COMMAND", Class::Read),
        ("SCRIPT EXISTS x", Class::Read),
        ("SCRIPT LOAD x", Class::Effect),
        ("ACL LOG RESET", Class::Effect),
        ("PUBSUB NUMSUB c", Class::Read),
        ("SPUBLISH c m", Class::Publish),
        ("SUNSUBSCRIBE", Class::Subscription),
        ("WAITAOF 1 0 0", Class::Wait),
        ("SLAVEOF NO ONE", Class::Node),
        ("CLIENT", Class::Effect),
        ("CLIENT NEWSUBCOMMAND", Class::Unknown),
        ("CLUSTER SETSLOT 1 NODE x", Class::Unknown),
        ("JSON.SET k $ 1", Class::Unknown),
    ];
    for (line, expected) in expected {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn an_iteration_is_a_read_only_at_its_beginning() {
    for family in ["SCAN", "CLUSTERSCAN", "SSCAN k", "HSCAN k", "ZSCAN k"] {
        assert_eq!(of(&format!("{family} 0")), Class::Read);
        assert_eq!(of(&format!("{family} 0 COUNT 5")), Class::Read);
        for cursor in ["17", "00", "-0", "", "0-{06S}-0"] {
            assert_eq!(of(&format!("{family} {cursor}")), Class::Scan, "{cursor}");
        }
        assert_eq!(of(family), Class::Scan);
    }
}

#[test]
fn options_decide_what_reading_a_stream_is() {
    let dollar = Class::BlockingRead { dollar: true };
    let resumable = Class::BlockingRead { dollar: false };
    let expected = [
        ("XREAD STREAMS s $", Class::Read),
        ("XREAD COUNT 2 STREAMS block 0", Class::Read),
        ("xread block 0 streams s 0", resumable),
        ("XREAD COUNT 2 BLOCK 10 STREAMS a b 0-1 +", resumable),
        ("XREAD BLOCK 0 STREAMS $ 0", resumable),
        ("XREAD BLOCK 0 STREAMS a b 0 $", dollar),
        ("XREAD NEW 0 STREAMS a 0", dollar),
        ("XREAD", dollar),
        ("XREADGROUP GROUP g c STREAMS s >", Class::Effect),
        (
            "XREADGROUP GROUP g BLOCK COUNT 1 STREAMS s >",
            Class::Effect,
        ),
        ("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", Class::Blocking),
        (
            "XREADGROUP GROUP g c NOACK BLOCK 0 STREAMS s t > >",
            Class::Blocking,
        ),
        (
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s t > 0",
            Class::Effect,
        ),
        (
            "XREADGROUP GROUP g c NEW BLOCK 0 STREAMS s >",
            Class::Effect,
        ),
    ];
    for (line, expected) in expected {
        assert_eq!(of(line), expected, "{line}");
    }
}

#[test]
fn what_is_no_listed_command_is_unknown() {
    for line in ["", "GETT", "[ET", "CLIENT|ID", "x".repeat(4000).as_str()] {
        assert_eq!(of(line), Class::Unknown, "{line}");
    }
    assert_eq!(class(&command(&["CLIENT ID"])), Class::Unknown);
    assert_eq!(
        class(&command(&["CLIENT", &"x".repeat(26)])),
        Class::Unknown
    );
    for bytes in [
        &b""[..],
        b"*",
        b"*1\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"GET k\r\n",
        b"*1\r\n$3\r\nGE",
    ] {
        assert_eq!(class(bytes), Class::Unknown, "{bytes:?}");
    }
}

fn names() -> Vec<&'static str> {
    TABLE.iter().map(|entry| entry.name).collect()
}

proptest! {
    #[test]
    fn any_bytes_have_a_class(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = class(&bytes);
    }

    #[test]
    fn any_damaged_command_has_a_class(
        name in prop::sample::select(names()), args in values::args(), edits in edits(),
    ) {
        let mut frame = values::frame(&[vec![name.into()], args].concat());
        apply(&edits, &mut frame);
        let _ = class(&frame);
    }
}

#[test]
fn replicas_are_sent_what_reads_and_nothing_else() {
    let suits = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        Commands::BUILT_IN.suits_replica(&command(&words))
    };
    for line in [
        "GET k",
        "mget a b",
        "SCAN 7",
        "HSCAN h 0",
        "SORT_RO l",
        "BITFIELD_RO k GET u8 0",
        "XREAD BLOCK 0 STREAMS s $",
        "EVAL_RO x 0",
        "EVALSHA_RO x 0",
        "FCALL_RO f 0",
        "PFCOUNT h",
        "SELECT 1",
        "AUTH x",
        "HELLO 3",
        "CLIENT SETNAME x",
        "CLIENT TRACKING ON",
        "PING",
        "INFO",
        "SUBSCRIBE c",
        "PUBLISH c x",
        "MULTI",
        "EXEC",
        "DISCARD",
        "WATCH k",
        "UNWATCH",
        "QUIT",
        "CONFIG GET port",
        "COMMAND",
        "SCRIPT LOAD x",
        "script exists x",
        "READONLY",
        "MONITOR",
    ] {
        assert!(suits(line), "{line}");
    }
    for line in [
        "SET k v",
        "GETEX k",
        "GETDEL k",
        "SORT l",
        "BITFIELD k GET u8 0",
        "GEORADIUS k 1 1 1 m",
        "PFADD h x",
        "BLPOP l 0",
        "BLMOVE a b LEFT LEFT 0",
        "EXPIRE k 1",
        "COPY a b",
        "SWAPDB 0 1",
        "XREADGROUP GROUP g c STREAMS s >",
        "EVAL x 0",
        "EVALSHA x 0",
        "FCALL f 0",
        "WAIT 1 0",
        "FLUSHALL",
        "FUNCTION LOAD x",
        "SCRIPT FLUSH",
        "CONFIG SET a b",
        "CLIENT KILL ID 1",
        "CLIENT PAUSE 1",
        "SHUTDOWN",
        "DEBUG SLEEP 1",
        "REPLICAOF NO ONE",
        "FAILOVER",
        "CLUSTER INFO",
        "MODULE LOAD x",
        "ACL SETUSER x",
        "NO.SUCH k",
        "FT.SEARCH i q",
        "MIGRATE h 1 k 0 1",
        "SAVE",
    ] {
        assert!(!suits(line), "{line}");
    }
    assert!(!Commands::BUILT_IN.suits_replica(b""));
    assert!(!Commands::BUILT_IN.suits_replica(b"GET k\r\n"));
}
