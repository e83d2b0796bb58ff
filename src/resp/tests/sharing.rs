//! Which commands may travel on a link with those of others, and the verdict about every command.

use std::fmt::Write;
use std::{env, fs};

use super::class::line;
use super::server::command;
use crate::resp::class::said::FILES;
use crate::resp::class::table::{Entry, Shape, TABLE, find};
use crate::resp::{Class, Commands, Heard, Special};

const VERDICTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/resp/class/verdicts.txt");
const HEADING: &str = "\
# What the table says of every command, for review: made by a test, which says how.
# name class (what decides it) [what a session does about it] shared|apart
";

fn shareable_by(commands: &Commands, line: &str) -> bool {
    let words: Vec<_> = line.split(' ').collect();
    commands.shareable(words[0].as_bytes(), &command(&words))
}

fn shareable(line: &str) -> bool {
    shareable_by(&Commands::BUILT_IN, line)
}

fn verdict(entry: &Entry) -> String {
    let mut verdict = format!("{} {:?}", entry.name, entry.class);
    match entry.shape {
        Shape::Plain | Shape::Sub => {}
        shape => write!(verdict, " ({shape:?})").expect("to memory"),
    }
    match entry.special {
        Special::Plain => {}
        special => write!(verdict, " [{special:?}]").expect("to memory"),
    }
    let shared = match entry.shape {
        Shape::Xread | Shape::XreadGroup => "shared without BLOCK",
        Shape::Family if !shareable(entry.name) => "apart",
        _ if shareable(&line(entry.name)) => "shared",
        _ => "apart",
    };
    format!("{verdict} {shared}\n")
}

#[test]
fn the_verdict_about_every_command_is_the_one_reviewed() {
    let verdicts: String = TABLE.iter().map(verdict).collect();
    let verdicts = HEADING.to_owned() + &verdicts;
    if env::var_os("STEADFAST_TEST_WRITE_VERDICTS").is_some() {
        fs::write(VERDICTS, &verdicts).expect("a place in the repository");
    }
    let reviewed = fs::read_to_string(VERDICTS).unwrap_or_default();
    let is_new = |line: &&str| !reviewed.lines().any(|known| known == *line);
    let news: Vec<_> = verdicts.lines().filter(is_new).collect();
    assert!(
        verdicts == reviewed,
        "does one of these set something on its connection, or wait? If so, note it in \
         class/overlay.rs. Then run this test with STEADFAST_TEST_WRITE_VERDICTS=1 and review the \
         difference: {news:#?}"
    );
}

#[test]
fn every_command_of_every_supported_server_is_in_the_table() {
    for file in FILES {
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<_> = lines.filter_map(|line| line.split(' ').next()).collect();
        assert!(names.len() > 200 && names.is_sorted());
        let missing = |name: &&&str| find(name.as_bytes()).is_none();
        let missing: Vec<_> = names.iter().filter(missing).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn what_leaves_nothing_behind_is_shared() {
    for line in [
        "GET k",
        "SET k v GET",
        "DEL k",
        "SCAN 0",
        "HSCAN k 17",
        "EVAL x 0",
        "FCALL f 0",
        "PING",
        "ECHO x",
        "PUBLISH c m",
        "PUBSUB CHANNELS",
        "SORT k STORE l",
        "MOVE k 1",
        "COPY k l DB 1",
        "SWAPDB 0 1",
        "OBJECT ENCODING k",
        "XREAD STREAMS s 0",
        "SCRIPT LOAD x",
        "XREADGROUP GROUP g c STREAMS s >",
        "object encoding k",
    ] {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let upper = name.to_ascii_uppercase();
        assert!(shareable(format!("{upper} {rest}").trim_end()), "{line}");
    }
}

#[test]
fn what_needs_its_connection_is_not() {
    for line in [
        "SELECT 1",
        "AUTH x",
        "HELLO 3",
        "CLIENT ID",
        "CLIENT SETNAME x",
        "CLIENT",
        "MULTI",
        "EXEC",
        "DISCARD",
        "WATCH k",
        "UNWATCH",
        "SUBSCRIBE c",
        "UNSUBSCRIBE",
        "MONITOR",
        "RESET",
        "QUIT",
        "BLPOP k 0",
        "WAIT 1 0",
        "WAITAOF 1 0 0",
        "READONLY",
        "ASKING",
        "SCRIPT DEBUG YES",
        "SCRIPT KILL",
        "FUNCTION KILL",
        "FUNCTION STATS",
        "CONFIG GET x",
        "DEBUG SLEEP 1",
        "SHUTDOWN",
        "SYNC",
        "MIGRATE",
        "CLUSTER INFO",
        "RESTORE-ASKING k 0 x",
        "VADD k",
        "XREAD BLOCK 0 STREAMS s $",
        "XREAD NEW STREAMS s 0",
        "XREAD",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS s 0",
        // Nobody knows these.
        "HIMPORT PREPARE k",
        "JSON.GET k",
        "OBJECT FREEZE k",
        "OBJECT",
        "GET|X",
        "OBJECT|ENCODING",
        "get k",
        "",
    ] {
        assert!(!shareable(line), "{line}");
    }
    assert!(!Commands::BUILT_IN.shareable(b"OBJECT", b""));
    assert!(!Commands::BUILT_IN.shareable(b"XREAD", b"*2\r\n$5\r\nXREAD\r\n"));
}

fn bytes<'a>(words: &'a [&str]) -> impl Iterator<Item = &'a [u8]> {
    words.iter().map(|word| word.as_bytes())
}

/// What becomes of commands when a server says this of one.
fn heard(commands: &mut Commands, name: &str, flags: &[&str], categories: &[&str]) -> Heard {
    commands.hear(name.as_bytes(), bytes(flags), bytes(categories))
}

#[test]
fn the_more_restrictive_reading_wins() {
    let mut commands = Commands::BUILT_IN;
    let class = |commands: &Commands, words: &[&str]| commands.class(&command(words));
    assert_eq!(
        heard(&mut commands, "get", &["readonly", "fast"], &["@read"]),
        Heard::AsListed
    );
    assert_eq!(
        heard(&mut commands, "set", &["readonly"], &[]),
        Heard::AsListed
    );
    assert_eq!(commands, Commands::BUILT_IN);

    assert_eq!(
        heard(&mut commands, "get", &["write"], &[]),
        Heard::Stricter
    );
    assert_eq!(class(&commands, &["get", "k"]), Class::Effect);
    assert!(shareable_by(&commands, "GET k"));
    assert_eq!(
        heard(&mut commands, "get", &["readonly", "blocking"], &[]),
        Heard::Stricter
    );
    assert!(!shareable_by(&commands, "GET k"));
    // What was said once is not taken back, and nothing else changed.
    heard(&mut commands, "get", &["readonly"], &[]);
    assert_eq!(class(&commands, &["get", "k"]), Class::Effect);
    assert_eq!(class(&commands, &["TTL", "k"]), Class::Read);
    assert_eq!(class(&commands, &["SET", "k", "v"]), Class::Effect);

    heard(
        &mut commands,
        "object|freq",
        &["readonly"],
        &["@connection"],
    );
    assert!(!shareable_by(&commands, "OBJECT FREQ k"));
    assert!(shareable_by(&commands, "OBJECT ENCODING k"));
    heard(&mut commands, "set", &["write", "module"], &[]);
    assert_eq!(class(&commands, &["SET", "k", "v"]), Class::Unknown);
    assert!(!shareable_by(&commands, "SET k v"));
    heard(&mut commands, "xread", &["write"], &[]);
    assert_eq!(
        class(&commands, &["XREAD", "STREAMS", "s", "0"]),
        Class::Effect
    );
    assert_eq!(
        heard(&mut commands, "ft.search", &["blocking"], &[]),
        Heard::Unlisted
    );
    assert_eq!(
        heard(&mut commands, &"x".repeat(99), &[], &[]),
        Heard::Unlisted
    );
}

#[test]
fn a_declared_command_is_shared_and_still_unknown() {
    let names = ["VSIM", "FT.SEARCH", "GET", "BLPOP", "JSON.GET"].map(str::to_owned);
    let mut commands = Commands::declaring(&names);
    for line in ["FT.SEARCH i q", "JSON.GET k", "VSIM k"] {
        assert!(shareable_by(&commands, line), "{line}");
    }
    assert_eq!(
        commands.class(&command(&["FT.SEARCH", "i"])),
        Class::Unknown
    );
    assert!(!shareable_by(&commands, "BLPOP k 0"));
    assert!(!shareable_by(&commands, "FT.AGGREGATE i"));
    assert_eq!(
        heard(
            &mut commands,
            "ft.search",
            &["readonly", "module"],
            &["@search"]
        ),
        Heard::Unlisted
    );
    assert!(shareable_by(&commands, "FT.SEARCH i q"));
    assert_eq!(
        heard(&mut commands, "ft.search", &["module", "blocking"], &[]),
        Heard::Stricter
    );
    assert!(!shareable_by(&commands, "FT.SEARCH i q"));
    assert!(shareable_by(&commands, "JSON.GET k"));
    for (name, may) in [
        ("JSON.GET", true),
        ("VSIM", true),
        ("GET", false),
        ("BLPOP", false),
    ] {
        assert_eq!(Commands::may_be_declared(name), may, "{name}");
    }
}
