//! The tables of classes against what a running server says of its commands.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};

use super::class::of;
use super::server::Server;
use crate::resp::Class;
use crate::resp::class::{Entry, TABLE};

/// Neither `readonly` nor `write`, and yet reads.
const HARMLESS: &[&str] = &[
    "ACL CAT",
    "ACL GETUSER",
    "ACL LIST",
    "ACL USERS",
    "ACL WHOAMI",
    "COMMAND",
    "COMMANDLOG GET",
    "COMMANDLOG LEN",
    "CONFIG GET",
    "ECHO",
    "FUNCTION DUMP",
    "FUNCTION LIST",
    "FUNCTION STATS",
    "INFO",
    "LASTSAVE",
    "LATENCY HISTORY",
    "LATENCY LATEST",
    "MEMORY DOCTOR",
    "MEMORY MALLOC-STATS",
    "MEMORY STATS",
    "MODULE LIST",
    "PING",
    "ROLE",
    "SCRIPT EXISTS",
    "SLOWLOG GET",
    "SLOWLOG LEN",
    "TIME",
];

fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
        || ["COMMAND ", "PUBSUB "]
            .iter()
            .any(|family| name.starts_with(family))
        || name.ends_with(" HELP")
}

/// What a server says of one command or subcommand.
struct Spoken {
    /// In upper case, a subcommand's with its command's.
    name: String,
    flags: Vec<String>,
}

impl Spoken {
    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|set| set == flag)
    }
}

fn text(frame: &OwnedFrame) -> String {
    String::from_utf8_lossy(frame.as_bytes().expect("a word")).into_owned()
}

fn elements(frame: &OwnedFrame) -> &[OwnedFrame] {
    match frame {
        OwnedFrame::Array(elements) => elements,
        _ => &[],
    }
}

/// One level of the list that COMMAND answers, subcommands included.
fn spoken(commands: &OwnedFrame, all: &mut Vec<Spoken>) {
    for entry in elements(commands).iter().map(elements) {
        all.push(Spoken {
            name: text(&entry[0]).to_ascii_uppercase().replace('|', " "),
            flags: elements(&entry[2]).iter().map(text).collect(),
        });
        if let Some(subcommands) = entry.get(9) {
            spoken(subcommands, all);
        }
    }
}

/// The classes the table can give a name, whatever the arguments.
fn classes(name: &str) -> Vec<Class> {
    let reading = Class::BlockingRead { dollar: true };
    let entry = TABLE.iter().find(|(listed, _)| *listed == name);
    match (entry.map(|(_, entry)| *entry), name.contains(' ')) {
        (_, true) => vec![of(name)],
        (None, _) => vec![Class::Unknown],
        (Some(Entry::Is(class) | Entry::Family { bare: class }), _) => vec![class],
        (Some(Entry::Cursor { .. }), _) => vec![Class::Read, Class::Scan],
        (Some(Entry::Xread), _) => vec![Class::Read, reading],
        (Some(Entry::XreadGroup), _) => vec![Class::Effect, Class::Blocking],
    }
}

#[test]
fn a_running_server_agrees_with_the_table() {
    let reply = Server::start().ask(&["COMMAND"]);
    let (commands, _) = decode(&reply).expect("RESP2").expect("complete");
    let mut all = Vec::new();
    spoken(&commands, &mut all);
    let mut listed = 0;
    for command in &all {
        let name = command.name.as_str();
        let classes = classes(name);
        listed += usize::from(classes != [Class::Unknown]);
        if classes.contains(&Class::Read) {
            assert!(!command.is("write"), "{name} writes");
            assert!(
                command.is("readonly") || is_harmless(name),
                "{name} is no read"
            );
        }
        if command.is("blocking") {
            let waits = |class: &Class| {
                use Class::{Blocking, BlockingRead, Node, Wait};
                matches!(class, Blocking | BlockingRead { .. } | Wait | Node)
            };
            assert!(classes.iter().any(waits), "{name} blocks");
        }
        if command.is("write") {
            let fits =
                |class: &Class| matches!(class, Class::Effect | Class::Blocking | Class::Unknown);
            assert!(classes.iter().all(fits), "{name} is {classes:?}");
        }
    }
    assert!(listed > 290, "only {listed} of {} are listed", all.len());
}
