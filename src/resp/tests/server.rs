//! One real server on a socket file of its own, and a client that sees its very bytes.
//!
//! `STEADFAST_TEST_SERVER` chooses the server, as in the other tests: `redis`, `valkey`, or the
//! path of a binary.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::values;
use crate::resp::ReplyScanner;

/// How long a test waits for anything a server does.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that dies with its owner, also while a test panics.
pub(super) struct Server {
    child: Child,
    socket: PathBuf,
    _dir: TempDir,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::start_binary(&binary())
    }

    /// The same of another server than the one chosen for the tests.
    pub(super) fn start_binary(binary: &OsStr) -> Self {
        let dir = TempDir::with_prefix("steadfast-resp-").expect("a directory");
        let socket = dir.path().join("socket");
        let child = Command::new(binary)
            .args(["--port", "0", "--save", "", "--enable-debug-command", "yes"])
            .arg("--unixsocket")
            .arg(&socket)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server of the tests is installed");
        let server = Self {
            child,
            socket,
            _dir: dir,
        };
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&server.socket).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub(super) fn connect(&self) -> Client {
        Client {
            stream: self.stream(),
            unread: Vec::new(),
        }
    }

    /// A connection for bytes that are no commands.
    pub(super) fn stream(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream
    }

    /// Asks one thing on a connection of its own.
    pub(super) fn ask(&self, words: &[&str]) -> Vec<u8> {
        self.connect().ask(words)
    }

    /// Makes it a replica of nobody there.
    pub(super) fn demote(&self) {
        assert_eq!(self.ask(&["REPLICAOF", "127.0.0.1", "1"]), b"+OK\r\n");
    }

    /// Waits until as many clients as this wait in a blocking call.
    pub(super) fn wait_for_blocked(&self, count: usize) {
        let mut client = self.connect();
        let expected = format!("blocked_clients:{count}\r\n");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info = client.ask(&["INFO", "clients"]);
            if String::from_utf8_lossy(&info).contains(&expected) {
                return;
            }
            assert!(Instant::now() < deadline, "not {count} blocked clients");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection.
pub(super) struct Client {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Client {
    pub(super) fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        self.send(&command(words));
        self.reply()
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next whole frame.
    #[track_caller]
    pub(super) fn reply(&mut self) -> Vec<u8> {
        let mut scanner = ReplyScanner::new();
        let mut scanned = 0;
        loop {
            let found = scanner.scan(&self.unread[scanned..]).expect("a reply");
            if let Some(len) = found {
                let rest = self.unread.split_off(scanned + len);
                return std::mem::replace(&mut self.unread, rest);
            }
            scanned = self.unread.len();
            let mut chunk = [0; 16 * 1024];
            let len = self.stream.read(&mut chunk).expect("a reply in time");
            assert_ne!(len, 0, "the server closed the connection");
            self.unread.extend_from_slice(&chunk[..len]);
        }
    }
}

/// The frame of a command.
pub(super) fn command(words: &[&str]) -> Vec<u8> {
    let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    values::frame(&args)
}

fn binary() -> OsString {
    match env::var("STEADFAST_TEST_SERVER").as_deref() {
        Ok("valkey") => "valkey-server".into(),
        Ok("redis") | Err(_) => "redis-server".into(),
        Ok(path) => path.into(),
    }
}
