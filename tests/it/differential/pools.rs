//! What a client can tell of how its connections are pooled: the one list of it, shown by probes to
//! be so, told in the README in the same words; and streams that show that nothing else differs.

use std::fs;
use std::path::Path;

use super::{Range, compare_between, duet, pair::Pair, seeds, solo};
use crate::bed::{Bed, Node, wait_until};
use crate::client::{Client, command};
use crate::proxy::Proxy;

/// One thing that differs.
struct Difference {
    /// About what.
    about: &'static str,
    session: &'static str,
    shared: &'static str,
    /// Looks; `true` where it is as with `--pool session`.
    is_as_with_session: fn(&Proxy, &Node) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        about: "connections in `CLIENT LIST`, `INFO clients`",
        session: "one for each client",
        shared: "a few for all: shared ones, and own ones in use or lying ready",
        is_as_with_session: |proxy, server| {
            let before = listed(server).len();
            let clients: Vec<_> = (0..20).map(|_| served(proxy)).collect();
            // Others may have gone meanwhile.
            listed(server).len() >= before + clients.len() / 2
        },
    },
    Difference {
        about: "names (`CLIENT SETNAME`, `SETINFO`) in `CLIENT LIST`",
        session: "the client's, for its life",
        shared: "that of the last client that had a connection of its own; shared ones have none",
        is_as_with_session: |proxy, server| {
            let named: Vec<_> = (0..3)
                .map(|nth| named(proxy, &format!("name-{nth}")))
                .collect();
            let all = listed(server).join(" ");
            (0..named.len()).all(|nth| all.contains(&format!(" name=name-{nth} ")))
        },
    },
    Difference {
        about: "the server's id and address in `CLIENT INFO`, `MONITOR`, `SLOWLOG`, `ACL LOG`",
        session: "the client's own; they change with a failover",
        shared: "those of the connection at hand; another command may show others",
        is_as_with_session: |proxy, _| {
            let (mut one, mut other) = (served(proxy), served(proxy));
            number(&mut one) != number(&mut other)
        },
    },
    Difference {
        about: "`CLIENT KILL ID` of a client that has not sent `CLIENT ID` (but `HELLO`)",
        session: "ends its connection to the server; the client gets another",
        shared: "answers as for an id that nobody has",
        is_as_with_session: |proxy, _| {
            let mut known = proxy.connect();
            let id = known.call(&["HELLO", "3"]).fields()["id"].clone();
            assert!(known.call(&["GET", "k"]).error().is_none());
            served(proxy).call(&["CLIENT", "KILL", "ID", &id]).text() == "1"
        },
    },
    Difference {
        about: "a client that does not read its replies",
        session: "the server waits for it, and keeps what its own limits allow",
        shared: "the same for what only reads; for the rest, it is closed beyond `--client-output-limit`",
        is_as_with_session: |proxy, _| {
            let value = "v".repeat(1_000_000);
            assert!(served(proxy).call(&["SET", "large", &value]).is_ok());
            let mut lazy = proxy.connect();
            lazy.send_raw(&command(&["GETEX", "large"]).repeat(60))
                .unwrap();
            let closes = || !proxy.events("client_too_slow").is_empty();
            let mut rounds = 0;
            wait_until(super::side::PATIENCE, "it is closed, or not", || {
                rounds += 1;
                closes() || rounds > 100
            });
            (0..60).all(|_| lazy.reply().is_ok_and(|reply| reply.text() == value))
        },
    },
    Difference {
        about: "the first second after the server was given a password",
        session: "who has not logged in is told `NOAUTH`",
        shared: "who has not logged in may still join who was there before",
        is_as_with_session: |proxy, server| {
            let mut admin = server.connect();
            drop(served(proxy));
            assert!(admin.call(&["CONFIG", "SET", "requirepass", "x"]).is_ok());
            let told = proxy.connect().call(&["GET", "k"]);
            assert!(admin.call(&["CONFIG", "SET", "requirepass", ""]).is_ok());
            told.error().is_some_and(|text| text.starts_with("NOAUTH"))
        },
    },
];

fn listed(server: &Node) -> Vec<String> {
    let list = server.command(&["CLIENT", "LIST", "TYPE", "normal"]).text();
    list.lines().map(str::to_owned).collect()
}

fn served(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    assert!(client.call(&["GET", "k"]).error().is_none());
    client
}

fn named(proxy: &Proxy, name: &str) -> Client {
    let mut client = served(proxy);
    assert!(client.call(&["CLIENT", "SETNAME", name]).is_ok());
    client
}

fn number(client: &mut Client) -> String {
    let info = client.call(&["CLIENT", "INFO"]).text();
    info.split(' ').next().unwrap().to_owned()
}

#[test]
fn the_pools_differ_in_what_is_listed() {
    for pool in ["session", "shared"] {
        for difference in DIFFERENCES {
            let bed = Bed::lonely();
            let builder = Proxy::for_bed(&bed)
                .flag("--pool", pool)
                .flag("--workers", "1");
            let proxy = builder.flag("--client-output-limit", "4MiB").start_ready();
            let seen = (difference.is_as_with_session)(&proxy, bed.server(0));
            assert_eq!(seen, pool == "session", "{}, {pool}", difference.about);
        }
    }
}

#[test]
fn the_pools_differ_in_nothing_else() {
    let Range { start, end } = seeds();
    let some = start..end - (end - start) / 2;
    compare_between(&Pair::of_pools(), some.clone(), solo::generate);
    compare_between(&Pair::of_pools(), some, duet::generate);
}

#[test]
fn the_readme_tells_of_each_difference() {
    let row = |it: &Difference| format!("| {} | {} | {} |\n", it.about, it.session, it.shared);
    let rows: String = DIFFERENCES.iter().map(row).collect();
    let table = format!("| | `--pool session` | `--pool shared` |\n|---|---|---|\n{rows}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (_, after) = readme
        .split_once("<!-- pools -->\n")
        .expect("a table of differences");
    let lines = after.lines().take_while(|line| line.starts_with('|'));
    let told: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert_eq!(told, table, "README.md is to tell this:\n{table}");
}
