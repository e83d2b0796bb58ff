//! Who may do what is decided by the server for each client alone: random sequences of logins, changes
//! of rights and commands, on a direct connection and through both pools of one worker each, during
//! a failover as well. Every answer has to be that of the direct connection.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{SOON, settle};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, wait_until};
use crate::client::{Client, is_close};
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::value::Value;

const PEOPLE: usize = 6;
/// Steps before, during at least, and after the failover.
const STEPS: usize = 150;
/// The users: each has keys that only it and the default user may touch.
const USERS: [(&str, &str); 2] = [
    ("ann", "on >ann1 ~a:* +@all"),
    ("bob", "on >bob1 ~b:* +@all"),
];
/// The sequence of a run that is to be repeated.
const SEED: &str = "STEADFAST_SEED";

/// One client, three times: on a direct connection and through each proxy.
struct Person([Client; 3]);

impl Person {
    fn arrive(entrances: [SocketAddr; 3]) -> Self {
        Self(entrances.map(Client::connect))
    }

    /// The same everywhere; `Err` with what was answered where it is not.
    fn does(&mut self, commands: &[&[&str]]) -> Result<Vec<String>, String> {
        for client in &mut self.0 {
            for words in commands {
                client.send(words).unwrap();
            }
        }
        let mut told = self.0.each_mut().map(|client| {
            let replies = commands.iter().map(|_| client.reply());
            let replies = replies.map(|reply| reply.map_or_else(|it| it.to_string(), gist));
            replies.collect::<Vec<_>>()
        });
        let agrees = |proxied: &Vec<String>| {
            let mut pairs = told[0].iter().zip(proxied);
            // Where the machine stood still when the failover began.
            pairs.all(|(direct, proxied)| direct == proxied || proxied == "UNCERTAIN")
        };
        match told[1..].iter().all(agrees) {
            true => Ok(std::mem::take(&mut told[0])),
            false => Err(format!("{commands:?}: {told:?}")),
        }
    }
}

/// What of a reply has to do with rights.
fn gist(reply: Value) -> String {
    match &reply {
        Value::Error(text) => text.split(' ').next().unwrap_or_default().to_owned(),
        Value::Simple(text) => text.clone(),
        Value::Array(_) if !reply.fields().contains_key("proto") => {
            let items = reply.items().iter().cloned().map(gist);
            items.collect::<Vec<_>>().join(",")
        }
        Value::Array(_) | Value::Map(_) => format!("proto {}", reply.fields()["proto"]),
        _ => reply.text(),
    }
}

/// Something one of them does.
fn step(rng: &mut Rng) -> Vec<Vec<&'static str>> {
    let (user, right) = if rng.chance(50) {
        ("ann", "ann1")
    } else {
        ("bob", "bob1")
    };
    let password = if rng.chance(70) { right } else { "wrong" };
    let version = rng.pick(&["2", "3"]);
    let key = rng.pick(&["a:k", "b:k", "c:k"]);
    match rng.below(10) {
        0 | 1 => vec![vec!["AUTH", user, password]],
        2 => vec![vec!["HELLO", version, "AUTH", user, password]],
        3 => vec![vec!["HELLO", version]],
        4 => vec![vec!["RESET"]],
        5 => vec![
            vec!["MULTI"],
            vec!["SET", key, "v"],
            vec!["ACL", "WHOAMI"],
            vec!["EXEC"],
        ],
        6 => vec![vec!["SET", "a:k", "v"], vec!["GET", "b:k"]],
        7 => vec![vec![
            "EVAL",
            "return redis.call('SET', KEYS[1], 'v')",
            "1",
            key,
        ]],
        _ => vec![vec!["SET", key, "v"], vec!["GET", key]],
    }
}

struct Town {
    people: Vec<Person>,
    rng: Rng,
    entrances: [SocketAddr; 3],
}

impl Town {
    /// `count` steps of somebody or other, and what each is taken for after it.
    #[track_caller]
    fn live(&mut self, count: usize) {
        for _ in 0..count {
            let who = self.rng.below(PEOPLE);
            let commands = step(&mut self.rng);
            let mut commands: Vec<_> = commands.iter().map(Vec::as_slice).collect();
            commands.push(&["ACL", "WHOAMI"]);
            if let Err(text) = self.people[who].does(&commands) {
                panic!("person {who} differs, direct first: {text}");
            }
        }
    }

    /// The user is deleted at all `nodes` and made anew: who was it is out, everybody else stays.
    #[track_caller]
    fn delete_and_create(&mut self, nodes: &[&Node], (name, rules): (&str, &str)) {
        let is = |person: &mut Person| person.does(&[&["ACL", "WHOAMI"]]).unwrap() == [name];
        let out: Vec<_> = self.people.iter_mut().map(is).collect();
        for node in nodes {
            assert_eq!(node.command(&["ACL", "DELUSER", name]).text(), "1");
        }
        for (who, _) in out.iter().enumerate().filter(|(_, out)| **out) {
            for client in &mut self.people[who].0 {
                wait_until(SOON, "who was deleted is closed", || is_out(client));
            }
            self.people[who] = Person::arrive(self.entrances);
        }
        let words: Vec<_> = ["ACL", "SETUSER", name]
            .into_iter()
            .chain(rules.split(' '))
            .collect();
        for node in nodes {
            assert!(node.command(&words).is_ok());
        }
    }
}

/// Whether the client is closed; if not yet, it is told no more than an error.
fn is_out(client: &mut Client) -> bool {
    match client.try_call(&["SET", "a:k", "stray"]) {
        Err(error) => is_close(&error),
        Ok(reply) => {
            assert!(
                reply.error().is_some(),
                "a deleted user is served: {reply:?}"
            );
            false
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    given.unwrap_or_else(|| u64::from(now().subsec_nanos()))
}

#[test]
fn nobody_ever_has_the_rights_of_another() {
    let seed = seed();
    eprintln!("{SEED}={seed}");
    let with_users = |builder: crate::bed::Builder| {
        USERS
            .iter()
            .fold(builder, |builder, (name, rules)| builder.user(name, rules))
    };
    let direct = with_users(Bed::builder().replicas(0).sentinels(0)).start();
    let bed = with_users(Bed::builder()).start();
    let proxy = |pool: &str| {
        let proxy = Proxy::for_bed(&bed).flag("--workers", "1");
        proxy.flag("--pool", pool).start_ready()
    };
    let proxies = [proxy("session"), proxy("shared")];
    let entrances = [
        direct.server(0).addr(),
        proxies[0].addr(),
        proxies[1].addr(),
    ];
    let nodes: Vec<_> = (0..3).map(|index| bed.server(index)).collect();
    let nodes: Vec<_> = nodes.into_iter().chain([direct.server(0)]).collect();
    let mut town = Town {
        people: (0..PEOPLE).map(|_| Person::arrive(entrances)).collect(),
        rng: Rng::new(seed),
        entrances,
    };
    town.live(STEPS);
    town.delete_and_create(&nodes, USERS[0]);
    town.live(STEPS);
    let old = bed.primary().addr();
    bed.begin_failover(0);
    let moved = |proxy: &Proxy| proxy.primary().is_some_and(|now| now != old);
    wait_until(FAILOVER_LIMIT, "both proxies have followed", || {
        town.live(PEOPLE);
        proxies.iter().all(moved)
    });
    town.live(STEPS);
    settle(&bed, bed.primary());
    town.delete_and_create(&nodes, USERS[1]);
    town.live(STEPS);
}
