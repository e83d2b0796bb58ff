//! The table against what a running server says of its commands, and does.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::{OwnedFrame, Resp2Frame};

use super::server::{Client, Server};
use crate::resp::{Commands, Heard};

fn elements(frame: &OwnedFrame) -> &[OwnedFrame] {
    match frame {
        OwnedFrame::Array(elements) => elements,
        _ => &[],
    }
}

fn words(frame: &OwnedFrame) -> impl Iterator<Item = &[u8]> {
    elements(frame).iter().filter_map(Resp2Frame::as_bytes)
}

/// Passes one level of the list that COMMAND answers on to `commands`, subcommands included, and
/// notes down what it did not know.
fn hear(commands: &mut Commands, list: &OwnedFrame, news: &mut Vec<String>) {
    for entry in elements(list).iter().map(elements) {
        let name = entry[0].as_str().expect("a name");
        match commands.hear(name.as_bytes(), words(&entry[2]), words(&entry[6])) {
            Heard::AsListed => {}
            heard => news.push(format!("{name}: {heard:?}")),
        }
        if let Some(subcommands) = entry.get(9) {
            hear(commands, subcommands, news);
        }
    }
}

#[test]
fn a_running_server_says_nothing_that_the_table_does_not_know() {
    let reply = Server::start().ask(&["COMMAND"]);
    let (list, _) = decode(&reply).expect("RESP2").expect("complete");
    let mut commands = Commands::BUILT_IN;
    let mut news = Vec::new();
    hear(&mut commands, &list, &mut news);
    assert!(elements(&list).len() > 200);
    assert!(
        news.is_empty(),
        "run tests/commands.py with this server, add its file to class/said.rs and review what \
         changes, for this is new: {news:#?}"
    );
    assert_eq!(commands, Commands::BUILT_IN);
}

/// What a connection has that a script might change, as CLIENT INFO shows it.
fn state(client: &mut Client) -> String {
    const SHOWN: [&str; 9] = [
        "name=", "flags=", "db=", "sub=", "psub=", "multi=", "user=", "redir=", "resp=",
    ];
    let info = String::from_utf8(client.ask(&["CLIENT", "INFO"])).expect("text");
    let fields = info.split_whitespace();
    let shown = fields.filter(|field| SHOWN.iter().any(|begin| field.starts_with(begin)));
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_script_leaves_its_connection_as_it_was() {
    const CALL: &str = "return redis.pcall(unpack(ARGV)) and 1";
    let server = Server::start();
    let mut client = server.connect();
    let before = state(&mut client);
    assert!(before.contains("db=0"), "{before}");
    for line in [
        "SELECT 5",
        "READONLY",
        "READWRITE",
        "ASKING",
        "AUTH default x",
        "HELLO 3 SETNAME x",
        "CLIENT SETNAME x",
        "CLIENT NO-EVICT ON",
        "CLIENT TRACKING ON",
        "CLIENT CACHING YES",
        "CLIENT REPLY OFF",
        "SCRIPT DEBUG YES",
        "SUBSCRIBE c",
        "PSUBSCRIBE c",
        "MULTI",
        "WATCH k",
        "MONITOR",
        "BLPOP nothing 0",
        "WAIT 1 0",
        "RESET",
        "QUIT",
    ] {
        let call = ["EVAL", CALL, "0"].into_iter().chain(line.split(' '));
        let reply = client.ask(&call.collect::<Vec<_>>());
        assert_eq!(state(&mut client), before, "{line}: {reply:?}");
    }
    client.ask(&["EVAL", "redis.setresp(3)", "0"]);
    assert_eq!(state(&mut client), before);
}
