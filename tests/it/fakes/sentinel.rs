//! A Sentinel that says what it is told to say.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Acceptor, bulk, bulks, commands, lock};

/// How it treats a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers.
    Answer,
    /// Answers after this long.
    Slow(Duration),
    /// Accepts and never answers.
    Silent,
    /// Closes instead of answering.
    Close,
}

struct Script {
    name: String,
    host: String,
    port: u16,
    epoch: u64,
    manner: Manner,
    quorum: usize,
    subscribers: Vec<TcpStream>,
    heard: Vec<Vec<String>>,
}

/// A scripted Sentinel that knows one set, no replicas and no other Sentinels.
pub(crate) struct FakeSentinel {
    acceptor: Acceptor,
    script: Arc<Mutex<Script>>,
}

impl FakeSentinel {
    /// One that names `primary` for `name` at `epoch`.
    pub(crate) fn start(name: &str, primary: SocketAddr, epoch: u64) -> Self {
        let script = Arc::new(Mutex::new(Script {
            name: name.into(),
            host: primary.ip().to_string(),
            port: primary.port(),
            epoch,
            manner: Manner::Answer,
            quorum: 1,
            subscribers: Vec::new(),
            heard: Vec::new(),
        }));
        let shared = script.clone();
        let acceptor = Acceptor::start(move |stream, stop| serve(stream, stop, &shared));
        Self { acceptor, script }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.address
    }

    /// From now on names `host` and `port`, whatever they are, at `epoch`.
    pub(crate) fn name_primary(&self, host: &str, port: u16, epoch: u64) {
        let mut script = lock(&self.script);
        script.host = host.into();
        script.port = port;
        script.epoch = epoch;
    }

    /// Changes its manners.
    pub(crate) fn behave(&self, manner: Manner) {
        lock(&self.script).manner = manner;
    }

    /// Publishes a message to everybody subscribed.
    pub(crate) fn publish(&self, channel: &str, payload: &str) {
        let message = bulks(&["message", channel, payload]);
        let mut script = lock(&self.script);
        script
            .subscribers
            .retain_mut(|stream| stream.write_all(message.as_bytes()).is_ok());
    }

    /// How many connections have subscribed to something.
    pub(crate) fn subscribers(&self) -> usize {
        lock(&self.script).subscribers.len()
    }

    /// Every command it received.
    pub(crate) fn heard(&self) -> Vec<Vec<String>> {
        lock(&self.script).heard.clone()
    }
}

fn serve(mut stream: TcpStream, stop: &AtomicBool, script: &Mutex<Script>) {
    let own = stream
        .local_addr()
        .map(|address| address.port())
        .unwrap_or(0);
    commands(
        &mut stream,
        stop,
        |_| (),
        |stream, words| {
            let manner = {
                let mut script = lock(script);
                script.heard.push(words.to_vec());
                script.manner
            };
            match manner {
                Manner::Answer => {}
                Manner::Slow(pause) => thread::sleep(pause),
                Manner::Silent => return true,
                Manner::Close => {
                    // A subscriber's twin would keep the connection open.
                    let _ = stream.shutdown(Shutdown::Both);
                    return false;
                }
            }
            let mut script = lock(script);
            if words[0].eq_ignore_ascii_case("SUBSCRIBE")
                && let Ok(twin) = stream.try_clone()
            {
                script.subscribers.push(twin);
            }
            stream
                .write_all(script.answer(words, own).as_bytes())
                .is_ok()
        },
    );
}

impl Script {
    fn answer(&self, words: &[String], own: u16) -> String {
        let upper: Vec<_> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let upper: Vec<_> = upper.iter().map(String::as_str).collect();
        match upper.as_slice() {
            ["PING"] => "+PONG\r\n".into(),
            ["SUBSCRIBE", ..] => self.subscribed(&words[1..]),
            ["SENTINEL", "MYID"] => bulk(&format!("{own:040x}")),
            ["SENTINEL", _, _] if words[2] != self.name => self.unknown(upper[1]),
            [
                "SENTINEL",
                "GET-MASTER-ADDR-BY-NAME" | "GET-PRIMARY-ADDR-BY-NAME",
                _,
            ] => bulks(&[&self.host, &self.port.to_string()]),
            ["SENTINEL", "MASTER" | "PRIMARY", _] => self.master(),
            ["SENTINEL", "SENTINELS" | "REPLICAS" | "SLAVES", _] => "*0\r\n".into(),
            ["AUTH" | "CLIENT", ..] => "+OK\r\n".into(),
            _ => format!("-ERR unknown command '{}'\r\n", words.join(" ")),
        }
    }

    fn unknown(&self, what: &str) -> String {
        if what.starts_with("GET") {
            return "*-1\r\n".into();
        }
        "-ERR No such master with that name\r\n".into()
    }

    fn master(&self) -> String {
        let (port, epoch) = (self.port.to_string(), self.epoch.to_string());
        let quorum = self.quorum.to_string();
        bulks(&[
            "name",
            &self.name,
            "ip",
            &self.host,
            "port",
            &port,
            "flags",
            "master",
            "config-epoch",
            &epoch,
            "num-slaves",
            "0",
            "num-other-sentinels",
            "0",
            "quorum",
            &quorum,
            "down-after-milliseconds",
            "1000",
            "failover-timeout",
            "5000",
        ])
    }

    fn subscribed(&self, channels: &[String]) -> String {
        let confirm = |(i, channel): (usize, &String)| {
            format!("*3\r\n{}{}:{}\r\n", bulk("subscribe"), bulk(channel), i + 1)
        };
        channels.iter().enumerate().map(confirm).collect()
    }
}
