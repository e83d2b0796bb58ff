//! What a data node's commands do, as far as the proxy and the simulated clients use them. A command
//! carries its number in its last word but a timeout, and its reply tells the number and the node.

use std::time::Duration;

use tokio::time::Instant;

use super::data::Effect;
use super::node::{Node, Waiting};
use super::wiretap::token;
use super::words::{bulk, bulks};

const READONLY: &[u8] = b"-READONLY You can't write against a read only replica.\r\n";
const EXECABORT: &[u8] = b"-EXECABORT Transaction discarded because of previous errors.\r\n";
/// So many nodes can be told apart in a reply.
pub(super) const NODES_MAX: u64 = 10;

/// What a connection is in the middle of.
#[derive(Debug)]
pub(super) struct Conversation {
    id: u64,
    queue: Option<Vec<Vec<Vec<u8>>>>,
    dirty: bool,
    /// Waits for a list until then.
    pub(super) blocked: Option<Instant>,
}

impl Conversation {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            queue: None,
            dirty: false,
            blocked: None,
        }
    }
}

impl Node {
    pub(super) fn command(&self, talk: &mut Conversation, args: &[Vec<u8>], out: &mut Vec<u8>) {
        let words: Vec<_> = args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg))
            .collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let name = words[0].to_ascii_uppercase();
        match (name.as_str(), &words[1..]) {
            ("MULTI", _) => {
                talk.queue = Some(Vec::new());
                talk.dirty = false;
                out.extend(b"+OK\r\n");
            }
            ("DISCARD", _) => {
                talk.queue = None;
                out.extend(b"+OK\r\n");
            }
            ("EXEC", _) => self.exec(talk, out),
            _ if talk.queue.is_some() => {
                if writes(&name) && !self.is_primary.get() {
                    talk.dirty = true;
                    return out.extend(READONLY);
                }
                talk.queue.get_or_insert_default().push(args.to_vec());
                out.extend(b"+QUEUED\r\n");
            }
            ("BLPOP", [key, seconds]) => self.blocking_pop(talk, key, seconds, out),
            ("SUBSCRIBE", channels) => self.subscribe(talk.id, channels, out),
            ("CLIENT", ["UNBLOCK", id, _]) => self.unblock(id, out),
            ("CLIENT", ["ID"]) => out.extend(format!(":{}\r\n", talk.id).into_bytes()),
            (name, rest) => self.plain(name, rest, out),
        }
    }

    fn plain(&self, name: &str, rest: &[&str], out: &mut Vec<u8>) {
        let primary = self.is_primary.get();
        if writes(name) {
            match primary {
                true => self.write(name, rest, out),
                false => out.extend(READONLY),
            }
            return;
        }
        match (name, rest) {
            ("PING", _) => out.extend(b"+PONG\r\n"),
            ("ROLE", _) if primary => {
                let offset = self.data.borrow().offset();
                out.extend(format!("*3\r\n$6\r\nmaster\r\n:{offset}\r\n*0\r\n").into_bytes());
            }
            ("ROLE", _) => out.extend(bulks(&["slave", "10.0.0.1", "7000", "connected", "0"])),
            ("INFO", _) => {
                let run = self.run.get() * NODES_MAX + self.index as u64;
                out.extend(bulk(&format!(
                    "redis_version:7.0.15\r\nrun_id:{run:040x}\r\n"
                )));
            }
            ("GET", [key]) => out.extend(bulk(&self.stamp(token(key.as_bytes())))),
            _ => out.extend(b"+OK\r\n"),
        }
    }

    /// Number and node, as one.
    fn stamp(&self, token: Option<u64>) -> String {
        (token.unwrap_or(0) * NODES_MAX + self.index as u64).to_string()
    }

    fn write(&self, name: &str, rest: &[&str], out: &mut Vec<u8>) {
        let number = rest.iter().find_map(|word| token(word.as_bytes()));
        let (Some(number), Some(first)) = (number, rest.first()) else {
            return out.extend(b":0\r\n");
        };
        let list = list_of(first);
        let stamp = self.stamp(Some(number));
        match name {
            "LPOP" if self.data.borrow().is_empty(&list) => out.extend(b"$-1\r\n"),
            "LPOP" => {
                let taken = self.execute(number, Effect::Pop(list));
                out.extend(bulk(&format!("{}:{stamp}", taken.unwrap_or(0))));
            }
            "RPUSH" => {
                self.execute(number, Effect::Push(list));
                out.extend(format!(":{stamp}\r\n").into_bytes());
                self.serve_waiting();
            }
            "PUBLISH" => {
                self.publish(first, rest.last().unwrap_or(&""));
                self.ledger.executed(number, self.index, self.address);
                out.extend(format!(":{stamp}\r\n").into_bytes());
            }
            "SET" => {
                self.execute(number, Effect::Put);
                out.extend(b"+OK\r\n");
            }
            _ => {
                self.execute(number, Effect::Put);
                out.extend(format!(":{stamp}\r\n").into_bytes());
            }
        }
    }

    fn execute(&self, number: u64, effect: Effect) -> Option<u64> {
        self.ledger.executed(number, self.index, self.address);
        self.data.borrow_mut().apply(number, effect)
    }

    fn exec(&self, talk: &mut Conversation, out: &mut Vec<u8>) {
        let Some(queue) = talk.queue.take() else {
            return out.extend(b"-ERR EXEC without MULTI\r\n");
        };
        if talk.dirty || (!self.is_primary.get() && !queue.is_empty()) {
            return out.extend(EXECABORT);
        }
        out.extend(format!("*{}\r\n", queue.len()).into_bytes());
        for args in queue {
            self.command(talk, &args, out);
        }
    }

    fn blocking_pop(&self, talk: &mut Conversation, key: &str, seconds: &str, out: &mut Vec<u8>) {
        if !self.is_primary.get() {
            return out.extend(READONLY);
        }
        let Some(token) = token(key.as_bytes()) else {
            return out.extend(b"*-1\r\n");
        };
        let list = list_of(key);
        let seconds = seconds.parse().unwrap_or(0.0);
        talk.blocked = Some(Instant::now() + Duration::from_secs_f64(seconds));
        let client = talk.id;
        let key = key.to_owned();
        self.waiting.borrow_mut().push_back(Waiting {
            client,
            list,
            token,
            key,
        });
        self.serve_waiting();
    }

    /// Gives what lists have to those who have waited longest.
    fn serve_waiting(&self) {
        loop {
            let mut waiting = self.waiting.borrow_mut();
            let has = |one: &Waiting| !self.data.borrow().is_empty(&one.list);
            let Some(first) = waiting.iter().position(has) else {
                return;
            };
            let Some(one) = waiting.remove(first) else {
                return;
            };
            drop(waiting);
            let taken = self.execute(one.token, Effect::Pop(one.list.clone()));
            let value = format!("{}:{}", taken.unwrap_or(0), self.stamp(Some(one.token)));
            self.push(one.client, bulks(&[&one.key, &value]));
        }
    }

    fn push(&self, client: u64, bytes: Vec<u8>) {
        if let Some(client) = self.clients.borrow().get(&client) {
            let _ = client.push.send(bytes);
        }
    }

    fn unblock(&self, id: &str, out: &mut Vec<u8>) {
        let id = id.parse().unwrap_or(0);
        let waited = self.stop_waiting(id);
        if waited {
            self.push(
                id,
                b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n".to_vec(),
            );
        }
        out.extend(format!(":{}\r\n", u8::from(waited)).into_bytes());
    }

    fn subscribe(&self, id: u64, channels: &[&str], out: &mut Vec<u8>) {
        let mut clients = self.clients.borrow_mut();
        let Some(client) = clients.get_mut(&id) else {
            return;
        };
        for channel in channels {
            client.channels.push((*channel).to_owned());
            out.extend(b"*3\r\n$9\r\nsubscribe\r\n");
            out.extend(bulk(channel));
            out.extend(format!(":{}\r\n", client.channels.len()).into_bytes());
        }
    }

    fn publish(&self, channel: &str, message: &str) {
        for client in self.clients.borrow().values() {
            if client.channels.iter().any(|known| known == channel) {
                let _ = client.push.send(bulks(&["message", channel, message]));
            }
        }
    }
}

fn writes(name: &str) -> bool {
    matches!(
        name,
        "SET" | "INCR" | "RPUSH" | "LPOP" | "BLPOP" | "PUBLISH"
    )
}

/// The list a key stands for, whatever number it carries.
fn list_of(key: &str) -> String {
    key.split('@').next().unwrap_or_default().to_owned()
}
