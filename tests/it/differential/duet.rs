//! Streams of two clients: the subject, and a helper on the server itself who publishes, pushes,
//! writes what is watched or tracked, and ends what waits. Each turn waits for the one before, so
//! that the order is determined.

use super::plan::{Plan, Step, Who};
use super::side::SUBJECT;
use crate::rng::Rng;

/// A stream under construction.
struct Duet {
    rng: Rng,
    plan: Plan,
    tag: u64,
    resp3: bool,
}

/// The stream of `seed`.
pub(super) fn generate(seed: u64) -> Plan {
    let mut rng = Rng::new(seed ^ 0xD0E7);
    let resp3 = rng.chance(50);
    let mut duet = Duet {
        rng,
        plan: Plan::default(),
        tag: seed,
        resp3,
    };
    duet.call(&["CLIENT", "SETNAME", SUBJECT]);
    if resp3 {
        duet.call(&["HELLO", "3"]);
    }
    for _ in 0..duet.rng.within(1, 4) {
        match duet.rng.below(6) {
            0 => duet.listen(),
            1 => duet.wait_for_data(),
            2 => duet.watch(),
            3 => duet.track(),
            4 => duet.monitor(),
            _ => duet.pause(),
        }
    }
    duet.end()
}

impl Duet {
    fn call(&mut self, args: &[&str]) {
        self.plan.call(Who::Subject, args, &mut self.rng);
    }

    fn help(&mut self, args: &[&str]) {
        self.plan.help(args, &mut self.rng);
    }

    fn sync(&mut self, word: &str) {
        self.plan.sync(Who::Subject, word, &mut self.rng);
    }

    /// A key or channel of this stream.
    fn name(&mut self, kind: &str) -> String {
        format!("d:{}:{kind}{}", self.tag, self.rng.below(3))
    }

    fn payload(&mut self) -> String {
        let length = match self.rng.below(10) {
            0 => 0,
            1..7 => self.rng.below(50),
            7 | 8 => self.rng.within(65_400, 65_600),
            _ => self.rng.below(1_500_000),
        };
        "p".repeat(length)
    }

    fn listen(&mut self) {
        let word = if self.resp3 { "ECHO" } else { "PING" };
        for _ in 0..self.rng.within(2, 6) {
            let (one, two) = (self.name("c"), self.name("c"));
            let pattern = format!("d:{}:c*", self.tag);
            match self.rng.below(7) {
                // Patterns that match alike would be served in the order of a hash table.
                0 => self.call(&["PSUBSCRIBE", &pattern]),
                1 => self.call(&["SSUBSCRIBE", &one]),
                2 => self.call(&["UNSUBSCRIBE", &one]),
                3 => self.call(&["SUBSCRIBE", &one, &two]),
                4 if self.resp3 => self.call(&["CLIENT", "REPLY", "SKIP"]),
                _ => self.call(&["SUBSCRIBE", &one]),
            }
            // A RESP2 subscriber's PING is all that is sure to be answered.
            self.call(&["SUBSCRIBE", "d:always"]);
            self.sync(word);
            for _ in 0..self.rng.below(4) {
                let (channel, payload) = (self.name("c"), self.payload());
                let publish = if self.rng.chance(80) {
                    "PUBLISH"
                } else {
                    "SPUBLISH"
                };
                self.help(&[publish, &channel, &payload]);
            }
            self.sync(word);
        }
        for word in ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"] {
            self.call(&[word]);
        }
    }

    fn wait_for_data(&mut self) {
        let (list, zset, stream) = (self.name("l"), self.name("z"), self.name("x"));
        let payload = self.payload();
        let forms: [(&[&str], &[&str]); 7] = [
            (
                &["BLPOP", "d:none", &list, "0"],
                &["RPUSH", &list, &payload, "b"],
            ),
            (&["BRPOP", &list, "100"], &["LPUSH", &list, &payload]),
            (
                &["BLMOVE", &list, "d:to", "LEFT", "LEFT", "0"],
                &["RPUSH", &list, &payload],
            ),
            (
                &["BLMPOP", "0", "1", &list, "LEFT", "COUNT", "9"],
                &["RPUSH", &list, "1", &payload],
            ),
            (&["BZPOPMIN", &zset, "0"], &["ZADD", &zset, "1.5", &payload]),
            (
                &["BZMPOP", "0", "1", &zset, "MAX"],
                &["ZADD", &zset, "2", "b"],
            ),
            (
                &["XREAD", "BLOCK", "0", "STREAMS", &stream, "$"],
                &["XADD", &stream, "99-1", "f", &payload],
            ),
        ];
        let (waiting, giving) = forms[self.rng.below(forms.len())];
        self.help(&["DEL", &list, &zset, &stream]);
        if self.rng.chance(20) {
            self.call(&["CLIENT", "REPLY", "SKIP"]);
        }
        self.call(waiting);
        for _ in 0..self.rng.below(3) {
            // Sent while it waits; answered afterwards.
            self.call(&["LLEN", &list]);
        }
        self.plan.steps.push(Step::Blocked(1));
        match self.rng.below(5) {
            0 => self.on_subject(&["CLIENT", "UNBLOCK", "SELF", "ERROR"]),
            1 => self.on_subject(&["CLIENT", "UNBLOCK", "SELF"]),
            2 => {
                // The wrong type unblocks nobody.
                self.help(&["SET", "d:none", "1"]);
                self.help(&["DEL", "d:none"]);
                self.help(giving);
            }
            _ => self.help(giving),
        }
        self.sync("ECHO");
    }

    fn watch(&mut self) {
        let (key, other) = (self.name("s"), self.name("s"));
        self.call(&["WATCH", &key]);
        self.sync("ECHO");
        match self.rng.below(4) {
            0 => self.help(&["SET", &key, "x"]),
            1 => self.help(&["SET", &other, "x"]),
            2 => self.help(&["FLUSHDB"]),
            _ => self.call(&["UNWATCH"]),
        }
        for command in [
            &["MULTI"][..],
            &["INCR", &other],
            &["SET", &key, "mine"],
            &["EXEC"],
            &["GET", &key],
        ] {
            self.call(command);
        }
        self.sync("ECHO");
    }

    fn track(&mut self) {
        let (key, other) = (self.name("s"), self.name("s"));
        let forms: [&[&str]; 5] = [
            &[],
            &["NOLOOP"],
            &["OPTIN"],
            &["BCAST", "PREFIX", "d:"],
            &["OPTOUT"],
        ];
        let form = forms[self.rng.below(forms.len())];
        self.call(&[&["CLIENT", "TRACKING", "on"], form].concat());
        for _ in 0..self.rng.within(1, 4) {
            if self.rng.chance(40) {
                self.call(&["CLIENT", "CACHING", "yes"]);
            }
            self.call(&["MGET", &key, &other]);
            self.sync("ECHO");
            match self.rng.below(4) {
                0 => self.help(&["FLUSHALL"]),
                1 => self.help(&["MSET", &key, "1", &other, "2"]),
                _ => self.help(&["SET", &key, "x"]),
            }
            self.sync("ECHO");
        }
        self.call(&["CLIENT", "TRACKING", "off"]);
        self.sync("ECHO");
    }

    fn monitor(&mut self) {
        let key = self.name("s");
        self.call(&["MONITOR"]);
        self.sync("ECHO");
        for _ in 0..self.rng.within(1, 5) {
            let payload = self.payload();
            match self.rng.below(3) {
                0 => self.call(&["GET", &key]),
                1 => self.help(&["EVAL", "return redis.call('GET', KEYS[1])", "1", &key]),
                _ => self.help(&["SET", &key, &payload]),
            }
            self.sync("ECHO");
        }
        self.call(&["RESET"]);
        self.call(&["CLIENT", "SETNAME", SUBJECT]);
        self.sync("ECHO");
        self.resp3 = false;
    }

    /// A write that waits at the server because another client said so.
    fn pause(&mut self) {
        let key = self.name("s");
        self.help(&["CLIENT", "PAUSE", "100000", "WRITE"]);
        self.call(&["GET", &key]);
        self.sync("ECHO");
        self.call(&["SET", &key, "late"]);
        self.call(&["GET", &key]);
        self.plan.steps.push(Step::Blocked(1));
        self.help(&["CLIENT", "UNPAUSE"]);
        self.sync("ECHO");
    }

    fn on_subject(&mut self, command: &[&str]) {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        self.plan.steps.push(Step::OnSubject(command));
    }

    /// The end of the connection, by the client and in different states: when the server ends it,
    /// Steadfast goes on with another.
    fn end(mut self) -> Plan {
        match self.rng.below(4) {
            0 => {
                self.call(&["SUBSCRIBE", "d:never"]);
                let word = if self.resp3 { "ECHO" } else { "PING" };
                self.sync(word);
                self.plan.steps.extend([Step::HalfClose, Step::Closed]);
            }
            1 => {
                self.call(&["BLPOP", "d:never", "0"]);
                self.plan
                    .steps
                    .extend([Step::Blocked(1), Step::HalfClose, Step::Closed]);
            }
            2 => {
                self.sync("ECHO");
                self.plan.steps.extend([Step::HalfClose, Step::Closed]);
            }
            _ => self.plan.quit(&mut self.rng),
        }
        self.plan
    }
}
