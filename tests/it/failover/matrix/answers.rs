//! Error replies that a real server gives only in moments that cannot be made to last, from one that
//! answers as it is told: which of them are waited out, and which are the application's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::stage::{is, nothing, ok};
use crate::bed::Start;
use crate::client::Client;
use crate::fakes::{FakeSentinel, FakeServer, Reaction};
use crate::proxy::Proxy;
use crate::value::Value;

const REPLICA: &[u8] = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$7\r\nconnect\r\n:0\r\n";
const READONLY: &str = "-READONLY You can't write against a read only replica.\r\n";
/// An answer that is passed on comes within this.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What the server shares with the test.
#[derive(Default)]
struct Mood {
    /// It refuses.
    refuses: AtomicBool,
    /// It says that it is a replica.
    replica: AtomicBool,
    /// Writes and EXECs it carried out.
    executed: AtomicUsize,
    /// Those it refused.
    refused: AtomicUsize,
}

/// A server with a mood, a proxy in front of it and a session.
struct Scene {
    mood: Arc<Mood>,
    client: Client,
    _proxy: Proxy,
    _sentinel: FakeSentinel,
    _server: FakeServer,
}

impl Scene {
    /// While it refuses, the server answers SET, EVAL and EXEC with `refusal`.
    #[track_caller]
    fn set(refusal: &str) -> Self {
        let mood = Arc::new(Mood::default());
        let (own, refusal) = (mood.clone(), refusal.as_bytes().to_vec());
        let server = FakeServer::start(move |words| react(&own, &refusal, words));
        let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
        let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster").start_ready();
        let mut client = proxy.connect();
        is(&client.call(&["PING"]), "PONG");
        Self {
            mood,
            client,
            _proxy: proxy,
            _sentinel: sentinel,
            _server: server,
        }
    }

    fn refuse(&self) {
        self.mood.refuses.store(true, Ordering::Relaxed);
    }

    fn demote(&self) {
        self.mood.replica.store(true, Ordering::Relaxed);
        self.refuse();
    }

    fn promote(&self) {
        self.mood.refuses.store(false, Ordering::Relaxed);
        self.mood.replica.store(false, Ordering::Relaxed);
    }

    fn executed(&self) -> usize {
        self.mood.executed.load(Ordering::Relaxed)
    }
}

fn react(mood: &Mood, refusal: &[u8], words: &[String]) -> Reaction {
    let refuses = mood.refuses.load(Ordering::Relaxed);
    let reply = |bytes: &[u8]| Reaction::Reply(bytes.to_vec());
    let words: Vec<_> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ROLE"] if mood.replica.load(Ordering::Relaxed) => reply(REPLICA),
        ["CLIENT", "ID"] => reply(b":7\r\n"),
        ["SET" | "EVAL" | "EXEC", ..] if refuses => {
            mood.refused.fetch_add(1, Ordering::Relaxed);
            reply(refusal)
        }
        ["SET" | "EVAL", ..] => {
            mood.executed.fetch_add(1, Ordering::Relaxed);
            reply(b"+OK\r\n")
        }
        ["EXEC"] => {
            mood.executed.fetch_add(1, Ordering::Relaxed);
            reply(b"*1\r\n:1\r\n")
        }
        ["INCR", ..] => reply(b"+QUEUED\r\n"),
        _ => Reaction::AsUsual,
    }
}

/// The command is held while it is refused so, and executed once when it is not any more.
#[track_caller]
fn waited_out(refusal: &str, args: &[&str]) {
    let mut scene = Scene::set(refusal);
    scene.demote();
    scene.client.send(args).unwrap();
    nothing(&mut scene.client);
    assert_eq!(scene.executed(), 0);
    scene.promote();
    ok(&scene.client.reply().unwrap());
    assert_eq!(scene.executed(), 1, "{refusal}");
}

/// The reply reaches the client as it is, at once.
#[track_caller]
fn passed_on(refusal: &str, args: &[&str]) {
    let mut scene = Scene::set(refusal);
    scene.refuse();
    let asked = Start::now();
    scene.client.send(args).unwrap();
    scene.client.reply().unwrap();
    asked.within(AT_ONCE);
    assert_eq!(scene.client.raw(), refusal.as_bytes());
    assert_eq!(scene.mood.refused.load(Ordering::Relaxed), 1, "{refusal}");
}

#[test]
fn refusals_that_tell_of_a_failover_are_waited_out() {
    let set: &[&str] = &["SET", "k", "v"];
    waited_out(READONLY, set);
    waited_out("-LOADING Redis is loading the dataset in memory\r\n", set);
    waited_out(
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        set,
    );
    waited_out("-REDIRECT 127.0.0.1:1\r\n", set);
    let script = "-READONLY You can't write against a read only replica. script: \
                  c664a3bf70bd1d45c4284ffebb65a6f2299bfc9f, on @user_script:1.\r\n";
    waited_out(script, &["EVAL", "return redis.call('SET', 'k', 'v')", "0"]);
}

#[test]
fn every_other_refusal_is_the_applications() {
    let set: &[&str] = &["SET", "k", "v"];
    for refusal in [
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-MISCONF Errors writing to the AOF file: No space left on device\r\n",
        "-NOPERM this user has no permissions to run the 'set' command\r\n",
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL.\r\n",
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
        "-CLUSTERDOWN Hash slot not served\r\n",
        "-MOVED 3999 127.0.0.1:1\r\n",
        "-ERR something READONLY something LOADING something\r\n",
    ] {
        passed_on(refusal, set);
    }
    let eval: &[&str] = &["EVAL", "return redis.error_reply('...')", "0"];
    passed_on("-READONLY x\r\n", eval);
    passed_on(
        "-ERR Error running script: -READONLY You can't write\r\n",
        eval,
    );
}

/// A transaction up to its EXEC.
#[track_caller]
fn queue(scene: &mut Scene) {
    ok(&scene.client.call(&["MULTI"]));
    is(&scene.client.call(&["INCR", "k"]), "QUEUED");
}

#[test]
fn an_exec_refused_because_of_a_failover_is_played_again() {
    for because in [
        READONLY,
        "-LOADING Redis is loading the dataset in memory\r\n",
    ] {
        let because = because.trim_start_matches('-');
        let refusal = format!("-EXECABORT Transaction discarded because of: {because}");
        let mut scene = Scene::set(&refusal);
        queue(&mut scene);
        scene.demote();
        scene.client.send(&["EXEC"]).unwrap();
        nothing(&mut scene.client);
        scene.promote();
        let replies = scene.client.reply().unwrap();
        assert_eq!(replies, Value::Array(vec![Value::Int(1)]));
        assert_eq!(scene.executed(), 1);
    }
}

#[test]
fn any_other_reply_to_exec_is_the_applications() {
    for reply in [
        "*-1\r\n".to_owned(),
        format!("*1\r\n{READONLY}"),
        "-EXECABORT Transaction discarded because of previous errors.\r\n".into(),
        "-EXECABORT Transaction discarded because of: OOM command not allowed\r\n".into(),
    ] {
        let mut scene = Scene::set(&reply);
        queue(&mut scene);
        scene.refuse();
        let asked = Start::now();
        scene.client.send(&["EXEC"]).unwrap();
        scene.client.reply().unwrap();
        asked.within(AT_ONCE);
        assert_eq!(scene.client.raw(), reply.as_bytes());
    }
}
