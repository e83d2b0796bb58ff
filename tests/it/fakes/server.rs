//! A data node that answers as its script says and remembers every byte it was sent.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};

use super::{Acceptor, commands, lock};

/// What to do with one command.
#[derive(Debug, Clone)]
pub(crate) enum Reaction {
    /// Send these bytes.
    Reply(Vec<u8>),
    /// Send these bytes and close: a reply cut short.
    ReplyAndClose(Vec<u8>),
    /// Say nothing.
    Nothing,
    /// Do what an empty, healthy primary would do.
    AsUsual,
}

/// A scripted data node.
pub(crate) struct FakeServer {
    acceptor: Acceptor,
    received: Arc<Mutex<Vec<u8>>>,
}

impl FakeServer {
    /// One that asks `script` what to do with each command (its words).
    pub(crate) fn start(script: impl Fn(&[String]) -> Reaction + Send + Sync + 'static) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let book = received.clone();
        let acceptor = Acceptor::start(move |mut stream, stop| {
            let raw = |bytes: &[u8]| lock(&book).extend_from_slice(bytes);
            commands(&mut stream, stop, raw, |stream, words| {
                match script(words) {
                    Reaction::Reply(bytes) => stream.write_all(&bytes).is_ok(),
                    Reaction::ReplyAndClose(bytes) => {
                        let _ = stream.write_all(&bytes);
                        let _ = stream.shutdown(Shutdown::Both);
                        false
                    }
                    Reaction::Nothing => true,
                    Reaction::AsUsual => stream.write_all(usual(words).as_bytes()).is_ok(),
                }
            });
        });
        Self { acceptor, received }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.address
    }

    /// Everything received on all connections, in order of arrival.
    pub(crate) fn received(&self) -> Vec<u8> {
        lock(&self.received).clone()
    }

    /// How often `needle` occurs in what was received.
    pub(crate) fn count(&self, needle: &str) -> usize {
        let received = self.received();
        received
            .windows(needle.len())
            .filter(|part| *part == needle.as_bytes())
            .count()
    }
}

fn usual(words: &[String]) -> String {
    match words
        .first()
        .map(|word| word.to_ascii_uppercase())
        .as_deref()
    {
        Some("PING") => "+PONG\r\n".into(),
        Some("ROLE") => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".into(),
        Some("GET") => "$-1\r\n".into(),
        Some("HELLO") => "-ERR unknown command 'HELLO'\r\n".into(),
        Some("INFO") => {
            let text = "# Server\r\nrun_id:0123456789012345678901234567890123456789\r\n\
                        role:master\r\nmaster_repl_offset:0\r\n";
            super::bulk(text)
        }
        _ => "+OK\r\n".into(),
    }
}
